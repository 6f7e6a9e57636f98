"""Standing approvals: what they let go on, and all that they never do."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.decide import follow
from engine.core.evolve import evolve
from engine.core.state import decode_state, encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.actions import ApprovalRule
from engine.core.vocabulary.effects import AskPeople, PerformHeld
from engine.core.vocabulary.units import HOUR_US, MINUTE_US, SECOND_US
from engine.core.work.standing_approvals import comparable, matches, too_long
from tests.answers import stopped, told
from tests.builders import NOON_US, changed, impact, performing, proposal, shipped, state_under

UNSURE = {"confidence": 0.1}


def standing(by="ann", role="responder", action="cache.clear", minutes=30, args=None, policy=None):
    return f.StandingGiven(
        at_us=NOON_US - SECOND_US,
        standing_id="s_1",
        by=by,
        role=role,
        action=action,
        args={} if args is None else args,
        until_us=NOON_US - SECOND_US + minutes * MINUTE_US,
        policy_hash=(policy or shipped()).policy_hash,
        reason="deploy night",
    )


def asked(state, wish=None, policy=None, at_us=NOON_US):
    """Propose, as a driver does; return the verdict, how its hold ended, and the effects."""
    fact = f.ProposalReceived(at_us=at_us, proposal=wish or proposal(**UNSURE))
    evolve(state, fact)
    decided = follow(policy or shipped(), state, fact, lambda each: evolve(state, each))
    (verdict,) = [each.verdict for each in decided.facts if isinstance(each, f.VerdictReached)]
    over = [each for each in decided.facts if isinstance(each, f.HoldEnded)]
    return verdict, over[0] if over else None, decided.effects


def test_what_it_covers_is_held_and_let_go_at_once_in_the_name_of_who_gave_it():
    state = state_under(None, standing())
    verdict, over, effects = asked(state)
    assert verdict.word == "hold", "the verdict is what it was"
    assert (over.how, over.by) == ("approved", ("ann",))
    assert over.reason == "standing approval s_1: deploy night"
    assert (effects, state.holds.by_id) == ((), {}), "the agent does it itself, and nobody is asked"


def test_what_the_engine_performs_is_performed():
    policy = performing("cache.clear")
    _, over, (effect,) = asked(state_under(policy, standing()), policy=policy)
    assert over is not None
    assert isinstance(effect, PerformHeld)


@pytest.mark.parametrize(
    ("given", "wish"),
    [
        ({"args": {"service": "web"}}, {"args": {"service": "shop"}}),
        ({"args": {"service": "web-*"}}, {"args": {"service": "web"}}),
        ({"args": {"nothing": "web"}}, {}),
        ({"action": "service.restart"}, {}),
        ({"by": "agent:coder-1"}, {}),
        ({}, {"impact": impact(cost_usd=60)}),
        ({}, {"impact": impact(files=6)}),
    ],
    ids=[
        "another value",
        "not so begun",
        "no such argument",
        "another action",
        "itself",
        "votes",
        "more votes",
    ],
)
def test_what_it_does_not_cover_waits_for_people(given, wish):
    verdict, over, effects = asked(state_under(None, standing(**given)), proposal(**UNSURE | wish))
    assert (verdict.word, over) == ("hold", None)
    assert isinstance(effects[0], AskPeople)


@pytest.mark.parametrize(
    "rule",
    [{"people": 2}, {"approval_class": "A"}, {"role": "captain"}],
    ids=["two people", "class A", "captain"],
)
def test_it_is_no_more_than_one_persons_word(rule):
    actions = dict(shipped().actions)
    actions["cache.clear"] = msgspec.structs.replace(actions["cache.clear"], approval=ApprovalRule(**rule))
    policy = changed(actions=actions)
    _, over, _ = asked(state_under(policy, standing()), proposal(), policy)
    assert over is None


def test_an_owner_who_does_not_count_does_not_count_beforehand():
    actions = dict(shipped().actions)
    actions["cache.clear"] = msgspec.structs.replace(actions["cache.clear"], approval=ApprovalRule())
    policy = changed(actions=actions)
    assert asked(state_under(policy, standing()), proposal(owner="ann"), policy)[1] is None
    assert asked(state_under(policy, standing()), proposal(owner="ben"), policy)[1] is not None


def test_nothing_goes_on_behind_a_stop_or_in_shadow():
    verdict, over, _ = asked(state_under(None, standing(), stopped()))
    assert (verdict.word, over) == ("deny", None)
    verdict, over, _ = asked(state_under(None, standing(), live=False))
    assert (verdict.shadowed, over) == (True, None)


def test_it_counts_against_the_limits_and_not_past_them():
    state = state_under(None, standing())
    ends = [
        asked(
            state, proposal(**UNSURE, proposal_id=f"p-{nth}", impact=impact(cost_usd=4)), at_us=NOON_US + nth
        )
        for nth in range(4)
    ]
    assert [over is not None for _, over, _ in ends] == [True, True, False, False]
    assert ends[-1][0].word == "deny"


def test_another_policy_ends_what_it_covers():
    state = state_under(None, standing(policy=changed(policy_hash="another")))
    assert asked(state)[1] is None


def test_it_ends_by_itself_and_covers_nothing_from_that_moment():
    state = state_under(None, standing(minutes=1))
    end_us = NOON_US - SECOND_US + MINUTE_US
    assert asked(state, proposal(**UNSURE, proposal_id="p-2"), at_us=end_us - 1)[1] is not None
    assert asked(state, at_us=end_us)[1] is None, "no tick has come yet"
    (over,) = [
        each
        for each in told(state, f.TimePassed(at_us=end_us, schedule="minute")).facts
        if isinstance(each, f.StandingEnded)
    ]
    assert (over.standing_id, over.how, over.by) == ("s_1", "expired", "")
    assert state.standing.by_id == {}


def test_revoked_it_covers_nothing_more():
    gone = f.StandingEnded(at_us=NOON_US, standing_id="s_1", action="cache.clear", how="revoked", by="ben")
    assert asked(state_under(None, standing(), gone))[1] is None


def test_what_stands_survives_a_snapshot():
    state = state_under(None, standing(args={"service": "web"}))
    assert decode_state(encode_state(state)).standing == state.standing


def test_a_captain_may_give_a_shift_and_a_responder_an_hour():
    assert not too_long("responder", HOUR_US)
    assert "captain" in too_long("responder", HOUR_US + 1)
    assert not too_long("captain", 8 * HOUR_US)
    assert "8 hours" in too_long("captain", 8 * HOUR_US + 1)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_pattern_without_a_star_takes_itself_alone(pattern, value):
    if not pattern.endswith("*"):
        assert matches(pattern, value) == (pattern == value)


@given(st.text(max_size=10), st.text(max_size=20))
def test_a_pattern_with_a_star_takes_what_begins_so_and_no_path_that_climbs(start, value):
    assert matches(f"{start}*", value) == (value.startswith(start) and ".." not in value)


@given(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.lists(st.text())))
def test_only_plain_arguments_can_be_named(args):
    found = comparable(args)
    assert found.keys() == {name for name, value in args.items() if isinstance(value, bool | int)}
