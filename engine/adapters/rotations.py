"""Rotations: who is on call at a time, by the clock on the wall where the schedule lives. Asks no clock.

A handover happens at the first moment at which that clock shows its time, or a later one. So one at 02:30 in
the night in which 02:30 is left out happens as the clock jumps, and in the night in which 02:30 comes twice
it happens the first time.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from engine.core.vocabulary.escalation_facts import OnCallChanged
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import DAY_US
from engine.errors import InputError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN: Final = 24 * 60
WEEK_MIN: Final = 7 * DAY_MIN
# Ten years of handovers by the hour take a second; what asks for more is a slip of the keyboard.
_LONGEST_US: Final = 3660 * DAY_US

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
# No zone has ever put its clock on or back by more than a day.
_MARGIN: Final = 2 * _DAY


class Window(Struct, frozen=True, kw_only=True):
    """A part of the day, on some days of the week, in minutes of the wall clock."""

    days: tuple[int, ...]
    """On which it begins; Monday is 0."""
    from_min: int
    until_min: int
    """After midnight it is more than a day has."""


class Layer(Struct, frozen=True, kw_only=True):
    """People who take turns."""

    people: tuple[PersonId, ...]
    start: datetime | None = None
    """When the first one's turn begins, by the wall clock; turns are counted back from there as well. `None`
    where there is nobody to hand over to."""
    every_min: int = 0
    """How long a turn is, by the wall clock; 0 with `start`."""
    during: tuple[Window, ...] = ()
    """When anybody of them is on call; empty: always."""


class Schedule(Struct, frozen=True, kw_only=True):
    """Who is on call. Of its layers the first that has somebody at a time says who."""

    name: str
    zone: str
    layers: tuple[Layer, ...]


class Span(Struct, frozen=True, kw_only=True):
    """One person on call from a time until another."""

    person: PersonId | None
    """`None`: nobody is."""
    from_us: int
    until_us: int


def wall(zone: str, at_us: int) -> datetime:
    """Return what a clock on the wall shows, without a zone."""
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@lru_cache(maxsize=4096)
def moment(zone: str, shown: datetime) -> int:
    """Return the first moment, in microseconds, at which a clock on the wall shows this time or a later one.

    >>> moment("Europe/Berlin", datetime(2026, 3, 29, 2, 30)) == moment("UTC", datetime(2026, 3, 29, 1))
    True
    """
    there = shown.replace(tzinfo=ZoneInfo(zone), fold=0)
    at_us = (there.astimezone(UTC) - _EPOCH) // _MICROSECOND
    if wall(zone, at_us) == shown:
        return at_us
    # The time is left out: the jump lies between what the offsets before and after it make of it.
    before = (there.replace(fold=1).astimezone(UTC) - _EPOCH) // _MICROSECOND
    while at_us - before > 1:
        middle = (before + at_us) // 2
        before, at_us = (before, middle) if wall(zone, middle) >= shown else (middle, at_us)
    return at_us


def on_call(schedule: Schedule, at_us: int, changes: Sequence[OnCallChanged] = ()) -> PersonId | None:
    """Return who is on call at a time; `None`: nobody. See `spans`."""
    return spans(schedule, at_us, at_us + 1, changes)[0].person


def spans(
    schedule: Schedule, from_us: int, until_us: int, changes: Sequence[OnCallChanged] = ()
) -> tuple[Span, ...]:
    """Return who is on call between two times: spans that follow each other without gap or overlap.

    Changes of this schedule go before its layers, and of several at one time the last in the order given.
    Raises `InputError` when it is more than ten years.
    """
    if until_us - from_us > _LONGEST_US:
        raise InputError("that is more than ten years", cure="ask for a shorter time")
    ours = [each for each in changes if each.schedule == schedule.name and each.from_us < each.until_us]
    tracks = [
        *(((each.from_us, each.person), (each.until_us, None)) for each in reversed(ours)),
        *(_track(schedule.zone, layer, from_us, until_us) for layer in schedule.layers),
    ]
    edges = {from_us, until_us} | {at_us for track in tracks for at_us, _ in track}
    starts = [[at_us for at_us, _ in track] for track in tracks]
    found: list[Span] = []
    for begin, end in pairwise(sorted(each for each in edges if from_us <= each <= until_us)):
        person = None
        for track, begins in zip(tracks, starts, strict=True):
            place = bisect_right(begins, begin)
            person = track[place - 1][1] if place else None
            if person is not None:
                break
        if found and found[-1].person == person:
            found[-1] = structs.replace(found[-1], until_us=end)
        else:
            found.append(Span(person=person, from_us=begin, until_us=end))
    return tuple(found)


def taken(zone: str, windows: Iterable[Window], from_us: int, until_us: int) -> tuple[tuple[int, int], ...]:
    """Return the times windows take up, from some time before `from_us` until some time after `until_us`.

    Those that touch or overlap are one; one of which a jump of the clock left nothing is left out.
    """
    return tuple(_together(_windows(zone, windows, *_around(zone, from_us, until_us))))


def gaps(schedule: Schedule) -> tuple[tuple[int, int], ...]:
    """Return when in the week nobody is on call, as minutes of the wall clock since Monday 00:00.

    One that goes on over the end of the week is one, and ends after it. The week of the wall clock says it
    for every week: where each minute of it is taken, so is each moment.
    """
    if any(not layer.during for layer in schedule.layers):
        return ()
    pieces = sorted(
        (midnight + window.from_min, midnight + window.until_min)
        for layer in schedule.layers
        for window in layer.during
        for day in window.days
        for midnight in range(day * DAY_MIN - WEEK_MIN, 2 * WEEK_MIN, WEEK_MIN)
    )
    found, reached = [], pieces[0][1]
    for begin, end in pieces:
        if begin > reached:
            found.append((reached, begin))
        reached = max(reached, end)
    return tuple((begin, end) for begin, end in found if 0 <= begin < WEEK_MIN)


Track = Sequence[tuple[int, PersonId | None]]
"""Who from when on, in the order of time."""


def _track(zone: str, layer: Layer, from_us: int, until_us: int) -> Track:
    """Follow one layer from some time before `from_us` until some time after `until_us`."""
    first, last = _around(zone, from_us, until_us)
    turns = list(_turns(zone, layer, first, last))
    if not layer.during:
        return turns
    begins = [at_us for at_us, _ in turns]
    track: list[tuple[int, PersonId | None]] = []
    for begin, end in _together(_windows(zone, layer.during, first, last)):
        inside = range(bisect_right(begins, begin) - 1, len(turns))
        track += ((max(begin, turns[place][0]), turns[place][1]) for place in inside if turns[place][0] < end)
        track.append((end, None))
    return track


def _around(zone: str, from_us: int, until_us: int) -> tuple[datetime, datetime]:
    return wall(zone, from_us) - _MARGIN, wall(zone, until_us) + _MARGIN


def _turns(zone: str, layer: Layer, first: datetime, last: datetime) -> Iterator[tuple[int, PersonId]]:
    people = layer.people
    if layer.start is None or not layer.every_min:
        yield moment(zone, first - _MARGIN), people[0]
        return
    turn = timedelta(minutes=layer.every_min)
    nth = (first - _MARGIN - layer.start) // turn
    while (shown := layer.start + nth * turn) <= last:
        yield moment(zone, shown), people[nth % len(people)]
        nth += 1


def _windows(
    zone: str, windows: Iterable[Window], first: datetime, last: datetime
) -> Iterator[tuple[int, int]]:
    """Name when each window begins and ends."""
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= last:
        for window in windows:
            if day.weekday() in window.days:
                begin = moment(zone, day + timedelta(minutes=window.from_min))
                end = moment(zone, day + timedelta(minutes=window.until_min))
                yield begin, end
        day += _DAY


def _together(pieces: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    current: tuple[int, int] | None = None
    for begin, end in sorted(pieces):
        if current is not None and begin <= current[1]:
            current = (current[0], max(current[1], end))
        elif begin < end:
            if current is not None:
                yield current
            current = (begin, end)
    if current is not None:
        yield current
