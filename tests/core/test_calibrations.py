"""Calibrated confidence: what past confidences were worth asks a person, and never lets more through."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.calibrations import WAITED_US, judged, trusted
from engine.core.decide import assess, in_order, settle
from engine.core.evolve import evolve
from engine.core.policy import Remembered
from engine.core.state import decode_state, encode_state
from engine.core.vocabulary.facts import (
    CalibrationSettings,
    DecisionRated,
    OutcomeReported,
    VerdictReached,
    encode,
)
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.verdicts import Check
from simulator.replay.lanes import _written
from tests.builders import NOON_US, ask, changed, proposal, rule_book, state_under
from tests.strategies import proposals

SETTINGS = CalibrationSettings(below=0.7, decisions=30, least=10, margin=1.0)
POLICY = changed(calibration=SETTINGS)
SILENT = changed(calibration=None)


def outcome(number, ok, **values):
    given = {"agent": "coder-1", "capability": "heal@1", "action": "cache.clear", "by": "executor"}
    return OutcomeReported(at_us=NOON_US + number, proposal_id=f"p-{number}", ok=ok, **given | values)


def rating(number, word, **values):
    given = {"agent": "coder-1", "capability": "heal@1", "action": "cache.clear", "confidence": 0.9}
    return DecisionRated(
        at_us=NOON_US + number,
        decision_id=decision_id(f"p-{number}"),
        proposal_id=f"p-{number}",
        by="ann",
        rating=word,
        **given | values,
    )


def after(results, policy=POLICY, confidence=0.9, **values):
    """State after as many decisions, each with its outcome."""
    state = state_under(policy)
    for number, ok in enumerate(results):
        asked = proposal(proposal_id=f"p-{number}", confidence=confidence, **values)
        said = ask(asked, state, policy, at_us=NOON_US + number)
        evolve(state, VerdictReached(at_us=said.at_us, verdict=said))
        evolve(state, outcome(number, ok))
    return state


def calibrated(verdict):
    return [answer for answer in in_order(verdict) if answer.rule == "escalation.calibration"]


def asked_next(state, policy=POLICY, **values):
    return ask(proposal(proposal_id="p-next", **values), state, policy, at_us=NOON_US + 1000)


def test_a_capability_that_claims_more_than_it_keeps_is_held_for_a_person():
    verdict = asked_next(after([place % 2 == 0 for place in range(20)]))
    assert verdict.word == "hold"
    (said,) = calibrated(verdict)
    assert said.reason == (
        "90% was claimed, but of the last 20 decisions of capability heal@1 10 were right: calibrated it is "
        "39.1%, under 70%"
    )
    assert said.checks[1:] == (Check("stated_confidence", 0.9, 0.7), Check("right_of_last_decisions", 10, 20))
    assert [wait.role for wait in said.waits] == ["responder"]


def test_one_that_keeps_what_it_claims_goes_on_and_the_verdict_says_on_what_that_rests():
    verdict = asked_next(after([True] * 20))
    assert verdict.word == "allow"
    (said,) = calibrated(verdict)
    assert said.ruling == "allow"
    assert said.checks[0].measured > 0.9


def test_with_too_little_known_the_agents_own_word_counts():
    verdict = asked_next(after([False] * 3))
    assert calibrated(verdict) == []


def test_a_good_past_lets_nothing_through_that_the_agent_is_unsure_of():
    assert asked_next(after([True] * 20, confidence=0.75), confidence=0.6).word == "hold"


def test_another_version_of_a_capability_begins_without_a_past():
    state = after([False] * 3)
    assert trusted(state.calibrations, "heal@2", "", 0.9) is None


def test_only_the_last_decisions_count():
    assert asked_next(after([False] * 3 + [True] * 30)).word == "allow"


def test_a_rule_has_a_past_of_its_own():
    rules = rule_book(("files >= 0", "allow", {"id": "always"}))
    policy = changed(POLICY, rules=rules)
    state = state_under(policy)
    for number in range(12):
        evolve(state, rating(number, "wrong", capability=f"other-{number}@1", rule="always"))
    verdict = asked_next(state, policy)
    assert verdict.word == "hold"
    assert "of rule always 0 were right" in calibrated(verdict)[0].reason
    assert asked_next(state, changed(POLICY)).word == "allow"


def test_a_persons_word_goes_before_the_outcome_and_the_last_word_before_the_first():
    state = after([True] * 12)
    for number in range(12):
        evolve(state, rating(number, "wrong"))
    assert asked_next(state).word == "hold"
    for number in range(12):
        evolve(state, rating(number, "useful"))
    assert asked_next(state).word == "allow"
    assert len(state.calibrations.by_key["capability:heal@1"].tried) == 12


def test_an_outcome_after_a_rating_changes_nothing():
    state = state_under(POLICY)
    said = ask(proposal(proposal_id="p-0"), state, POLICY)
    evolve(state, VerdictReached(at_us=said.at_us, verdict=said))
    evolve(state, rating(0, "wrong"))
    evolve(state, outcome(0, ok=True))
    assert [tried.right for tried in state.calibrations.by_key["capability:heal@1"].tried] == [False]


@pytest.mark.parametrize(
    "fact",
    [rating(1, "late"), rating(1, "wrong", confidence=None), outcome(1, ok=False)],
    ids=["late", "no confidence", "unasked"],
)
def test_what_says_nothing_of_a_confidence_counts_for_nothing(fact):
    state = state_under(POLICY)
    before = encode(state.calibrations)
    evolve(state, fact)
    assert encode(state.calibrations) == before


def test_what_the_incumbent_did_instead_says_nothing_of_the_agents_confidence():
    state = state_under(POLICY)
    said = ask(proposal(proposal_id="p-1"), state, POLICY)
    evolve(state, VerdictReached(at_us=said.at_us, verdict=said))
    evolve(state, outcome(1, ok=False, by="incumbent"))
    assert state.calibrations.by_key == {}


def test_in_shadow_nothing_is_claimed():
    verdict = ask(proposal(), state_under(POLICY, live=False), POLICY)
    assert verdict.claimed is msgspec.UNSET


def test_outcomes_are_waited_for_a_week_and_then_let_go():
    state = state_under(POLICY)
    for number, at_us in enumerate((NOON_US, NOON_US + WAITED_US - 1, NOON_US + WAITED_US)):
        said = ask(proposal(proposal_id=f"p-{number}"), state, POLICY, at_us=at_us)
        evolve(state, VerdictReached(at_us=said.at_us, verdict=said))
    assert list(state.calibrations.asked) == [decision_id("p-1"), decision_id("p-2")]


def test_a_policy_that_does_not_ask_forgets_and_counts_nothing():
    state = after([False] * 3)
    evolve(state, SILENT.adopted(NOON_US + 50))
    assert state.calibrations.settings is None
    assert state.calibrations.by_key == {}
    assert after([False] * 12, policy=SILENT).calibrations == state_under(SILENT).calibrations


@given(proposals)
def test_where_it_is_not_in_force_verdicts_are_to_the_byte_as_without(asked):
    verdict = ask(asked, state_under(SILENT), SILENT)
    assert b"claimed" not in encode(verdict)
    assert not calibrated(verdict)


@given(proposals, st.lists(st.booleans(), max_size=30))
def test_what_is_assessed_elsewhere_is_settled_alike(asked, results):
    state = after(results)
    here = settle(POLICY, state, *assess(POLICY, state.episodes, asked, NOON_US + 1000))[0]
    apart = Remembered(form=_written)
    there = settle(POLICY, state, *assess(POLICY, state.episodes, asked, NOON_US + 1000, apart))[0]
    assert encode(here) == encode(there)


@given(proposals, st.lists(st.booleans(), max_size=30))
def test_it_only_ever_asks_more(asked, results):
    rank = {"allow": 0, "hold": 1, "deny": 2}
    state = after(results)
    plain = ask(asked, after(results, policy=changed(calibration=None)), changed(calibration=None))
    assert rank[ask(asked, state, POLICY).word] >= rank[plain.word]


@given(st.lists(st.booleans(), max_size=30))
def test_state_reads_back_and_goes_on_the_same(results):
    state = after(results)
    again = decode_state(encode_state(state))
    assert encode_state(again) == encode_state(state)
    assert encode(asked_next(state)) == encode(asked_next(again))


def test_what_is_shown_goes_by_the_same_rules():
    state = state_under(POLICY)
    said = {}
    for number in range(3):
        verdict = ask(proposal(proposal_id=f"p-{number}", confidence=0.8), state, POLICY)
        said[verdict.decision_id] = verdict
    found = judged(
        [outcome(0, ok=True), outcome(1, ok=True), outcome(9, ok=True)],
        [rating(1, "wrong"), rating(2, "late"), rating(2, "useful", confidence=None)],
        said.get,
    )
    known = [(each.right, each.rated, each.confidence) for each in found]
    assert known == [(True, False, 0.8), (False, True, 0.9)]
    assert {key for each in found for key in each.keys} == {"capability:heal@1"}
