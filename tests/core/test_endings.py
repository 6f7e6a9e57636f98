"""Endings: an outcome for breakers, an undo where the action asks for one, a person where nobody knows."""

import pytest

from engine.core.decide import decide
from engine.core.evolve import evolve
from engine.core.vocabulary.actions import Running
from engine.core.vocabulary.effects import AskPeople, Result, TakeBack
from engine.core.vocabulary.facts import EffectEnded, OutcomeReported, UndoRequested
from engine.core.vocabulary.ids import undo_id
from tests.builders import NOON_US, performing, state_under

UNDOING = Running(runner="shell", timeout_us=1, undo_on_failure=True)


WHOSE = {"proposal_id": "p-1", "agent": "coder-1", "capability": "heal@1", "action": "cache.clear"}


def taken_back(effect_id, by, *, force=False):
    return TakeBack(effect_id=effect_id, of="d_1", decision_id="d_1", by=by, force=force, **WHOSE)


def ended(status, kind="perform", **values):
    return EffectEnded(
        at_us=NOON_US,
        effect_id="d_1" if kind == "perform" else "u_1",
        decision_id="d_1",
        kind=kind,
        proposal_id="p-1",
        agent="coder-1",
        capability="heal@1",
        action="cache.clear",
        token=1,
        status=status,
        result=Result(success=status == "done", error=values.get("error", ""), execution_time_s=0.1),
    )


def after(fact, run=None):
    policy = performing("cache.clear", **({"run": run} if run else {}))
    return decide(policy, evolve(state_under(policy), fact), fact)


@pytest.mark.parametrize(("status", "ok"), [("done", True), ("failed", False)])
def test_what_was_done_or_failed_is_an_outcome_of_its_proposal(status, ok):
    (outcome,) = after(ended(status, error="no space")).facts
    assert isinstance(outcome, OutcomeReported)
    assert (outcome.proposal_id, outcome.by) == ("p-1", "executor")
    assert (outcome.ok, outcome.detail) == (ok, "no space")


@pytest.mark.parametrize("status", ["stopped", "refused", "unknown"])
def test_what_never_came_to_an_end_says_nothing_about_the_capability(status):
    assert after(ended(status)).facts == ()


def test_what_nobody_knows_the_end_of_is_put_before_a_person_and_held():
    fact = ended("unknown")
    (question,) = after(fact).effects
    assert isinstance(question, AskPeople)
    assert "nobody knows how far it got" in question.summary
    hold = evolve(state_under(), fact).holds.by_id["d_1"]
    assert [wait.kind for wait in hold.waits] == ["person"]


def test_a_failure_is_taken_back_where_its_action_says_so():
    decisions = after(ended("failed"), UNDOING)
    asked = next(fact for fact in decisions.facts if isinstance(fact, UndoRequested))
    assert (asked.effect_id, asked.of, asked.by) == (undo_id("d_1", 1), "d_1", "engine")
    assert after(asked).effects == (taken_back(undo_id("d_1", 1), "engine"),)


def test_a_failure_stays_where_its_action_does_not():
    assert after(ended("failed")).effects == ()


def test_what_was_done_is_not_taken_back():
    assert after(ended("done"), UNDOING).effects == ()


@pytest.mark.parametrize("status", ["failed", "refused", "stopped", "unknown"])
def test_an_undo_that_did_not_work_is_put_before_a_person(status):
    (question,) = after(ended(status, kind="undo", error="it has moved on")).effects
    assert isinstance(question, AskPeople)
    assert "it has moved on" in question.summary


def test_a_failed_undo_is_not_undone_by_itself():
    assert after(ended("failed", kind="undo"), UNDOING).facts == ()


def test_an_undo_that_worked_asks_for_nothing():
    decisions = after(ended("done", kind="undo"))
    assert (decisions.facts, decisions.effects) == ((), ())


@pytest.mark.parametrize("status", ["done", "failed", "unknown"])
def test_a_preview_counts_for_nothing(status):
    decisions = after(ended(status, kind="preview"))
    assert (decisions.facts, decisions.effects) == ((), ())


def test_somebodys_wish_to_undo_becomes_an_effect():
    wish = UndoRequested(
        at_us=0, effect_id="u_1", of="d_1", decision_id="d_1", by="ann", reason="wrong", force=True, **WHOSE
    )
    assert decide(performing(), state_under(), wish).effects == (taken_back("u_1", "ann", force=True),)
