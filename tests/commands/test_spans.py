"""Times as people say them: read by the clock of the schedule, and refused with what to write instead."""

import pytest

from engine.commands.spans import length_us, local_text, moment_us, stretch
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, parse_time
from engine.errors import InputError

BERLIN = "Europe/Berlin"
NOW = parse_time("2026-11-27T10:00:00Z")  # a Friday, 11:00 in Berlin


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("30m", 30 * MINUTE_US),
        ("30 minutes", 30 * MINUTE_US),
        ("90", 90 * MINUTE_US),
        ("2h", 2 * HOUR_US),
        ("1 hour and 30 min", 90 * MINUTE_US),
        ("1d 2h", 26 * HOUR_US),
        ("1 week", 7 * DAY_US),
    ],
)
def test_a_length_is_read(said, meant):
    assert length_us(said) == meant


@pytest.mark.parametrize("said", ["", "ever", "0", "0m", "-5m", "30 monkeys", "5m of peace", "1e3m", "999w"])
def test_what_is_no_length_is_refused_with_the_cure(said):
    with pytest.raises(InputError) as refused:
        length_us(said)
    assert refused.value.cure


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("now", "2026-11-27T10:00:00Z"),
        ("2026-12-01 09:00", "2026-12-01T08:00:00Z"),
        ("2026-12-01T09:00", "2026-12-01T08:00:00Z"),
        ("2026-12-01", "2026-11-30T23:00:00Z"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00:00Z"),
        ("2026-12-01 09:00+05:45", "2026-12-01T03:15:00Z"),
        ("12:00", "2026-11-27T11:00:00Z"),
        ("09:00", "2026-11-28T08:00:00Z"),
        ("tomorrow 12:00", "2026-11-28T11:00:00Z"),
        ("today 12:00", "2026-11-27T11:00:00Z"),
        ("Tue 09:00", "2026-12-01T08:00:00Z"),
        ("tuesday at 9:00", "2026-12-01T08:00:00Z"),
        ("Fri 09:00", "2026-12-04T08:00:00Z"),
        ("Fri 12:00", "2026-11-27T11:00:00Z"),
        # The night in which 02:30 is left out: as the clock jumps.
        ("2026-03-29 02:30", "2026-03-29T01:00:00Z"),
        # The night in which it comes twice: the first time.
        ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),
    ],
)
def test_a_moment_is_read_by_the_clock_of_the_schedule(said, meant):
    assert moment_us(said, BERLIN, NOW) == parse_time(meant)


@pytest.mark.parametrize(
    "said", ["", "noon", "25:00", "12:60", "2026-13-01", "2026-02-30 09:00", "Tux 09:00", "0000-01-01", "9"]
)
def test_what_is_no_moment_is_refused_with_the_cure(said):
    with pytest.raises(InputError, match="no time"):
        moment_us(said, BERLIN, NOW)


def test_a_stretch_ends_after_it_begins():
    found = stretch("from Tue 09:00 until Tue 17:00", BERLIN, NOW)
    assert (local_text(BERLIN, found.from_us), local_text(BERLIN, found.until_us)) == (
        "Tue 2026-12-01 09:00",
        "Tue 2026-12-01 17:00",
    )
    # Its end is looked for from its beginning on, not from now.
    over_night = stretch("from Tue 22:00 until 06:00", BERLIN, NOW)
    assert local_text(BERLIN, over_night.until_us) == "Wed 2026-12-02 06:00"


def test_without_from_it_begins_now():
    assert stretch("for 2h", BERLIN, NOW).from_us == NOW
    assert stretch("until 17:00", BERLIN, NOW).until_us == parse_time("2026-11-27T16:00:00Z")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("from 2026-11-01 09:00 until 2026-12-01 09:00", "is past"),
        ("until 2026-11-01", "over before it begins"),
        ("from Tue 09:00 until 2026-11-30 09:00", "over before it begins"),
        ("from Tue 09:00", "does not say"),
        ("whenever", "does not say"),
        ("for 0m", "no length"),
        ("until 2199-01-01", "more than a year"),
    ],
)
def test_a_stretch_that_makes_no_sense_is_refused(said, why):
    with pytest.raises(InputError, match=why) as refused:
        stretch(said, BERLIN, NOW)
    assert refused.value.cure
