"""What a KPI is said to be: met, missed or unknown, and never a figure out of nothing."""

import pytest

from engine.core.kpis.standing import standings
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US
from tests.builders import NOON_US, shipped, verdict
from tests.kpis.recount import EVERY, Coverage, kpi
from tests.kpis.test_projection import adopted_and, folded, parts, standing


def ended(count, failed=0, unreported=0):
    """So many episodes executed and reported, some failed, and others of which nobody says anything."""
    for number in range(count + unreported):
        said = verdict(proposal_id=f"p-{number}", decision_id=f"d-{number}")
        yield f.VerdictReached(at_us=NOON_US, verdict=said)
        if number < count:
            yield f.OutcomeReported(
                at_us=NOON_US,
                proposal_id=said.proposal_id,
                agent=said.agent,
                capability=said.capability,
                action=said.action,
                ok=number >= failed,
                by="executor",
            )


def success(*facts, **values):
    return standing(folded(adopted_and(*facts), (kpi(**values),)), "success", NOON_US + 2 * HOUR_US)


def test_before_the_first_fact_everything_is_unknown_and_nothing_is_nought():
    for found in standings(folded([])):
        assert (found.word, found.value, found.low, found.high) == ("unknown", None, None, None)
        assert found.why


def test_what_nobody_reported_is_unknown_and_not_nought():
    found = success(*ended(0, unreported=3))
    assert (found.word, found.value) == ("unknown", None)
    assert found.why == "nobody reported how any of 3 episodes ended"


def test_where_some_are_reported_the_others_of_autonomy_failed():
    found = success(*ended(3, unreported=1))
    assert (found.value, found.count) == (0.75, 4)
    assert parts(found) == {"succeeded": 3, "failed": 0, "unreported": 1}


def test_of_what_was_only_allowed_the_unreported_are_left_out():
    found = success(*ended(3, unreported=1), arm="allowed")
    assert (found.value, found.count) == (1.0, 3)


def test_too_few_cases_say_so():
    found = success(*ended(3), least=20)
    assert (found.word, found.value) == ("unknown", None)
    assert found.why == "too little evidence: 3 of 20 episodes"


@pytest.mark.parametrize(
    ("count", "failed", "target", "word", "sure"),
    [
        (100, 5, 0.95, "met", False),
        (100, 6, 0.95, "missed", False),
        (2000, 10, 0.95, "met", True),
        (2000, 400, 0.95, "missed", True),
    ],
)
def test_a_target_is_met_surely_where_the_whole_interval_meets_it(count, failed, target, word, sure):
    found = success(*ended(count, failed), at_least=target)
    assert (found.word, found.sure) == (word, sure)
    assert found.low < found.value < found.high


def test_a_target_may_be_a_most():
    found = success(*ended(10, 5), at_least=None, at_most=0.5)
    assert found.word == "met"


def up(*facts, scope=None, now_us=NOON_US + 10 * HOUR_US):
    of = kpi("uptime", window_us=DAY_US, scope=scope or Coverage(), at_least=0.99)
    return standing(folded(adopted_and(*facts), (of,)), "uptime", now_us)


def stop(hours, scope="all", name=""):
    return f.KillSwitchSet(at_us=NOON_US + hours * HOUR_US, scope=f.Scope(scope, name), by="ann")


def clear(hours, scope="all", name=""):
    return f.KillSwitchCleared(at_us=NOON_US + hours * HOUR_US, scope=f.Scope(scope, name), by="ann")


def test_time_behind_a_stop_of_everything_is_lost():
    found = up(stop(2), clear(3))
    assert found.value == pytest.approx(0.9)
    assert parts(found)["seconds stopped"] == 3600


def test_a_stop_that_stands_is_lost_until_now():
    assert up(stop(5)).value == pytest.approx(0.5)


def test_a_stop_of_one_agent_is_nothing_to_the_whole_but_all_to_that_agent():
    stops = (stop(2, "agent", "coder-1"), clear(7, "agent", "coder-1"))
    assert up(*stops).value == 1
    assert up(*stops, scope=Coverage(agent="coder-1")).value == pytest.approx(0.5)
    assert up(*stops, scope=Coverage(agent="coder-2")).value == 1


def test_a_pause_and_a_trouble_are_lost_time_too():
    pause = f.RolloutPaused(at_us=NOON_US, capability="heal", reason="a sale", by="ann")
    assert up(pause).value == 1
    assert up(pause, scope=Coverage(capability="heal@1")).value == 0
    trouble = f.TroubleFound(at_us=NOON_US, trouble="clock", detail="")
    assert parts(up(trouble))["seconds in doubt"] == 36_000


def ticks(first, last):
    return [
        f.TimePassed(at_us=NOON_US + minute * MINUTE_US, schedule="minute") for minute in range(first, last)
    ]


def test_where_an_engine_says_every_minute_that_it_is_there_silence_is_lost_time():
    found = up(*ticks(0, 60), *ticks(300, 601))
    # The last word before the silence was said at minute 59.
    assert parts(found)["seconds away"] == (300 - 59) * 60


def test_a_history_that_never_ticks_was_not_away():
    assert up(*ticks(0, 1), *ticks(300, 301)).value == 1


def test_every_standing_says_over_which_time():
    for of, found in zip(EVERY, standings(folded(adopted_and(*ended(3)))), strict=True):
        assert (found.from_us, found.until_us) == (NOON_US, NOON_US), of.name
        assert found.window_us == of.window_us


def test_the_policy_of_the_journal_says_when_an_episode_is_judged():
    plan = f.PolicyAdopted(
        at_us=NOON_US,
        policy_hash="aa",
        limits=(),
        breaker=shipped().breaker,
        hold_us=1,
        episode_idle_us=1,
        rollouts=f.RolloutSettings(plan=f.RolloutSettings().plan.__class__(horizon_us=10 * MINUTE_US)),
    )
    projection = folded([plan, *ended(1)], (kpi(),))
    assert standing(projection, "success", NOON_US + 9 * MINUTE_US).why == "no episode ended"
    assert standing(projection, "success", NOON_US + 10 * MINUTE_US).value == 1
