"""Recommending: what all gates allow waits for a person to take it, and nothing else changes."""

import msgspec
import pytest
from hypothesis import given

from engine.core.decide import decide, effects_of
from engine.core.evolve import evolve
from engine.core.vocabulary.effects import AskPeople, PerformHeld
from engine.core.vocabulary.facts import ProposalReceived, TimePassed
from engine.core.vocabulary.units import DAY_US
from engine.core.vocabulary.verdicts import Wait
from engine.wiring import SHIPPED_POLICY, read_policy
from tests.answers import answer, ending, held, refusal, stopped, told
from tests.builders import NOON_US, ask, changed, performing, proposal, shipped, state_under
from tests.builders import answer as said_by
from tests.strategies import proposals

TAKE = Wait(kind="take", role="responder")


def recommending(policy=None, **by_name):
    """A policy under which everything is recommended, or only what these plans say."""
    policy = policy or shipped()
    plan = msgspec.structs.replace(policy.rollouts.plan, mode="recommend")
    given = {"by_name": dict.fromkeys(by_name, plan)} if by_name else {"plan": plan}
    return changed(policy, rollouts=msgspec.structs.replace(policy.rollouts, **given))


def test_what_is_allowed_is_held_for_a_person_to_take_it_and_says_so():
    verdict = ask(proposal(), policy=recommending())
    assert (verdict.word, verdict.waits) == ("hold", (TAKE,))
    assert said_by(verdict, "rollout").rule == "rollout.mode"


def test_one_capability_may_recommend_while_others_act():
    policy = recommending(heal=True)
    assert ask(proposal(), policy=policy).waits == (TAKE,)
    assert ask(proposal(), policy=recommending(other=True)).word == "allow"


def test_nothing_of_it_is_performed_and_people_are_asked():
    policy = recommending(performing("cache.clear"))
    verdict = ask(proposal(), policy=policy)
    (effect,) = effects_of(policy, proposal(), verdict)
    assert isinstance(effect, AskPeople)


@given(proposals)
def test_it_only_changes_what_would_be_allowed_and_executed(asked):
    plain = ask(asked)
    verdict = ask(asked, policy=recommending())
    if plain.word == "allow" and not plain.shadowed:
        assert verdict.waits == (TAKE,)
    else:
        assert (verdict.word, verdict.waits, verdict.answers) == (plain.word, plain.waits, plain.answers)


def test_in_shadow_nothing_is_recommended():
    policy = recommending()
    assert ask(proposal(), state_under(policy, live=False), policy).word == "allow"


def test_taken_it_runs_as_any_approved_hold():
    decisions = told(held(TAKE), answer(), performing("cache.clear"))
    assert ending(msgspec.structs.replace(decisions, effects=())) == ("approved", ("ann",))
    assert isinstance(decisions.effects[0], PerformHeld)


def test_done_by_hand_nothing_runs_and_it_is_nobodys_use_of_a_limit():
    state = held(TAKE)
    decisions = told(state, answer(word="did"), performing("cache.clear"))
    assert ending(decisions) == ("taken", ("ann",))
    assert decisions.effects == ()
    assert state.holds.by_id == {}


def test_what_a_person_did_is_noted_behind_a_stop_too_but_nothing_can_be_let_run_there():
    state = held(TAKE)
    told(state, stopped())
    assert "ben" in refusal(told(state, answer(), performing("cache.clear")))
    assert ending(told(state, answer(word="did")))[0] == "taken"


@pytest.mark.parametrize("waits", [(), (TAKE, Wait(kind="person", role="responder"))], ids=["held", "both"])
def test_what_is_no_recommendation_is_not_done_by_hand(waits):
    assert "no recommendation" in refusal(told(held(*waits), answer(word="did")))


def test_declined_it_is_denied_and_let_pass_it_is_ignored():
    assert ending(told(held(TAKE), answer(word="deny", reason="no")))[0] == "denied"
    late = TimePassed(at_us=NOON_US + 2 * DAY_US, schedule="minute")
    assert ending(told(held(TAKE), late)) == ("timeout", ())


def test_a_viewer_takes_nothing():
    assert "only responders" in refusal(told(held(TAKE), answer(role="viewer", word="did")))


def test_where_it_is_not_asked_for_the_policy_is_the_one_it_was(tmp_path):
    source = read_policy(SHIPPED_POLICY)
    rollouts = source.settings.rollouts
    other = rollouts.model_copy(update={"plan": rollouts.plan.model_copy(update={"mode": "recommend"})})
    changed_source = msgspec.structs.replace(
        source, settings=source.settings.model_copy(update={"rollouts": other})
    )
    assert changed_source.policy_hash != source.policy_hash
    assert b'"mode"' not in msgspec.json.encode(shipped().adopted(0))


def test_the_same_facts_recommend_the_same(tmp_path):
    policy = recommending()
    fact = ProposalReceived(at_us=NOON_US, proposal=proposal())
    one, other = (decide(policy, evolve(state_under(policy), fact), fact) for _ in range(2))
    assert msgspec.json.encode(one.facts) == msgspec.json.encode(other.facts)
