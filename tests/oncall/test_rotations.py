"""Rotations: who is on call, in zones that put their clocks on and back."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.rotations import gaps, moment, on_call, spans, wall
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US, parse_time, time_text
from engine.errors import InputError
from tests.oncall.schedules import (
    ADA,
    BOB,
    CY,
    DAY_MIN,
    HOUR_MIN,
    WEEK_MIN,
    WORKDAYS,
    by_watching,
    change,
    layer,
    local,
    schedule,
    window,
)

ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "UTC",
)  # fmt: skip
A_YEAR = (parse_time("2026-01-01"), parse_time("2027-01-01"))

zones = st.sampled_from(ZONES)
times = st.integers(*(at_us // (15 * MINUTE_US) for at_us in A_YEAR)).map(lambda n: n * 15 * MINUTE_US)
hours = st.integers(0, 47).map(lambda half: half / 2)
windows = st.builds(
    lambda begin, long, days: window(begin, begin + long, tuple(days)),
    hours,
    st.integers(1, 48).map(lambda half: half / 2),
    st.sets(st.integers(0, 6), min_size=1),
)
layers = st.builds(
    lambda people, start, every, during: layer(
        *people, start=f"2026-03-0{start[0]} {start[1] // 2:02}:{start[1] % 2 * 30:02}", every_min=every,
        during=during,
    ),
    st.lists(st.sampled_from([ADA, BOB, CY]), min_size=1, max_size=4),
    st.tuples(st.integers(1, 9), st.integers(0, 47)),
    st.sampled_from([HOUR_MIN, 8 * HOUR_MIN, 12 * HOUR_MIN, DAY_MIN, 3 * DAY_MIN, WEEK_MIN, 2 * WEEK_MIN]),
    st.lists(windows, max_size=3),
)  # fmt: skip
schedules = st.builds(
    lambda found, zone: schedule(*found, zone=zone), st.lists(layers, min_size=1, max_size=3), zones
)


@given(schedules, times)
def test_whoever_watches_the_clock_on_the_wall_names_the_same_person(one, at_us):
    assert on_call(one, at_us) == by_watching(one, at_us)


@given(schedules, times, st.integers(1, 40 * 96))
def test_spans_tile_the_time_asked_for_and_each_is_as_said_from_end_to_end(one, from_us, quarters):
    until_us = from_us + quarters * 15 * MINUTE_US
    found = spans(one, from_us, until_us)
    assert (found[0].from_us, found[-1].until_us) == (from_us, until_us)
    for before, after in pairwise(found):
        assert before.until_us == after.from_us
        assert before.person != after.person
    for each in found:
        assert each.from_us < each.until_us
        assert on_call(one, each.from_us) == on_call(one, each.until_us - 1) == each.person


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("every_min", [12 * HOUR_MIN, DAY_MIN, WEEK_MIN])
def test_a_years_turns_tile_and_change_at_the_same_time_on_the_wall(zone, every_min):
    one = schedule(layer(ADA, BOB, CY, start="2026-01-05 09:00", every_min=every_min), zone=zone)
    found = spans(one, *A_YEAR)
    assert sum(each.until_us - each.from_us for each in found) == A_YEAR[1] - A_YEAR[0]
    assert None not in {each.person for each in found}
    shown = {wall(zone, each.from_us).strftime("%H:%M") for each in found[1:]}
    assert shown == ({"09:00", "21:00"} if every_min < DAY_MIN else {"09:00"})
    if every_min == WEEK_MIN:
        assert {wall(zone, each.from_us).weekday() for each in found[1:]} == {0}
    order = [each.person for each in found]
    assert all((ADA, BOB, CY).index(b) == ((ADA, BOB, CY).index(a) + 1) % 3 for a, b in pairwise(order))


@pytest.mark.parametrize(
    ("zone", "day", "shown", "utc"),
    [
        # Left out: as the clock jumps.
        ("Europe/Berlin", "2026-03-29", "02:30", "2026-03-29T01:00:00Z"),
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30:00Z"),
        # Twice: the first time.
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:30:00Z"),
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30:00Z"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45:00Z"),
        # As ever.
        ("Asia/Kathmandu", "2026-03-29", "02:30", "2026-03-28T20:45:00Z"),
        # A whole day that Samoa left out.
        ("Pacific/Apia", "2011-12-30", "12:00", "2011-12-30T10:00:00Z"),
    ],
)
def test_a_handover_that_does_not_exist_or_exists_twice_happens_as_documented(zone, day, shown, utc):
    at_us = parse_time(utc)
    start = f"{day} {shown}"
    assert time_text(moment(zone, datetime.fromisoformat(start))) == utc
    one = schedule(layer(ADA, BOB, start=start, every_min=WEEK_MIN), zone=zone)
    assert (on_call(one, at_us - 1), on_call(one, at_us)) == (BOB, ADA)


@given(st.sampled_from([*ZONES, "Pacific/Apia"]), st.integers(0, 365 * 96))
def test_a_moment_is_the_first_at_which_the_wall_shows_that_much(zone, quarter):
    shown = datetime.fromisoformat("2011-06-01") + timedelta(minutes=15 * quarter)
    at_us = moment(zone, shown)
    assert wall(zone, at_us) >= shown
    assert wall(zone, at_us - 1) < shown
    assert all(wall(zone, at_us - hours * HOUR_US) < shown for hours in range(1, 49))


def test_a_night_shift_is_an_hour_shorter_or_longer_when_the_clock_changes():
    one = schedule(layer(ADA, during=[window(22, 24 + 6)]), layer(BOB))
    for day, long in (("2026-03-28", 7), ("2026-06-01", 8), ("2026-10-24", 9)):
        at_us = local("Europe/Berlin", f"{day} 23:00")
        (night,) = (
            each
            for each in spans(one, at_us - DAY_US, at_us + DAY_US)
            if each.from_us <= at_us < each.until_us
        )
        assert (night.person, (night.until_us - night.from_us) / HOUR_US) == (ADA, long)


def test_a_window_in_the_hour_that_is_left_out_is_left_out():
    one = schedule(layer(ADA, during=[window(2, 2.75)]), layer(BOB))
    day = local("Europe/Berlin", "2026-03-29 00:00")
    assert {each.person for each in spans(one, day, day + DAY_US // 2)} == {BOB}
    assert {each.person for each in spans(one, day + DAY_US, day + 2 * DAY_US)} == {ADA, BOB}


def test_turns_are_counted_back_from_the_start_too():
    one = schedule(layer(ADA, BOB, CY, start="2026-06-01 09:00"))
    start = local("Europe/Berlin", "2026-06-01 09:00")
    assert [on_call(one, start + weeks * 7 * DAY_US) for weeks in (-3, -2, -1, 0, 1)] == [
        ADA, BOB, CY, ADA, BOB,
    ]  # fmt: skip


def test_the_first_layer_with_somebody_on_duty_says_who():
    office = layer(ADA, every_min=0, during=[window(9, 17, WORKDAYS)])
    one = schedule(office, layer(BOB, CY))
    assert on_call(one, local("Europe/Berlin", "2026-01-05 10:00")) == ADA
    assert on_call(one, local("Europe/Berlin", "2026-01-05 18:00")) == BOB
    assert on_call(one, local("Europe/Berlin", "2026-01-17 10:00")) == CY


def test_of_several_changes_at_one_time_the_last_said_counts_and_only_for_its_schedule():
    one = schedule(layer(ADA))
    changes = [
        change(BOB, "2026-06-01T00:00Z", "2026-06-03T00:00Z"),
        change(CY, "2026-06-02T00:00Z", "2026-06-04T00:00Z"),
        change(BOB, "2026-06-01T00:00Z", "2026-06-09T00:00Z", name="secondary"),
    ]
    found = spans(one, parse_time("2026-05-31"), parse_time("2026-06-06"), changes)
    assert [(each.person, time_text(each.from_us)[:10]) for each in found] == [
        (ADA, "2026-05-31"), (BOB, "2026-06-01"), (CY, "2026-06-02"), (ADA, "2026-06-04"),
    ]  # fmt: skip
    assert on_call(one, parse_time("2026-06-02T12:00"), changes[::-1]) == BOB


def test_a_change_fills_a_gap_and_one_that_ends_before_it_begins_changes_nothing():
    one = schedule(layer(ADA, during=[window(9, 17)]))
    night = local("Europe/Berlin", "2026-06-01 23:00")
    assert on_call(one, night) is None
    assert on_call(one, night, [change(BOB, "2026-06-01T20:00Z", "2026-06-02T05:00Z")]) == BOB
    assert on_call(one, night, [change(BOB, "2026-06-02T05:00Z", "2026-06-01T20:00Z")]) is None


@given(schedules)
def test_whether_there_is_a_gap_is_seen_in_one_week_on_the_wall(one):
    some_weeks = spans(one, parse_time("2026-03-09"), parse_time("2026-04-20"))
    assert bool(gaps(one)) == any(each.person is None for each in some_weeks)


def test_a_gap_is_said_with_its_time_and_length():
    office = schedule(layer(ADA, during=[window(9, 17, WORKDAYS)]))
    assert [(end - begin) / HOUR_MIN for begin, end in gaps(office)] == [16, 16, 16, 16, 64]
    assert gaps(schedule(layer(ADA, during=[window(9, 17)]), layer(BOB, during=[window(17, 33)]))) == ()
    assert gaps(schedule(layer(ADA, during=[window(0, 24, WORKDAYS)]))) == ((5 * DAY_MIN, 7 * DAY_MIN),)
    assert gaps(schedule(layer(ADA, during=[window(12, 36, (0, 1, 2, 3, 4, 5))]))) == (
        (6 * DAY_MIN + 12 * HOUR_MIN, 7 * DAY_MIN + 12 * HOUR_MIN),
    )


def test_asking_for_more_than_ten_years_is_refused():
    with pytest.raises(InputError, match="more than ten years"):
        spans(schedule(layer(ADA)), 0, 11 * 366 * DAY_US)


def test_the_clock_on_the_wall_is_pythons():
    at_us = parse_time("2026-07-01T12:00:00Z")
    there = datetime.fromtimestamp(at_us // SECOND_US, UTC).astimezone(ZoneInfo("Asia/Kathmandu"))
    assert wall("Asia/Kathmandu", at_us) == there.replace(tzinfo=None)
