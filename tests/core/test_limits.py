"""The limits gate: how much may be used within a sliding window, by each agent and by all of them."""

from decimal import Decimal

import pytest

from engine.core.gates import limits
from engine.core.gates.limits import Usage, Window
from engine.core.vocabulary.facts import Limit
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.core.vocabulary.verdicts import Check, Wait
from tests.builders import NOON_US, answer, ask, impact, proposal, verdict

MINE = Limit(id="mine", measure="files", most=Decimal(10), window_us=MINUTE_US, per="agent")
OURS = Limit(id="ours", measure="files", most=Decimal(15), window_us=MINUTE_US, per="all")
MONEY = Limit(id="money", measure="cost_usd", most=Decimal(10), window_us=MINUTE_US, per="all")


def usage(*in_force, used=()):
    """Usage under these limits after `(seconds, agent, impact, shadowed)` were allowed."""
    state = Usage(limits=in_force)
    for at_s, agent, touched, shadowed in used:
        fact = verdict("allow", NOON_US + at_s * SECOND_US, agent=agent, impact=touched, shadowed=shadowed)
        limits.fold_verdict(state, fact)
    return state


def judged(state, touched, at_s=0, agent="coder-1", shadowed=False):
    return limits.judge(state, agent, touched, NOON_US + at_s * SECOND_US, shadowed=shadowed)


def test_without_limits_or_without_impact_there_is_nothing_to_say():
    assert judged(usage(), impact(10**6, 10**6, 10**6)) == judged(usage(MINE), impact())
    assert judged(usage(MINE), impact(5)).checks == ()


def test_exactly_at_a_limit_is_within_it():
    said = judged(usage(MINE, used=[(0, "coder-1", impact(0, 7), False)]), impact(0, 3))
    assert (said.ruling, said.reason, said.rule, said.owner) == ("allow", "", "limits.windows", "captain")
    assert said.checks == (Check("mine", 10, 10),)


def test_checks_stand_in_the_order_of_the_policy_also_where_measures_alternate():
    state = usage(MINE, MONEY, OURS, used=[(0, "coder-1", impact(2, 7), False)])
    assert judged(state, impact("0.50", 3)).checks == (
        Check("mine", 10, 10),
        Check("money", "2.50", "10"),
        Check("ours", 10, 15),
    )


def test_just_past_a_limit_is_denied_and_says_when_there_will_be_room():
    said = judged(usage(MINE, used=[(0, "coder-1", impact(0, 7), False)]), impact(0, 4), at_s=5)
    assert said.ruling == "deny"
    assert (said.rule, said.owner, said.waits) == ("limits.mine", "captain", ())
    assert said.checks == (Check("mine", 11, 10),)
    assert said.reason == "coder-1 may use 10 files in 1 min; there is room again at 2023-11-14T22:14:20Z"


def test_room_comes_when_enough_has_left_and_not_before():
    state = usage(MINE, used=[(at_s, "coder-1", impact(0, 3), False) for at_s in (0, 10, 20)])
    assert "room again at 2023-11-14T22:14:30Z" in judged(state, impact(0, 5), at_s=30).reason
    assert judged(state, impact(0, 5), at_s=69).ruling == "deny"
    assert judged(state, impact(0, 5), at_s=70).ruling == "allow"


def test_what_alone_is_more_than_the_limit_waits_for_its_owner():
    said = judged(usage(MINE, used=[(0, "coder-1", impact(0, 1), False)]), impact(0, 11))
    assert said.ruling == "escalate"
    assert said.waits == (Wait(kind="person", role="captain"),)
    assert said.reason.endswith("; this alone is more than the limit allows, so a person must")


def test_what_was_used_a_whole_window_ago_no_longer_counts():
    state = usage(MINE, used=[(0, "coder-1", impact(0, 10), False)])
    assert (
        limits.judge(state, "coder-1", impact(0, 1), NOON_US + MINUTE_US - 1, shadowed=False).ruling == "deny"
    )
    assert limits.judge(state, "coder-1", impact(0, 1), NOON_US + MINUTE_US, shadowed=False).ruling == "allow"


def test_each_agent_has_its_own_share_and_all_share_one():
    state = usage(MINE, OURS, used=[(0, "coder-1", impact(0, 10), False)])
    assert judged(state, impact(0, 1)).rule == "limits.mine"
    assert judged(state, impact(0, 5), agent="healer").ruling == "allow"
    said = judged(state, impact(0, 6), agent="healer")
    assert said.rule == "limits.ours"
    assert said.reason.startswith("all agents together may use 15 files in 1 min; ")


def test_every_limit_that_is_passed_is_named_and_the_first_speaks():
    said = judged(usage(MINE, OURS), impact(0, 16))
    assert said.rule == "limits.mine"
    assert "coder-1 may use 10" in said.reason
    assert "all agents together may use 15" in said.reason


