"""Calendars: written for others, read from anybody."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from engine.adapters.calendar_file import read_calendar, write_calendar
from engine.adapters.roster import Person
from engine.adapters.rotations import Span, spans
from engine.core.vocabulary.units import DAY_US, HOUR_US, parse_time, time_text
from engine.errors import InputError
from tests.oncall.schedules import ADA, BOB, CY, WORKDAYS, change, layer, schedule, window
from tests.oncall.test_rotations import schedules

A, B = parse_time("2026-01-01"), parse_time("2027-01-01")
LONG_NAME = "Robert; \\ \n Ünïcode, with a name longer than any line of a calendar may be"
PEOPLE = (
    Person(person_id=ADA, name="Ada Lovelace", role="captain", zone="UTC", email="ada@example.org"),
    Person(person_id=BOB, name=LONG_NAME, role="responder", zone="UTC"),
    Person(person_id=CY, name="cy", role="responder", zone="UTC", email="CY@example.org"),
)
BY_NAME = {each.person_id: each for each in PEOPLE}


def calendar(*events, before="", version="VERSION:2.0\r\n"):
    """A calendar of events, each as its lines, with an identifier of its own unless it says otherwise."""
    body = ""
    for nth, lines in enumerate(events):
        uid = () if any(line.startswith("UID") for line in lines) else (f"UID:{nth}",)
        body += "\r\n".join(["BEGIN:VEVENT", *uid, *lines, "END:VEVENT", ""])
    return f"BEGIN:VCALENDAR\r\n{version}{before}{body}END:VCALENDAR\r\n".encode()


def event(start="20260601T090000Z", end="20260601T170000Z", title="ada", *more):
    return (f"DTSTART:{start}", f"DTEND:{end}", f"SUMMARY:{title}", *more)


def read(content, *, zone="Europe/Berlin", from_us=A, until_us=B):
    one = schedule(layer(ADA), zone=zone)
    return read_calendar(content, one, PEOPLE, from_us=from_us, until_us=until_us, place="on-call.ics")


def said(content):
    with pytest.raises(InputError) as refused:
        read(content)
    assert "\n" not in str(refused.value)
    assert refused.value.cure
    assert len(str(refused.value)) < 300
    return str(refused.value)


def shown(found):
    return [(each.person, time_text(each.from_us), time_text(each.until_us)) for each in found]


@given(schedules, st.integers(1, 400))
def test_what_is_written_is_read_as_it_was(one, hours):
    until_us = A + hours * HOUR_US
    found = spans(one, A, until_us, [change(CY, "2026-01-02T03:00Z", "2026-01-02T05:00Z")])
    content = write_calendar(one, found, BY_NAME, made_us=A)
    kept = tuple(each for each in found if each.person is not None)
    if kept:
        assert read(content, until_us=until_us) == kept


def test_a_calendar_is_as_the_standard_has_it():
    one = schedule(layer(ADA, BOB, CY, during=[window(9, 17, WORKDAYS)]))
    content = write_calendar(one, spans(one, A, A + 30 * DAY_US), BY_NAME, made_us=A)
    assert content.startswith(b"BEGIN:VCALENDAR\r\n")
    assert content.endswith(b"END:VCALENDAR\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    assert max(map(len, content.split(b"\r\n"))) <= 75
    unfolded = content.replace(b"\r\n ", b"").decode()
    assert unfolded.count("BEGIN:VEVENT") == unfolded.count("\r\nDTSTAMP:20260101T000000Z") == 22
    assert "SUMMARY:Ada Lovelace on call: primary" in unfolded
    assert r"SUMMARY:Robert\; \\ \n Ünïcode\, with" in unfolded
    uids = re.findall(r"UID:(\S+)", unfolded)
    assert len(set(uids)) == len(uids)
    assert content == write_calendar(one, spans(one, A, A + 30 * DAY_US), BY_NAME, made_us=A)


def test_a_swap_is_another_version_of_the_same_event():
    one = schedule(layer(ADA, BOB))
    swap = change(CY, "2026-01-05T08:00Z", "2026-01-12T08:00Z")
    before, after = (
        write_calendar(one, spans(one, A, A + 30 * DAY_US, changes), BY_NAME, made_us=A)
        for changes in ((), (swap,))
    )
    assert re.findall(rb"UID:\S+", before) == re.findall(rb"UID:\S+", after)
    assert before.count(b"X-WATCHKEEPER-PERSON:cy") < after.count(b"X-WATCHKEEPER-PERSON:cy")


@pytest.mark.parametrize(
    ("lines", "person"),
    [
        (event(title="ADA is on call"), ADA),
        (event(title="On call: ada."), ADA),
        (("DTSTART:20260601T090000Z", "DURATION:PT8H", "SUMMARY:ada"), ADA),
        (event(title="Ada Lovelace (ada)"), ADA),
        ((*event(title="pager"), "ATTENDEE:MAILTO:cy@Example.org"), CY),
        ((*event(title=""), "ATTENDEE:mailto:x@y.zz", "ATTENDEE:mailto:ada@example.org"), ADA),
        ((*event(), "ATTENDEE:mailto:cy@example.org"), ADA),
        ((*event(title="ada and cy"), "ATTENDEE:mailto:cy@example.org"), CY),
        ((*event(), "X-WATCHKEEPER-PERSON:bob"), BOB),
    ],
)
def test_an_event_is_for_whom_it_names(lines, person):
    assert shown(read(calendar(lines))) == [(person, "2026-06-01T09:00:00Z", "2026-06-01T17:00:00Z")]


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        (";VALUE=DATE:20260601", "", ("2026-05-31T22:00:00Z", "2026-06-01T22:00:00Z")),
        (";VALUE=DATE:20260328", ";VALUE=DATE:20260330", ("2026-03-27T23:00:00Z", "2026-03-29T22:00:00Z")),
        (":20260601T090000", ":20260601T170000", ("2026-06-01T07:00:00Z", "2026-06-01T15:00:00Z")),
        (
            ";TZID=America/New_York:20260601T090000",
            ";TZID=Europe/Berlin:20260601T170000",
            ("2026-06-01T13:00:00Z", "2026-06-01T15:00:00Z"),
        ),
        (
            ";TZID=W. Europe Standard Time:20260601T090000",
            ":20260601T080000Z",
            ("2026-06-01T07:00:00Z", "2026-06-01T08:00:00Z"),
        ),
        (":20251231T090000Z", ":20260101T170000Z", ("2026-01-01T00:00:00Z", "2026-01-01T17:00:00Z")),
        (":20261231T090000Z", ":20270101T170000Z", ("2026-12-31T09:00:00Z", "2027-01-01T00:00:00Z")),
    ],
)
def test_times_are_by_their_zone_or_by_that_of_the_schedule_and_cut_at_both_ends(start, end, times):
    lines = [f"DTSTART{start}", *([f"DTEND{end}"] if end else []), "SUMMARY:ada"]
    assert shown(read(calendar(lines))) == [(ADA, *times)]


def test_what_repeats_keeps_to_the_wall_with_exceptions_and_changes():
    weekly = (
        "UID:1",
        "DTSTART;TZID=Europe/Berlin:20260316T090000",
        "DTEND;TZID=Europe/Berlin:20260316T170000",
        "SUMMARY:ada",
        "RRULE:FREQ=WEEKLY;COUNT=5",
        "EXDATE;TZID=Europe/Berlin:20260323T090000",
    )
    moved = (
        "UID:1",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260406T090000",
        "DTSTART;TZID=Europe/Berlin:20260407T100000",
        "DTEND;TZID=Europe/Berlin:20260407T110000",
        "SUMMARY:cy",
    )
    cancelled = (
        "UID:1",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260413T090000",
        "DTSTART;TZID=Europe/Berlin:20260413T090000",
        "DTEND;TZID=Europe/Berlin:20260413T170000",
        "SUMMARY:ada",
        "STATUS:CANCELLED",
    )
    assert shown(read(calendar(weekly, moved, cancelled))) == [
        (ADA, "2026-03-16T08:00:00Z", "2026-03-16T16:00:00Z"),
        (ADA, "2026-03-30T07:00:00Z", "2026-03-30T15:00:00Z"),
        (CY, "2026-04-07T08:00:00Z", "2026-04-07T09:00:00Z"),
    ]


def test_events_of_one_person_that_touch_or_overlap_are_one_span():
    content = calendar(
        event("20260602T090000Z", "20260603T090000Z"),
        event("20260601T090000Z", "20260602T090000Z"),
        event("20260601T100000Z", "20260601T110000Z"),
    )
    assert read(content) == (
        Span(person=ADA, from_us=parse_time("2026-06-01T09:00Z"), until_us=parse_time("2026-06-03T09:00Z")),
    )


NEVER = "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30"
ZONE = "BEGIN:VTIMEZONE\r\nTZID:Bomb\r\n" + "".join(
    f"BEGIN:{kind}\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n"
    f"RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\r\nEND:{kind}\r\n"
    for kind in ("STANDARD", "DAYLIGHT")
) + "END:VTIMEZONE\r\n"  # fmt: skip

NESTED = (
    b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 30_000 + b"END:VEVENT\r\n" * 30_000 + b"END:VCALENDAR\r\n"
)
HOSTILE = {
    "nothing": (b"", "ends too early"),
    "a letter": (b"Dear all, ada is on call\n", "is no calendar: Content line could not be parsed"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff\x00", "is no calendar: "),
    "half a calendar": (calendar(event())[:60], "ends too early"),
    "one and a half": (calendar(event()) + calendar(event())[:60], "ends too early"),
    "a to-do list": (b"BEGIN:VTODO\r\nEND:VTODO\r\n", "begins with VTODO, not VCALENDAR"),
    "no events": (calendar(), "has no events"),
    "two megabytes": (calendar(event(title="ada" + "x" * 2_000_000)), "larger than 1048576 bytes"),
    "too many events": (calendar(*[event()] * 5_001), "has more than 5000 events"),
    "events within events": (NESTED, "it has no beginning"),
    "a zone that takes minutes": (
        calendar(("DTSTART;TZID=Bomb:20260601T090000", "DURATION:PT1H", "SUMMARY:ada"), before=ZONE),
        "nobody knows its zone Bomb",
    ),
}
HOSTILE |= {
    name: (calendar(*(lines.split() for lines in case["events"])), case["said"])
    for name, case in YAML(typ="safe").load(Path(__file__).with_name("wrong_calendars.yaml")).items()
}


@pytest.mark.parametrize(("content", "complaint"), HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_is_no_good_is_refused_in_one_line_with_a_cure(content, complaint):
    assert complaint in said(content)
    assert said(content).startswith("on-call.ics: ")


def test_rules_that_never_come_true_take_no_longer_than_a_person_waits(monkeypatch):
    monkeypatch.setattr("engine.adapters.calendar_file._PATIENCE_S", 0.5)
    rule = event("20260601T090000Z", "20260601T170000Z", "ada", f"RRULE:{NEVER}")
    started = time.monotonic()
    assert "comes to too many events" in said(calendar(*[rule] * 200))
    # A rule takes a second; two hundred would take minutes.
    assert time.monotonic() - started < 60


def test_asking_for_more_than_three_years_is_refused():
    with pytest.raises(InputError, match="more than three years"):
        read(calendar(event()), from_us=0, until_us=4 * 366 * DAY_US)


LINES = st.sampled_from(
    """DTSTART:20260601T090000Z
    DTSTART;VALUE=DATE:20260601
    DTSTART;TZID=Europe/Berlin:20260601T090000
    DTEND:20260601T170000
    DTEND;VALUE=DATE:20260602
    DURATION:PT8H
    DURATION:-P1D
    SUMMARY:ada
    SUMMARY:bob
    STATUS:CANCELLED
    UID:1
    UID:2
    RRULE:FREQ=DAILY;COUNT=3
    RRULE:FREQ=WEEKLY;BYDAY=MO,XX
    RRULE:FREQ=YEARLY;UNTIL=20990101
    EXDATE;VALUE=DATE:20260601
    EXDATE:20260602T090000Z,x
    RDATE;VALUE=PERIOD:20260701T090000Z/PT1H
    RDATE:20260702T090000Z
    RECURRENCE-ID:20260602T090000Z
    RECURRENCE-ID;RANGE=THISANDFUTURE:20260602T090000Z
    ATTENDEE:mailto:ada@example.org
    SEQUENCE:x
    BEGIN:VALARM
    END:VALARM
    END:VEVENT
    BEGIN:VEVENT""".split()
)


@given(st.lists(st.lists(LINES | st.text(max_size=40), max_size=8), max_size=4), st.binary(max_size=100))
def test_whatever_comes_is_read_or_refused(events, before):
    for content in (before, calendar(*events), calendar(*events, before=before.decode("latin-1"))):
        try:
            found = read(content)
        except InputError:
            continue
        assert all(A <= each.from_us < each.until_us <= B for each in found)
