"""`watchkeeper calibration`: how far confidences came true, from a journal."""

import json

import pytest

from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.facts import OutcomeReported, ProposalReceived
from engine.runtime.loop import Loop
from tests.builders import NOON_US, promoted, proposal, shipped
from tests.cli.running import here


@pytest.fixture
def journal(place):
    """A journal with ten decisions at 90 %, seven of which went well."""
    path = place / "j.db"
    written = SqliteJournal(path)
    loop = Loop(shipped(), written)
    loop.adopt(NOON_US)
    facts = [("up", promoted(at_us=NOON_US))]
    for number in range(10):
        asked = proposal(proposal_id=f"p-{number}")
        facts.append(("", ProposalReceived(at_us=NOON_US, proposal=asked)))
        came = OutcomeReported(
            at_us=NOON_US,
            proposal_id=asked.proposal_id,
            agent=asked.agent,
            capability=asked.capability,
            action=asked.action,
            ok=number < 7,
            by="executor",
        )
        facts.append((f"outcome:{asked.proposal_id}", came))
    loop.feed(facts)
    written.close()
    return path


def test_every_capability_is_a_row_and_one_is_shown_tenth_by_tenth(journal):
    rows = here("calibration", "--journal", journal).stdout.splitlines()
    assert rows[0].split()[:3] == ["of", "decisions", "right"]
    assert rows[1].split() == ["heal@1", "10", "7", "0", "0.250", "0.200"]
    one = here("calibration", "heal@1", "--journal", journal).stdout
    assert "90% to 100%" in one
    assert "Brier score 0.250 = reliability 0.040 - resolution 0.000 + uncertainty 0.210" in one


def test_json_has_the_whole_curve(journal):
    (found,) = json.loads(here("calibration", "--json", "--journal", journal).stdout)
    assert (found["key"], found["curve"]["count"], len(found["curve"]["bins"])) == (
        "capability:heal@1",
        10,
        10,
    )


def test_what_nothing_is_known_of_is_refused_naming_what_is(journal):
    result = here("calibration", "nosuch@1", "--journal", journal)
    assert result.exit_code == 2
    assert "known: heal@1" in result.stderr


def test_a_journal_that_is_not_there_is_refused_in_one_line(place):
    result = here("calibration", "--journal", "nowhere.db")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
