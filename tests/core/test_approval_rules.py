"""Approval rules of the registry: whom an action waits for, how long, and who does not count."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.evolve import evolve
from engine.core.state import decode_state, encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.actions import ApprovalRule
from engine.core.vocabulary.units import HOUR_US, MINUTE_US, SECOND_US
from engine.core.vocabulary.verdicts import Wait
from engine.settings.policy import ApprovalSection
from tests.answers import HELD, answer, ending, held, override, refusal, told
from tests.builders import NOON_US, ask, changed, impact, proposal, shipped, state_under, verdict
from tests.builders import answer as said_by

CLASS_A = Wait(kind="person", role="responder", needed=2, step_up=True)
NO_OWNER = Wait(kind="person", role="responder", without_owner=True)


def ruled(**values):
    """The shipped policy, under which cache.clear has this approval rule."""
    actions = dict(shipped().actions)
    actions["cache.clear"] = msgspec.structs.replace(actions["cache.clear"], approval=ApprovalRule(**values))
    return changed(actions=actions)


def coded(by, role="responder", **values):
    return msgspec.structs.replace(answer(by, role, **values), stepped_up=True)


# ---------------------------------------------------------------- the verdict


def test_an_action_with_a_rule_waits_for_whom_it_names_however_sure_the_agent_is():
    rule = {"role": "captain", "people": 2, "expires_us": HOUR_US}
    found = ask(proposal(confidence=1.0), policy=ruled(**rule))
    wait = Wait(kind="person", role="captain", needed=2, within_us=HOUR_US, without_owner=True)
    assert (found.word, found.waits) == ("hold", (wait,))
    said = said_by(found, "escalation")
    assert said.rule == "actions.cache.clear.approval"
    assert "2 captains, not counting its agent's owner, of every cache.clear" in said.reason


def test_who_is_unsure_or_costly_waits_for_whom_the_policy_names_as_well():
    waits = ask(proposal(confidence=0.1, impact=impact(files=1)), policy=ruled(role="responder")).waits
    assert Wait(kind="person", role=shipped().escalation.role) in waits
    assert len(waits) == 2


def test_a_rule_does_not_soften_a_denial():
    stop = f.KillSwitchSet(at_us=0, scope=f.Scope("all"), by="ben")
    policy = ruled()
    assert ask(proposal(), state_under(policy, stop), policy).word == "deny"


def test_class_a_never_takes_fewer_than_two():
    assert ApprovalRule(approval_class="A", people=1).needed == 2
    assert ApprovalRule(approval_class="A", people=3).needed == 3


def test_the_shipped_registry_has_no_rule_and_encodes_as_before():
    for action in shipped().actions.values():
        assert b'approval"' not in msgspec.json.encode(action).replace(b'requires_approval"', b"")


def test_the_owner_is_on_the_verdict_and_only_where_one_is_known():
    assert ask(proposal(owner="ann")).owner == "ann"
    assert b'owner":"ann' not in msgspec.json.encode(ask(proposal()))


# ---------------------------------------------------------------- who counts


def test_the_owner_does_not_count_where_the_rule_says_so():
    state = held(NO_OWNER, owner="ann")
    assert "ann owns coder-1" in refusal(told(state, answer("ann")))
    assert ending(told(state, answer("ben"))) == ("approved", ("ben",))


def test_the_owner_may_deny_all_the_same():
    assert ending(told(held(NO_OWNER, owner="ann"), answer("ann", word="deny"))) == ("denied", ("ann",))


def test_the_owner_counts_where_no_rule_speaks():
    assert ending(told(held(owner="ann"), answer("ann"))) == ("approved", ("ann",))


def test_class_a_takes_two_people_and_a_code_from_each():
    state = held(CLASS_A)
    assert "without a one-time code" in refusal(told(state, answer("ann")))
    assert told(state, coded("ann")).facts == ()
    assert told(state, coded("ann", "captain")).facts == (), "one person is one, in whichever role"
    assert "without a one-time code" in refusal(told(state, answer("ben", "captain")))
    assert ending(told(state, coded("ben"))) == ("approved", ("ann", "ben"))


def test_class_a_is_denied_without_a_code():
    assert ending(told(held(CLASS_A), answer("ann", word="deny")))[0] == "denied"


def test_a_captains_allow_is_one_of_the_two_and_needs_the_code():
    state = held(CLASS_A)
    coded_allow = msgspec.structs.replace(override(), stepped_up=True)
    assert "without a one-time code" in refusal(told(state, override()))
    assert "one of two" in refusal(told(state, coded_allow))
    assert told(state, coded("cat", "captain")).facts == ()
    assert "one of two" in refusal(told(state, coded_allow)), "cat twice is one person"
    assert told(state, coded("ann")).facts[0].by == ("cat", "ann")


def test_a_captains_allow_after_anothers_approval_lets_class_a_go():
    state = held(CLASS_A, Wait(kind="votes", role="voters", needed=3, of=5))
    told(state, coded("ann"))
    assert ending(told(state, msgspec.structs.replace(override(), stepped_up=True))) == (
        "approved",
        ("ann", "cat"),
    )


@given(
    words=st.lists(
        st.tuples(st.sampled_from(["ann", "ben", "cat"]), st.booleans(), st.booleans()), max_size=8
    )
)
def test_class_a_never_runs_on_fewer_than_two_people_with_codes(words):
    state, given_by = held(CLASS_A, owner="ann"), set()
    for by, code, allows in words:
        word = override() if allows else answer(by, "captain")
        word = msgspec.structs.replace(word, by=by, stepped_up=code)
        if code:
            given_by.add(by)
        over = [each for each in told(state, word).facts if isinstance(each, f.HoldEnded)]
        if over:
            assert len(given_by & set(over[0].by)) >= 2
            return


# ---------------------------------------------------------------- how long


def test_it_waits_no_longer_than_its_action_says_and_ends_as_a_timeout():
    state = held(Wait(kind="person", role="responder", within_us=HOUR_US))
    assert "time was over" in refusal(told(state, answer(after_us=HOUR_US)))
    tick = f.TimePassed(at_us=NOON_US + HOUR_US, schedule="minute")
    (over,) = told(state, tick).facts
    assert (over.how, over.by) == ("timeout", ())


def test_what_waits_less_long_is_found_behind_what_waits_longer():
    state = held(decision_id="d_long")
    evolve(state, told_verdict(within_us=MINUTE_US))
    tick = f.TimePassed(at_us=NOON_US + SECOND_US + MINUTE_US, schedule="minute")
    assert [over.decision_id for over in told(state, tick).facts] == [HELD]
    assert "d_long" in state.holds.by_id


def test_a_rule_that_waits_longer_than_the_policy_holds_ends_with_it():
    state = held(Wait(kind="person", role="responder", within_us=10**15))
    assert state.holds.by_id[HELD].until_us == NOON_US + shipped().hold_us


def told_verdict(**wait):
    waits = (Wait(kind="person", role="responder", **wait),)
    at_us = NOON_US + SECOND_US
    found = verdict("hold", at_us, decision_id=HELD, proposal_id="p-1", waits=waits, digest="00")
    return f.VerdictReached(at_us=at_us, verdict=found)


def test_rules_survive_a_snapshot():
    state = held(CLASS_A, owner="ann")
    told(state, coded("ben"))
    again = decode_state(encode_state(state))
    assert again.holds.by_id[HELD] == state.holds.by_id[HELD]
    assert again.holds.by_id[HELD].approvals[0].stepped_up


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"class": "A", "people": 1}, "always takes two people"),
        ({"failsafe": "allow"}, "deny"),
        ({"role": "viewer"}, "responder"),
        ({"expires_s": 1.0}, "60"),
        ({"persons": 2}, "persons"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(entry, said):
    with pytest.raises(ValueError, match=said):
        ApprovalSection.model_validate(entry)
