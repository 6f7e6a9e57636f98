"""Answers to held decisions: what each leads to, on which conditions, and what is said when it counts not."""

import pytest

from engine.core.evolve import evolve
from engine.core.gates import limits
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import PerformHeld
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US
from engine.core.vocabulary.verdicts import Wait
from engine.core.work.hold import Approval, missing
from tests.answers import (
    CAPTAIN,
    HELD,
    RESPONDER,
    RESUME,
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
    impact,
    performing,
    shipped,
    state_under,
    verdict,
)

# ---------------------------------------------------------------- approvals


def test_one_approval_ends_what_waits_for_one_person():
    state = held()
    decisions = told(state, answer())
    assert ending(decisions) == ("approved", ("ann",))
    assert decisions.facts[0].reason == "looks fine"
    assert state.holds.by_id == {}


def test_what_the_engine_performs_is_performed_once_it_is_approved():
    policy = performing("cache.clear")
    decisions = told(held(), answer(), policy)
    (effect,) = decisions.effects
    assert isinstance(effect, PerformHeld)
    assert (effect.decision_id, effect.proposal_id, effect.digest) == (HELD, "p-1", "00")
    assert effect.run == policy.actions["cache.clear"].run


def test_what_an_agent_does_itself_asks_nothing_of_the_world():
    assert told(held(), answer()).effects == ()


def test_two_are_needed_where_two_are_waited_for_and_one_person_counts_once():
    state = held(Wait(kind="person", role="responder", needed=2))
    assert told(state, answer("ann")).facts == ()
    assert told(state, answer("ann")).facts == ()
    assert told(state, answer("ann", "captain")).facts == ()
    assert ending(told(state, answer("ben"))) == ("approved", ("ann", "ben"))


@pytest.mark.parametrize("policy", [shipped(), performing("cache.clear")], ids=["itself", "performed"])
def test_a_captain_counts_for_a_responder_and_not_the_other_way_round(policy):
    assert ending(told(held(RESPONDER), answer(role="captain"), policy))[0] == "approved"
    assert "waits for a captain" in refusal(told(held(CAPTAIN), answer(role="responder"), policy))


def test_each_wait_needs_its_own_people():
    state = held(Wait(kind="person", role="responder", needed=2), CAPTAIN)
    assert told(state, answer("ann")).facts == ()
    assert told(state, answer("ben")).facts == (), "two responders, and no captain"
    assert ending(told(state, answer("cat", "captain"))) == ("approved", ("ann", "ben", "cat"))


def test_a_role_that_no_person_can_have_is_a_captains_to_give():
    state = held(Wait(kind="person", role="treasurer"))
    assert "waits for a treasurer" in refusal(told(state, answer()))
    assert ending(told(state, answer(role="captain")))[0] == "approved"