def test_an_agent_with_an_empty_name_is_not_everybody():
    state = usage(MINE, OURS, used=[(0, "", impact(0, 10), False)])
    assert [check.measured for check in judged(state, impact(0, 1)).checks] == [1, 11]


@pytest.mark.parametrize("word", ["hold", "deny"])
def test_what_was_not_allowed_uses_nothing(word):
    state = usage(MINE)
    limits.fold_verdict(state, verdict(word, impact=impact(0, 10)))
    assert judged(state, impact(0, 10)).ruling == "allow"


def test_shadow_counts_against_shadow_only():
    state = usage(MINE, used=[(0, "coder-1", impact(0, 10), True)])
    assert judged(state, impact(0, 10)).ruling == "allow"
    said = judged(state, impact(0, 1), shadowed=True)
    assert said.checks == (Check("mine", 11, 10),)
    assert said.ruling == "deny"


def test_live_counts_against_shadow_too():
    state = usage(MINE, used=[(0, "coder-1", impact(0, 4), False), (1, "coder-1", impact(0, 6), True)])
    said = judged(state, impact(0, 1), at_s=2, shadowed=True)
    assert said.checks == (Check("mine", 11, 10),)
    assert "room again at 2023-11-14T22:14:20Z" in said.reason


def test_money_is_exact_and_shown_as_it_was_given():
    state = usage(MONEY, used=[(at_s, "coder-1", impact("0.10"), False) for at_s in range(10)])
    said = judged(state, impact("9.00"), at_s=10)
    assert (said.ruling, said.checks) == ("allow", (Check("money", "10.00", "10"),))
    assert judged(state, impact("9.000000000001"), at_s=10).ruling == "deny"


def test_measured_money_reads_the_same_beside_a_stale_window_and_beside_none():
    stale = usage(MONEY, used=[(-3600, "coder-1", impact(1), False)])
    for state in (stale, usage(MONEY)):
        assert judged(state, impact("1E+1")).checks == (Check("money", "10", "10"),)


def test_api_calls_are_measured_apart_from_files():
    calls = Limit(id="calls", measure="api_calls", most=Decimal(100), window_us=MINUTE_US, per="all")
    state = usage(MINE, calls, used=[(0, "coder-1", impact(0, 10, 100), False)])
    said = judged(state, impact(0, 0, 1))
    assert (said.rule, said.checks) == ("limits.calls", (Check("calls", 101, 100),))


def test_the_shipped_policy_allows_100_calls_10_usd_and_50_files():
    assert ask(proposal(impact=impact(10))).word == "allow"
    assert answer(ask(proposal(impact=impact("10.01"))), "limits").rule == "limits.cost_per_hour_and_agent"
    assert ask(proposal(impact=impact(0, 0, 100))).word == "allow"
    assert (
        answer(ask(proposal(impact=impact(0, 0, 101))), "limits").rule
        == "limits.api_calls_per_minute_and_agent"
    )


def test_a_window_used_up_and_emptied_sums_to_a_plain_zero():
    window = Window()
    window.entries.append((1, Decimal("0.10")))
    window.total = Decimal("0.10")
    window.forget(1)
    assert (str(window.total), list(window.entries)) == ("0", [])


def test_trim_leaves_nothing_of_what_no_longer_counts():
    state = usage(MINE, MONEY, used=[(0, "coder-1", impact(1, 1), False), (30, "healer", impact(1, 1), True)])
    limits.trim(state, NOON_US + MINUTE_US)
    assert state.live == {}
    assert list(state.shadow["mine"]) == ["healer"]
    limits.trim(state, NOON_US + 2 * MINUTE_US)
    assert (state.live, state.shadow) == ({}, {})


def test_each_charge_lets_go_of_what_left_its_window():
    state = usage(MINE, used=[(0, "coder-1", impact(0, 1), False), (60, "coder-1", impact(0, 2), False)])
    assert [amount for _, amount in state.live["mine"]["coder-1"].entries] == [2]


def test_equal_limits_are_shown_as_each_policy_writes_them():
    for most in ("10", "10.0", "1E+1", "10"):
        money = Limit(id="money", measure="cost_usd", most=Decimal(most), window_us=MINUTE_US, per="all")
        assert judged(usage(money), impact("2.50")).checks == (Check("money", "2.50", most),)


def test_half_a_file_is_a_limit_like_any_other():
    half = Limit(id="half", measure="files", most=Decimal("2.5"), window_us=MINUTE_US, per="all")
    assert [judged(usage(half), impact(0, files)).ruling for files in (2, 3)] == ["allow", "escalate"]


def test_many_policies_in_one_process_do_not_mix_up_their_limits():
    for files in range(200):
        state = usage(Limit(id="mine", measure="files", most=files, window_us=MINUTE_US, per="agent"))
        assert judged(state, impact(0, 1)).checks == (Check("mine", 1, files),)
