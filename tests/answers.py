"""What tests of held decisions share: one decision that waits, and what people say of it."""

from __future__ import annotations

from engine.core.decide import follow
from engine.core.evolve import evolve
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.units import SECOND_US
from engine.core.vocabulary.verdicts import Wait
from tests.builders import NOON_US, shipped, state_under, verdict

HELD = decision_id("p-1")
RESPONDER, CAPTAIN = Wait(kind="person", role="responder"), Wait(kind="person", role="captain")
RESUME = Wait(kind="resume", role="responder")


def held(*waits, **values):
    """The state after a decision that waits for these, by default for one responder."""
    given = {
        "decision_id": HELD,
        "proposal_id": "p-1",
        "waits": waits or (RESPONDER,),
        "policy_hash": shipped().policy_hash,
        "digest": "00",
    }
    return state_under(
        None, f.VerdictReached(at_us=NOON_US, verdict=verdict("hold", NOON_US, **given | values))
    )


def answer(
    by="ann", role="responder", word="approve", *, digest="00", after_us=SECOND_US, reason="looks fine"
):
    return f.HoldAnswered(
        at_us=NOON_US + after_us,
        decision_id=HELD,
        by=by,
        role=role,
        answer=word,
        digest=digest,
        reason=reason,
    )


def override(word="allow", after_us=SECOND_US):
    return f.DecisionOverridden(
        at_us=NOON_US + after_us, decision_id=HELD, by="cat", word=word, reason="mine"
    )


def told(state, fact, policy=None):
    """Fold a fact and what follows from it, as a driver does; return that."""
    evolve(state, fact)
    return follow(policy or shipped(), state, fact, lambda each: evolve(state, each))


def refusal(decisions):
    (refused,) = decisions.facts
    assert isinstance(refused, f.AnswerRefused)
    assert decisions.effects == ()
    return refused.reason


def ending(decisions):
    (over,) = decisions.facts
    assert isinstance(over, f.HoldEnded)
    return over.how, over.by


def stopped(scope="all", after_us=0):
    kind, _, name = scope.partition(":")
    return f.KillSwitchSet(at_us=NOON_US + after_us, scope=f.Scope(kind, name), by="ben", reason="smoke")