@pytest.mark.parametrize(
    ("given", "because"),
    [
        (answer(role="viewer"), "only responders and captains"),
        (answer(by="coder-1"), "nobody answers for themselves"),
        (answer(by="agent:coder-1"), "nobody answers for themselves"),
        (answer(digest="11"), "digest differs"),
        (answer(after_us=DAY_US), "its time was over"),
        (answer(role="viewer", word="deny"), "only responders and captains"),
        (answer(digest="11", word="deny"), "digest differs"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.by} {value.role} {value.answer}",
)
def test_an_answer_that_does_not_count_changes_nothing(given, because):
    state = held()
    assert because in refusal(told(state, given))
    (hold,) = state.holds.by_id.values()
    assert hold.approvals == ()


def test_nobody_answers_what_does_not_wait():
    assert "does not wait" in refusal(told(state_under(), answer()))
    state = held()
    told(state, answer())
    assert "does not wait" in refusal(told(state, answer("ben")))


def test_what_is_in_shadow_asks_nobody():
    state = held(shadowed=True)
    for given in (answer(), answer(word="deny"), override(), override("veto")):
        assert "in shadow" in refusal(told(state, given))
    told(state, f.TimePassed(at_us=NOON_US + DAY_US, schedule="minute"))
    assert state.holds.by_id == {}, "nobody was asked, so nothing timed out"


# ---------------------------------------------------------------- what else must be so


@pytest.mark.parametrize("scope", ["all", "agent:coder-1", "capability:heal", "action:cache.clear"])
@pytest.mark.parametrize("given", [answer(), override()], ids=["approve", "override"])
def test_a_stop_dominates_approvals_and_captains(scope, given):
    state = held()
    evolve(state, stopped(scope))
    assert f"ben stopped {scope}" in refusal(told(state, given))


def test_what_was_said_behind_a_stop_does_not_count_once_it_is_lifted():
    state = held(Wait(kind="person", role="responder", needed=2))
    told(state, answer("ann"))
    evolve(state, stopped())
    refusal(told(state, answer("ben")))
    refusal(told(state, answer("ann")))
    evolve(state, f.KillSwitchCleared(at_us=NOON_US, scope=f.Scope("all"), by="cat"))
    assert [each.by for each in state.holds.by_id[HELD].approvals] == ["ann"]
    assert ending(told(state, answer("ben"))) == ("approved", ("ann", "ben"))


def test_what_a_captain_fails_to_override_takes_no_approval_away():
    state = held(Wait(kind="person", role="responder", needed=2))
    told(state, answer("cat", "captain"))
    evolve(state, stopped())
    refusal(told(state, override()))
    assert state.holds.by_id[HELD].approvals == (Approval("cat", "captain", 1),)


@pytest.mark.parametrize("given", [answer(), override()], ids=["approve", "override"])
def test_a_changed_policy_asks_for_a_new_proposal(given):
    assert "propose it again" in refusal(told(held(policy_hash="another"), given))


@pytest.mark.parametrize("given", [answer(), override()], ids=["approve", "override"])
def test_an_action_that_is_gone_is_not_approved(given):
    without = changed(actions={})
    assert "no longer has cache.clear" in refusal(told(held(), given, without))


@pytest.mark.parametrize("given", [answer(), override()], ids=["approve", "override"])
def test_who_lost_authority_is_not_let_through(given):
    state = held()
    evolve(state, f.CapabilityDemoted(at_us=NOON_US, capability="heal", by="ann"))
    assert "lost its authority" in refusal(told(state, given))


def test_one_denial_is_enough_and_needs_no_captain():
    decisions = told(held(Wait(kind="person", role="captain", needed=2)), answer("ann", word="deny"))
    assert ending(decisions) == ("denied", ("ann",))
    assert decisions.effects == ()


def test_a_denial_counts_behind_a_stop_and_under_another_policy():
    state = held(policy_hash="another")
    evolve(state, stopped())
    assert ending(told(state, answer(word="deny")))[0] == "denied"


# ---------------------------------------------------------------- limits


def used(files):
    return f.VerdictReached(at_us=NOON_US, verdict=verdict(at_us=NOON_US, impact=impact(files=files)))


def limited(most=10):
    limit = f.Limit(id="files", measure="files", most=most, window_us=HOUR_US, per="all")
    return changed(limits=(limit,))


def limited_state(policy, *waits, files, before=0):
    state = held(*waits, impact=impact(files=files))
    evolve(state, policy.adopted(NOON_US))
    if before:
        evolve(state, used(before))
    return state


def test_what_is_approved_is_charged_from_that_moment():
    policy = limited()
    state = limited_state(policy, files=6)
    told(state, answer(after_us=30 * MINUTE_US), policy)
    (window,) = state.usage.live["files"].values()
    assert list(window.entries) == [(NOON_US + 30 * MINUTE_US, 6)]


def test_an_approval_cannot_overdraw_a_limit_and_may_be_given_again_when_there_is_room():
    policy = limited()
    state = limited_state(policy, files=6, before=6)
    assert "may use 10 files in 1 h; there is room again" in refusal(told(state, answer(), policy))
    assert state.holds.by_id[HELD].approvals == ()
    assert ending(told(state, answer(after_us=HOUR_US), policy))[0] == "approved"


def test_what_is_larger_than_the_window_was_held_for_just_that():
    policy = limited()
    state = limited_state(policy, CAPTAIN, files=11)
    assert ending(told(state, answer("cat", "captain"), policy))[0] == "approved"
    assert "may use" in limits_reason(policy, state)


def limits_reason(policy, state):
    return limits.judge(state.usage, "x", impact(files=1), NOON_US + MINUTE_US, shadowed=False).reason


def test_a_captain_overrides_a_limit_and_what_was_used_is_seen():
    policy = limited()
    state = limited_state(policy, files=6, before=6)
    assert ending(told(state, override(), policy)) == ("approved", ("cat",))
    assert "may use" in limits_reason(policy, state)


# ---------------------------------------------------------------- votes and pauses


def test_only_a_captains_override_ends_what_waits_for_votes():
    votes = Wait(kind="votes", role="voters", needed=3, of=5)
    assert "waits for votes" in refusal(told(held(votes), answer(role="captain")))
    assert ending(told(held(votes), override())) == ("approved", ("cat",))


def test_a_person_does_not_stand_for_votes_that_are_waited_for_as_well():
    state = held(RESPONDER, Wait(kind="votes", role="voters", needed=3, of=5))
    assert told(state, answer()).facts == ()
    assert missing(state.holds.by_id[HELD], paused=False) == ("3 of 5 votes",)


def paused(reason="freeze", after_us=0):
    return f.RolloutPaused(at_us=NOON_US + after_us, capability="heal", reason=reason, by="ben")


def resumed(reason="freeze", after_us=MINUTE_US):
    return f.RolloutResumed(at_us=NOON_US + after_us, capability="heal", reason=reason, by="ben")


def test_what_waits_for_a_rollout_goes_on_with_it():
    state = held(RESUME)
    evolve(state, paused())
    evolve(state, paused("incident"))
    assert told(state, answer()).facts == (), "it is paused still"
    assert told(state, resumed("incident")).facts == (), "for one reason"
    decisions = told(state, resumed(), performing("cache.clear"))
    assert ending(decisions) == ("approved", ("ann", "ben"))
    assert len(decisions.effects) == 1


def test_what_waits_for_a_person_too_does_not_go_on_with_the_rollout_alone():
    state = held(RESUME, RESPONDER)
    evolve(state, paused())
    assert told(state, resumed()).facts == ()
    assert ending(told(state, answer())) == ("approved", ("ann",))


def test_nothing_goes_on_with_a_rollout_behind_a_stop():
    state = held(RESUME)
    evolve(state, paused())
    evolve(state, stopped())
    assert told(state, resumed()).facts == ()


def test_what_goes_on_together_fits_its_limits_together():
    policy = limited()
    state = held(RESUME, impact=impact(files=4))
    for number in range(2, 5):
        also = verdict(
            "hold",
            NOON_US,
            decision_id=f"d_{number}",
            proposal_id=f"p-{number}",
            waits=(RESUME,),
            policy_hash=policy.policy_hash,
            impact=impact(files=4),
        )
        evolve(state, f.VerdictReached(at_us=NOON_US, verdict=also))
    evolve(state, policy.adopted(NOON_US))
    evolve(state, paused())
    decisions = told(state, resumed(), policy)
    assert [each.how for each in decisions.facts] == ["approved", "approved"]
    (window,) = state.usage.live["files"].values()
    assert window.total == 8
