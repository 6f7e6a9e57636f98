"""Calibration in the report of a replay: what the recording knows, whatever the policy decides."""

from engine.core.vocabulary.facts import DecisionRated, OutcomeReported
from engine.core.vocabulary.ids import decision_id
from simulator.report.calibration import calibration_in
from simulator.report.report import render
from tests.builders import NOON_US
from tests.report.replays import SCRIPT, ask, record, replayed
from tests.report.test_page import Page


def history(outcomes, rated=()):
    """Proposals at 90 %, what came of each, and then what a person said of some of them."""
    for number, ok in enumerate(outcomes):
        asked = ask(number, NOON_US + number * 1_000_000, confidence=0.9)
        yield asked
        about = asked.proposal
        common = {
            "proposal_id": about.proposal_id,
            "agent": about.agent,
            "capability": about.capability,
            "action": about.action,
        }
        if ok is not None:
            yield OutcomeReported(at_us=asked.at_us + 1, ok=ok, by="executor", **common)
        if number in rated:
            yield DecisionRated(
                at_us=asked.at_us + 2,
                decision_id=decision_id(about.proposal_id),
                by="ann",
                rating="wrong",
                reason=SCRIPT,
                confidence=0.9,
                **common,
            )


def test_the_page_holds_confidences_against_what_the_recording_says_came_of_them(tmp_path):
    found = replayed(record(tmp_path / "r.wkr", history([True] * 6 + [False, None], rated=[0, 1])))
    known = calibration_in(found.db, 10)
    ((name, decisions, right, rated, *_),) = known.scores.rows
    assert (decisions, right, rated) == ("7", "4", "2")
    section = render(found.db, found.summary).partition('<section id="calibration">')[2]
    text = Page(section.partition("</section>")[0]).text
    assert name in text
    assert "90% to 100%" in text
    assert "57%" in text


def test_a_recording_without_outcomes_has_no_such_section(tmp_path):
    found = replayed(record(tmp_path / "r.wkr", history([None, None])))
    assert calibration_in(found.db, 10) is None
    assert 'id="calibration"' not in render(found.db, found.summary)
