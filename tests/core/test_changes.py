"""A person approves another version of what is held: it goes through every gate, and takes its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from engine.core.decide import in_order
from engine.core.state import decode_state, encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import AskPeople, PerformHeld
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.people_facts import RANKS
from engine.core.vocabulary.proposals import Changed
from engine.core.vocabulary.units import DAY_US, SECOND_US
from engine.core.vocabulary.verdicts import Wait
from tests.answers import CAPTAIN, HELD, RESPONDER, answer, held, override, refusal, stopped, told
from tests.builders import NOON_US, impact, performing, proposal

NEW = decision_id("coder-1:new")
TWO = Wait(kind="person", role="responder", needed=2)
VOTES = Wait(kind="votes", role="voters", needed=2, of=3)
CLASS_A = Wait(kind="person", role="captain", needed=2, step_up=True)
NOT_ITS_OWNER = Wait(kind="person", role="responder", without_owner=True)


def change(by="ann", role="responder", *, after_us=SECOND_US, digest="00", stepped_up=False, **values):
    """Propose the same for web-2, in the place of what is held."""
    changed = Changed(of=HELD, by=by, role=role, digest=digest, reason="safer", stepped_up=stepped_up)
    wish = {
        "proposal_id": "coder-1:new",
        "confidence": None,
        "changed": changed,
        "args": {"service": "web-2"},
    }
    return f.ProposalReceived(at_us=NOON_US + after_us, proposal=proposal(**wish | values))


def verdict_in(decisions):
    (reached,) = [fact for fact in decisions.facts if isinstance(fact, f.VerdictReached)]
    return reached.verdict


def ends_in(decisions):
    return [
        (each.decision_id, each.how, each.by) for each in decisions.facts if isinstance(each, f.HoldEnded)
    ]


def test_what_one_person_may_approve_they_may_change_and_it_goes_on_at_once():
    state, policy = held(), performing("cache.clear")
    decisions = told(state, change(), policy)
    assert ends_in(decisions) == [(HELD, "replaced", ("ann",)), (NEW, "approved", ("ann",))]
    assert decisions.facts[1].replaced_by == NEW
    (effect,) = decisions.effects
    assert isinstance(effect, PerformHeld)
    assert (effect.decision_id, effect.digest) == (NEW, verdict_in(decisions).digest)
    assert effect.digest != "00", "it is bound to what it is now"
    assert state.holds.by_id == {}


def test_the_new_one_names_who_changed_it_and_what_it_replaces():
    verdict = verdict_in(told(held(), change()))
    assert (verdict.word, verdict.changed.of, verdict.changed.by) == ("hold", HELD, "ann")
    said = next(each for each in in_order(verdict) if each.gate == "change")
    assert said.reason == f"ann changed it, in place of {HELD}, and it waits for no less"


def test_what_was_replaced_takes_no_answer_any_more():
    state = held()
    told(state, change())
    assert "does not wait" in refusal(told(state, answer("ben")))
    assert told(state, override("veto")).facts == ()


@pytest.mark.parametrize("wait", [TWO, NOT_ITS_OWNER], ids=["two people", "not whose it is"])
def test_where_others_are_asked_who_changed_it_counts_as_proposer_alone(wait):
    state = held(wait)
    assert ends_in(told(state, change())) == [(HELD, "replaced", ("ann",))]
    (hold,) = state.holds.by_id.values()
    assert (hold.approvals, hold.changed_by) == ((), "ann")
    mine = answer()
    again = f.HoldAnswered(
        at_us=mine.at_us + 1, decision_id=NEW, by="ann", role="captain", answer="approve", digest=hold.digest
    )
    assert "proposed it in this form" in refusal(told(state, again))


def test_of_class_a_the_captain_who_changed_it_is_not_one_of_the_two():
    state = held(CLASS_A)
    told(state, change("cat", "captain", stepped_up=True))
    (hold,) = state.holds.by_id.values()
    ben = f.HoldAnswered(
        at_us=hold.since_us + 1,
        decision_id=NEW,
        by="ben",
        role="captain",
        answer="approve",
        digest=hold.digest,
        stepped_up=True,
    )
    assert told(state, ben).facts == ()
    allow = f.DecisionOverridden(
        at_us=hold.since_us + 2, decision_id=NEW, by="cat", word="allow", reason="mine", stepped_up=True
    )
    assert "does not count as one of the two" in refusal(told(state, allow))


def test_a_small_estimate_is_no_way_round_a_vote():
    state = held(RESPONDER, VOTES)
    decisions = told(state, change(impact=impact(1)))
    verdict = verdict_in(decisions)
    assert VOTES in verdict.waits
    assert ends_in(decisions) == [(HELD, "replaced", ("ann",))]
    assert isinstance(decisions.effects[0], AskPeople)
    vote = {"decision_id": NEW, "choice": "for"}
    own = f.VoteCast(at_us=verdict.at_us + 1, voter="ann", owner="ann", **vote)
    assert "nobody votes on what they proposed" in refusal(told(state, own))
    told(state, f.VoteCast(at_us=verdict.at_us + 2, voter="ben", owner="ben", **vote))
    last = told(state, f.VoteCast(at_us=verdict.at_us + 3, voter="eve", owner="eve", **vote))
    assert ends_in(last) == [(NEW, "approved", ("ann", "ben", "eve"))], "her word came with the change"


@pytest.mark.parametrize(
    ("waits", "given", "because"),
    [
        ((TWO,), change(role="viewer"), "only responders and captains"),
        ((TWO,), change(by="coder-1"), "nobody answers for themselves"),
        ((TWO,), change(digest="11"), "digest differs"),
        ((TWO,), change(after_us=DAY_US), "its time was over"),
        ((CAPTAIN,), change(), "waits for a captain"),
        ((VOTES,), change(), "it waits for votes"),
        ((CLASS_A,), change("cat", "captain"), "without a one-time code"),
        ((TWO,), change(agent="coder-2"), "keeps agent, capability and action"),
        ((TWO,), change("ann", args={"service": 3}), "service: expected string"),
    ],
    ids=["viewer", "itself", "not what was shown", "late", "captain", "votes", "code", "another", "nonsense"],
)
def test_a_change_that_does_not_count_leaves_what_waits_as_it_was(waits, given, because):
    state = held(*waits)
    told(state, answer("ben"))
    before = state.holds.by_id[HELD]
    decisions = told(state, given)
    assert verdict_in(decisions).word == "deny"
    refused = decisions.facts[-1]
    assert isinstance(refused, f.AnswerRefused)
    assert because in refused.reason
    assert state.holds.by_id[HELD].approvals == before.approvals, "and takes nobody's word back"


def test_a_change_of_what_does_not_wait_is_denied():
    decisions = told(held(shadowed=True), change())
    assert "in shadow" in decisions.facts[-1].reason
    assert verdict_in(decisions).word == "deny"


def test_no_change_gets_past_a_stop():
    state = held()
    told(state, stopped(after_us=1))
    decisions = told(state, change())
    assert "stopped" in decisions.facts[-1].reason
    assert list(state.holds.by_id) == [HELD]


def test_what_people_make_of_it_is_no_evidence_for_the_version_that_proposed_it():
    assert verdict_in(told(held(), change())).assignment is UNSET


@given(
    waits=st.lists(st.sampled_from([RESPONDER, CAPTAIN, TWO, VOTES, CLASS_A, NOT_ITS_OWNER]), unique=True),
    by=st.sampled_from(["ann", "ben", "coder-1", "owner"]),
    role=st.sampled_from(["viewer", "responder", "captain"]),
    stepped_up=st.booleans(),
    cost=st.integers(0, 200),
)
def test_a_change_never_makes_it_wait_for_less(waits, by, role, stepped_up, cost):
    state = held(*waits, owner="owner")
    asked = list(state.holds.by_id[HELD].waits)
    decisions = told(state, change(by, role, stepped_up=stepped_up, impact=impact(cost)))
    verdict, ends = verdict_in(decisions), ends_in(decisions)
    assert decode_state(encode_state(state)) == state
    if not ends:
        assert verdict.word == "deny"
        assert HELD in state.holds.by_id
        return
    assert ends[0] == (HELD, "replaced", (by,))
    assert HELD not in state.holds.by_id
    assert set(asked) <= set(verdict.waits)
    if ends[1:]:
        # One person's word was enough for it, and it was the word of one who may give it.
        assert all(wait.kind == "person" and wait.needed == 1 for wait in verdict.waits)
        assert all(not (wait.step_up or wait.without_owner) for wait in verdict.waits)
        assert all(RANKS[role] >= RANKS[wait.role] for wait in verdict.waits)
        assert by != "coder-1"
