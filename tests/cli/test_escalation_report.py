"""`watchkeeper escalations report`: what being woken costs people, from a journal on disk."""

from __future__ import annotations

import json
import time

import pytest
from msgspec import structs

from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.facts import encode
from engine.core.vocabulary.units import DAY_US, HOUR_US, SECOND_US
from engine.ports import Entry
from tests.cli.running import here
from tests.escalations.ladders import LADDER, Bridge
from tests.escalations.test_climbing import ADA, BEN, acknowledge

PEOPLE = """
people:
  ada: {role: captain, zone: Asia/Tokyo, phone: "+4930123456"}
"""


@pytest.fixture
def lately_us():
    """Half past of the hour before this one: what takes some minutes from then on stays within that hour."""
    return time.time_ns() // 1000 // HOUR_US * HOUR_US - HOUR_US // 2


@pytest.fixture
def journal(place, lately_us):
    """Forty days ago somebody was woken; lately ada took one at once, and ben another a while later."""
    bridge = Bridge(structs.replace(LADDER, rounds=1))
    for key, before_us, wait_s, by in (
        ("alert:1", 40 * DAY_US, 5, ADA),
        ("alert:2", HOUR_US, 20, ADA),
        ("alert:3", 0, 160, BEN),
    ):
        bridge.now_us = lately_us - before_us
        name = bridge.raise_(key)
        bridge.wait(wait_s)
        acknowledge(bridge, name, by)
    store = SqliteJournal(place / "j.db")
    store.append([Entry(f"escalation:{nth}", encode(fact)) for nth, fact in enumerate(bridge.facts)])
    store.close()
    (place / "config").mkdir()
    (place / "config" / "people.yaml").write_text(PEOPLE)
    return place / "j.db"


def report(journal, *words):
    done = here("escalations", "report", "--journal", journal, "--config", journal.parent / "config", *words)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_it_counts_what_lies_within_the_days(journal):
    told = report(journal)
    assert "the last 30 days: 2 escalations, 2 of them woke somebody, 0 of these needlessly" in told
    assert "the first answer came within 1 min 30 s in half of them, 2 min 40 s at the longest" in told
    rows = {line.split()[0]: line.split() for line in told.splitlines() if line}
    assert rows["ada"][1] == "2"
    assert rows["ben"][1] == "1"
    assert "the last 60 days: 3 escalations" in report(journal, "--days", "60")
    assert "the last day: 2 escalations" in report(journal, "--days", "1")


def test_a_journal_in_which_nobody_was_needed_says_so(journal, place):
    SqliteJournal(place / "empty.db").close()
    done = here("escalations", "report", "--journal", place / "empty.db", "--config", place / "config")
    assert done.stdout == "nobody was needed in the last 30 days\n"


def test_hours_are_those_on_the_wall_of_whoever_was_woken(journal, lately_us):
    told = json.loads(report(journal, "--json"))
    hour = lately_us // HOUR_US % 24
    by_hour = {each["hour"]: each["wakes"] for each in told["hours"]}
    assert by_hour[(hour + 9) % 24] >= 1, "ada lives in Tokyo"
    assert by_hour[hour] >= 1, "ben is in no file, and is counted by UTC"
    ben = next(each for each in told["people"] if each["person"] == "ben")
    assert ben["acknowledged"] == {
        "count": 1, "median_us": 10 * SECOND_US, "longest_us": 10 * SECOND_US
    }  # fmt: skip


def test_bad_input_is_refused_in_a_line(journal, place):
    none = here("escalations", "report", "--journal", place / "no.db")
    assert (none.exit_code, "no.db" in none.stderr) == (2, True)
    assert {here("escalations", "report", "--days", days).exit_code for days in ("0", "nan", "1.5")} == {2}
    bad = place / "bad"
    bad.mkdir()
    (bad / "people.yaml").write_text("people: {ada: {zone: Mars}}")
    done = here("escalations", "report", "--journal", journal, "--config", bad)
    assert (done.exit_code, "people.yaml" in done.stderr) == (2, True)
    nowhere = here("escalations", "report")
    assert nowhere.exit_code == 2
    assert "Traceback" not in nowhere.stderr
