"""How holds end without an approval: by veto, by time, by a look at a lost effect; and who learns of it."""

import msgspec
import pytest

from engine.core.decide import decide
from engine.core.evolve import evolve
from engine.core.state import decode_state, encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.rollouts import Evidence, RolloutSettings
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US
from engine.core.vocabulary.verdicts import Wait
from tests.answers import (
    HELD,
    RESPONDER,
    answer,
    ending,
    held,
    override,
    refusal,
    stopped,
    told,
)
from tests.builders import (
    NOON_US,
    changed,
    performing,
    promoted,
    proposal,
    shipped,
    state_under,
    verdict,
)
from tests.courses import QUICK

# ---------------------------------------------------------------- captains and time


def test_a_veto_ends_what_waits_whatever_else_holds():
    state = held(policy_hash="another")
    evolve(state, stopped())
    assert ending(told(state, override("veto", after_us=2 * DAY_US))) == ("vetoed", ("cat",))
    assert state.holds.vetoed == {}


def test_a_veto_of_what_does_not_wait_is_remembered_until_its_effect_is_taken_back():
    state = state_under()
    assert told(state, override("veto")).facts == ()
    assert list(state.holds.vetoed) == [HELD]
    evolve(state, undo_of(HELD))
    assert state.holds.vetoed == {}


def undo_of(decision):
    return f.UndoRequested(
        at_us=NOON_US,
        effect_id="u_1",
        of=decision,
        decision_id=decision,
        proposal_id="p-1",
        agent="coder-1",
        capability="heal@1",
        action="cache.clear",
        by="cat",
    )


def test_an_override_comes_too_late_after_its_time():
    assert "its time was over" in refusal(told(held(), override(after_us=DAY_US)))
    assert "does not wait" in refusal(told(state_under(), override()))


def tick(after_us):
    return f.TimePassed(at_us=NOON_US + after_us, schedule="minute")


def test_a_tick_ends_what_nobody_answered():
    state = held()
    assert told(state, tick(DAY_US - 1)).facts == ()
    decisions = told(state, tick(DAY_US))
    assert ending(decisions) == ("timeout", ())
    assert (decisions.facts[0].reason, decisions.effects) == ("nobody answered in time", ())
    assert told(state, tick(DAY_US + 1)).facts == ()


def test_a_shorter_hold_ends_before_an_older_longer_one():
    state = held()
    evolve(state, changed(hold_us=HOUR_US).adopted(NOON_US + 1))
    late = verdict("hold", NOON_US + 1, decision_id="d_2", waits=(RESPONDER,))
    evolve(state, f.VerdictReached(at_us=NOON_US + 1, verdict=late))
    (over,) = told(state, tick(2 * HOUR_US)).facts
    assert over.decision_id == "d_2"


def test_ticks_end_holds_in_one_order_whatever_came_first():
    one, other = (
        f.VerdictReached(at_us=NOON_US, verdict=verdict("hold", NOON_US, decision_id=n)) for n in "ab"
    )
    ends = []
    for facts in ((one, other), (other, one)):
        state = state_under(None, *facts)
        ends.append([over.decision_id for over in told(state, tick(DAY_US)).facts])
    assert ends == [["a", "b"], ["a", "b"]]


# ---------------------------------------------------------------- effects of unknown end


def lost(status="unknown", effect_id=HELD, kind="perform"):
    return f.EffectEnded(
        at_us=NOON_US,
        effect_id=effect_id,
        decision_id=HELD,
        kind=kind,
        proposal_id="p-1",
        agent="coder-1",
        capability="heal@1",
        action="cache.clear",
        token=1,
        status=status,
        result=Result(success=False, execution_time_s=0.0),
    )


@pytest.mark.parametrize(
    ("given", "how"),
    [(answer(digest="whatever"), "approved"), (answer(word="deny"), "denied"), (override(), "approved")],
)
def test_whoever_looked_at_a_lost_effect_ends_its_hold_and_nothing_runs(given, how):
    state = state_under(None, lost(), stopped())
    decisions = told(state, given, performing("cache.clear"))
    assert ending(decisions)[0] == how
    assert decisions.facts[0].effect_id == HELD
    assert decisions.effects == ()
    assert state.usage.live == {}


def test_a_veto_of_a_lost_effect_leaves_it_to_be_taken_back():
    state = state_under(None, lost())
    assert ending(told(state, override("veto")))[0] == "vetoed"
    assert list(state.holds.vetoed) == [HELD]


# ---------------------------------------------------------------- what else learns of it


def test_a_canary_that_acts_on_an_approval_is_not_taken_for_mixed_up_arms():
    policy = changed(rollouts=RolloutSettings(plan=QUICK, established=("heal@1",)))
    state = state_under(policy, live=False)
    begun = f.StageChanged(
        at_us=NOON_US,
        capability="heal@2",
        was="unproven",
        now="shadow",
        by="ann",
        reason="",
        evidence=Evidence(since_us=NOON_US),
    )
    evolve(state, begun)
    evolve(state, msgspec.structs.replace(begun, was="canary_50", now="canary_50"))
    state.rollouts.candidates["heal"].stage = "live"
    asked = proposal(capability="heal@2", confidence=0.1, episode="e-1")
    fact = f.ProposalReceived(at_us=NOON_US, proposal=asked)
    (reached,) = told(state, fact, policy).facts
    assert reached.verdict.word == "hold"
    assert not reached.verdict.shadowed
    approval = answer(digest=reached.verdict.digest)
    assert ending(told(state, approval, policy))[0] == "approved"
    came = f.OutcomeReported(
        at_us=NOON_US + MINUTE_US,
        proposal_id="p-1",
        agent="coder-1",
        capability="heal@2",
        action="cache.clear",
        ok=True,
        by="executor",
    )
    evolve(state, came)
    candidate = state.rollouts.candidates["heal"]
    assert candidate.mixed_up == ""
    assert candidate.late == 0


def test_holds_that_people_answered_read_back_as_they_were():
    state = held(Wait(kind="person", role="responder", needed=2))
    told(state, answer())
    told(state, override("veto"))
    again = decode_state(encode_state(state))
    assert again.holds == state.holds


def test_an_answer_is_decided_on_from_state_alone():
    state = held()
    evolve(state, answer())
    assert decide(shipped(), state, answer()) == decide(shipped(), state, answer())


def test_a_promoted_version_may_be_approved():
    state = held(capability="heal@2")
    evolve(state, promoted("heal@2"))
    assert ending(told(state, answer()))[0] == "approved"
