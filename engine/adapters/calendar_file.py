"""Calendars of who is on call, as iCalendar files (RFC 5545): written for others, and read from them.

What is read comes from anywhere: it is bounded in size, in events, and in how long it may take.
"""

import re
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar, Event, vDDDTypes
from msgspec import structs

from engine.adapters.roster import Person
from engine.adapters.rotations import Schedule, Span, moment
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import DAY_US, time_text
from engine.errors import InputError

_PERSON: Final = "X-WATCHKEEPER-PERSON"
_LARGEST_BYTES: Final = 1 << 20
_MOST_EVENTS: Final = 5_000
_MOST_SPANS: Final = 10_000
_LONGEST_US: Final = 3 * 366 * DAY_US
# A rule that never comes true is tried until the year 9999, which takes a second.
_PATIENCE_S: Final = 10.0
_EARLIEST: Final = 2000
# The parts of a rule by what repeats. Others make many occurrences of one day, or take minutes to find none.
_PARTS: Final = {
    "DAILY": {"BYDAY"},
    "WEEKLY": {"BYDAY"},
    "MONTHLY": {"BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"},
    "YEARLY": {"BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"},
}
_ALWAYS: Final = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MARGIN: Final = timedelta(days=2)
_SHOWN: Final = 60
_MEND: Final = "mend it in the calendar it is from"


def write_calendar(
    schedule: Schedule, spans: Iterable[Span], people: Mapping[PersonId, Person], *, made_us: int
) -> bytes:
    """Write spans of a schedule as a calendar; those with nobody on call are left out.

    `made_us` is when it is made. An event keeps its identifier for as long as it begins at the same time, so
    that a calendar that is fetched again shows a swap instead of both.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Watchkeeper//on call//EN")
    calendar.add("version", "2.0")
    calendar.add("name", f"On call: {schedule.name}")
    calendar.add("x-wr-calname", f"On call: {schedule.name}")
    for span in spans:
        if span.person is None:
            continue
        known = people.get(span.person)
        begin = _utc(span.from_us)
        event = Event()
        event.add("uid", f"{begin:%Y%m%dT%H%M%SZ}-{schedule.name}@watchkeeper")
        event.add("dtstamp", _utc(made_us))
        event.add("dtstart", begin)
        event.add("dtend", _utc(span.until_us))
        event.add("summary", f"{known.name if known is not None else span.person} on call: {schedule.name}")
        event.add("transp", "TRANSPARENT")
        event.add(_PERSON, span.person)
        calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def read_calendar(
    content: bytes, schedule: Schedule, people: Sequence[Person], *, from_us: int, until_us: int, place: str
) -> tuple[Span, ...]:
    """Read who is on call between two times: spans in order that do not overlap, cut at both ends.

    An event is for the person whom its title names, by short or full name, or whose e-mail address is among
    its attendees. Whole days, and times without a zone, are by the clock of the schedule. Cancelled ones do
    not count. `place` names the file in complaints. Raises `InputError` for what cannot be read, or not be
    understood.
    """
    if until_us - from_us > _LONGEST_US:
        raise InputError("that is more than three years", cure="ask for a shorter time")
    events = list(_events(content, schedule.zone, place))
    found: list[tuple[int, int, PersonId]] = []
    started = time.monotonic()
    for series in _series(events, place):
        for event in _occurrences(series, from_us, until_us, place):
            begin = max(_us(event["DTSTART"].dt, schedule.zone), from_us)
            end = min(_us(event["DTEND"].dt, schedule.zone), until_us)
            if begin < end and str(event.get("STATUS", "")).upper() != "CANCELLED":
                found.append((begin, end, _whom(event, people, place)))
        if len(found) > _MOST_SPANS or time.monotonic() - started > _PATIENCE_S:
            raise InputError(
                "comes to too many events",
                place=place,
                cure="keep only who is on call in it, or ask for a shorter time",
            )
    return _joined(sorted(found), place)


# ---------------------------------------------------------------- reading


def _events(content: bytes, zone: str, place: str) -> Iterator[Event]:
    if len(content) > _LARGEST_BYTES:
        raise InputError(f"larger than {_LARGEST_BYTES} bytes", place=place, cure="split it")
    try:
        with warnings.catch_warnings():
            # What it guesses of zones is checked below.
            warnings.simplefilter("ignore")
            calendars: Any = Calendar.from_ical(content, multiple=True)
    # The parser meets bad input with errors of many kinds; none of them may end whoever asked.
    except Exception as wrong:
        raise _unreadable(wrong, place) from wrong
    count = 0
    for calendar in calendars:
        if calendar.name != "VCALENDAR":
            raise InputError(
                f"begins with {calendar.name}, not VCALENDAR",
                place=place,
                cure="export it as iCalendar (.ics)",
            )
        for event in calendar.subcomponents:
            if isinstance(event, Event):
                count += 1
                if count > _MOST_EVENTS:
                    raise InputError(f"has more than {_MOST_EVENTS} events", place=place, cure="split it")
                _check(event, zone, place)
                yield event
    if not content.rstrip().upper().endswith(b"END:VCALENDAR"):
        raise InputError("ends too early", place=place, cure="fetch or export it anew")
    if not count:
        raise InputError("has no events", place=place, cure="export the calendar with its events")


def _check(event: Any, zone: str, place: str) -> None:
    """Refuse what the parser could not read, and rules that would take for ever."""
    if event.errors:
        name, why = event.errors[0]
        raise _bad(event, f"{name} cannot be read: {_short(why)}", place, _MEND)
    start = event.get("DTSTART")
    if not isinstance(start, vDDDTypes) or not isinstance(start.dt, date):
        raise _bad(event, "it has no beginning, or several", place, _MEND)
    _check_zones(event, place)
    end, length = event.get("DTEND", start), event.get("DURATION")
    if not isinstance(end, vDDDTypes) or isinstance(end.dt, datetime) != isinstance(start.dt, datetime):
        raise _bad(event, "its end is of another kind than its beginning", place, _MEND)
    if isinstance(length, list) or ("DTEND" in event and length is not None):
        raise _bad(event, "it has several ends", place, _MEND)
    ends: Any = end.dt
    # Events that last less than nothing would be left out without a word.
    if _us(ends, zone) < _us(start.dt, zone) or (length is not None and length.dt < timedelta(0)):
        raise _bad(event, "it ends before it begins", place, _MEND)
    if "EXRULE" in event:
        raise _bad(event, "EXRULE is not read", place, "take out single days instead")
    rule = event.get("RRULE")
    if rule is None:
        return
    if isinstance(rule, list):
        raise _bad(event, "it has several rules", place, "make an event for each")
    freq = str(rule.get("FREQ", [""])[0]).upper()
    allowed = _PARTS.get(freq)
    if allowed is None:
        raise _bad(event, f"it repeats {freq.lower() or 'in no way'}", place, "repeat it daily or less often")
    others = {str(part).upper() for part in rule} - _ALWAYS - allowed
    every = rule.get("INTERVAL", [1])[0]
    if others or every < 1 or (freq == "DAILY" and every > 1 and "BYDAY" in rule):
        named = ", ".join(sorted(others)) or f"INTERVAL={every}"
        raise _bad(event, f"its rule has {named}, which is not read", place, "repeat it in a plainer way")
    if start.dt.year < _EARLIEST:
        raise _bad(event, f"it repeats since before {_EARLIEST}", place, "begin it later")


def _check_zones(event: Any, place: str) -> None:
    """Refuse zones that only the file explains: working with them can take minutes; and those nobody does."""
    for name in ("DTSTART", "DTEND", "RECURRENCE-ID", "RDATE", "EXDATE"):
        values = event.get(name, [])
        for value in values if isinstance(values, list) else [values]:
            zone = value.params.get("TZID")
            for each in getattr(value, "dts", [value]):
                for at in each.dt if isinstance(each.dt, tuple) else (each.dt,):
                    known = not isinstance(at, datetime) or _is_known(at.tzinfo, zone)
                    if not known:
                        raise _bad(
                            event,
                            f"nobody knows its zone {zone}",
                            place,
                            "choose one such as Europe/Berlin in the calendar it is from",
                        )


def _is_known(zone: tzinfo | None, named: str | None) -> bool:
    return isinstance(zone, ZoneInfo | timezone) or (zone is None and named is None)


def _series(events: Iterable[Event], place: str) -> Iterable[list[Event]]:
    """Put together what belongs together: an event, and the changes to single occurrences of it."""
    found: dict[str, list[Event]] = {}
    for nth, event in enumerate(events):
        series = found.setdefault(str(event.get("UID", f"without-{nth}")), [])
        series.append(event)
        if "RRULE" in event and sum("RRULE" in each for each in series) > 1:
            raise _bad(event, "another one has its UID", place, "export the calendar anew")
    return found.values()


def _occurrences(series: Sequence[Event], from_us: int, until_us: int, place: str) -> Sequence[Any]:
    calendar = Calendar()
    for event in series:
        calendar.add_component(event)
    try:
        # Times without a zone may lie a day off what they turn out to be.
        found: Sequence[Any] = recurring_ical_events.of(calendar).between(
            _utc(from_us) - _MARGIN, _utc(until_us) + _MARGIN
        )
    # The library meets contradictions within an event with errors of many kinds.
    except Exception as wrong:
        raise _bad(series[0], f"it cannot be read: {_short(str(wrong))}", place, _MEND) from wrong
    return found


def _us(at: date | datetime, zone: str) -> int:
    # Zones add hours to what the first and the last year have.
    at = at.replace(year=min(max(at.year, 2), 9998))
    if not isinstance(at, datetime):
        return moment(zone, datetime(at.year, at.month, at.day))  # noqa: DTZ001 - it is local
    if at.tzinfo is None:
        return moment(zone, at)
    return (at.astimezone(UTC) - _EPOCH) // _MICROSECOND


def _whom(event: Any, people: Sequence[Person], place: str) -> PersonId:
    """Find out whom an event is for."""
    marked = str(event.get(_PERSON, ""))
    title = str(event.get("SUMMARY", ""))
    attendees = event.get("ATTENDEE", [])
    addresses = {
        re.sub(r"^mailto:", "", str(each), flags=re.IGNORECASE).casefold()
        for each in (attendees if isinstance(attendees, list) else [attendees])
    }
    named = [each.person_id for each in people if _names(title, each)]
    invited = [each.person_id for each in people if each.email and each.email.casefold() in addresses]
    for whom in ([each.person_id for each in people if each.person_id == marked], named, invited):
        if len(whom) == 1:
            return whom[0]
    both = " and ".join(dict.fromkeys(named or invited))
    raise _bad(
        event,
        f"it names {both}, and one is on call at a time" if both else "it names nobody in people.yaml",
        place,
        "give it the name of one person as its title",
    )


def _names(title: str, person: Person) -> bool:
    return any(
        re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", title, re.IGNORECASE)
        for name in {person.person_id, person.name}
    )


def _joined(found: Iterable[tuple[int, int, PersonId]], place: str) -> tuple[Span, ...]:
    """Make one span of those of one person that touch or overlap; refuse two people at one time."""
    spans: list[Span] = []
    for begin, end, person in found:
        last = spans[-1] if spans else None
        if last is not None and last.person == person and begin <= last.until_us:
            spans[-1] = structs.replace(last, until_us=max(last.until_us, end))
        elif last is not None and begin < last.until_us:
            raise InputError(
                f"{last.person} and {person} are both on call at {time_text(begin)}",
                place=place,
                cure="one person is on call in a schedule at a time: shorten one, or use two schedules",
            )
        else:
            spans.append(Span(person=person, from_us=begin, until_us=end))
    return tuple(spans)


def _utc(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)


def _bad(event: Any, message: str, place: str, cure: str) -> InputError:
    title = _short(str(event.get("SUMMARY", "")) or "without a title")
    start = event.get("DTSTART")
    at = f" of {_short(start.to_ical().decode(errors='replace'))}" if isinstance(start, vDDDTypes) else ""
    return InputError(f"event {title!r}{at}: {message}", place=place, cure=cure)


def _unreadable(wrong: Exception, place: str) -> InputError:
    return InputError(
        f"is no calendar: {_short(str(wrong) or type(wrong).__name__)}",
        place=place,
        cure="export it as iCalendar (.ics)",
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
