"""The excess detector: nobody is accused for the weather, and whoever is over limit and control is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.statistics import detector, excess, thresholds
from tests.statistics.walks import at_most

LIMIT = 0.2
NEEDED = detector.alarm_at(thresholds.split(0.05, 0).failure_share, 10_000)
chances = st.floats(0, 1)


@given(chances, chances, st.floats(0.01, 0.99), st.floats(0.001, 0.999))
def test_no_bet_can_be_expected_to_win_while_the_canary_is_under_the_limit_or_no_worse_than_control(
    canary, control, limit, share
):
    if canary > max(limit, control):
        canary = max(limit, control)
    found = excess.factors(limit, share)
    for failed, well, theirs in zip(
        found.canary_failed, found.canary_well, found.control_failed, strict=True
    ):
        of_canary = canary * failed + (1 - canary) * well
        of_control = control * theirs + (1 - control)
        assert share * of_canary + (1 - share) * of_control <= 1 + 1e-9
        assert min(failed, well, theirs) >= 0


@given(st.lists(st.booleans(), max_size=60), st.sampled_from([0.03, 0.2, 0.6]))
def test_alone_it_is_the_detector(failures, limit):
    mine, other = excess.begin(), detector.begin()
    for failed in failures:
        excess.see(mine, True, failed, limit, 1.0)
        detector.see(other, failed, limit)
    # A new bet of 1 is begun after each point instead of before the next.
    assert [value - 1.0 for value in mine] == pytest.approx(other, rel=1e-9)


def weathers(rng, episodes, calm=0.01, outage=0.3):
    """How often an episode fails as time goes on: outages of 200 episodes, 2,000 apart, on average."""
    found, now = [], False
    while len(found) < episodes:
        found += [outage if now else calm] * int(np.ceil(rng.exponential(200 if now else 2000)))
        now = not now
    return np.array(found[:episodes])


def drawn(rng, share, fails, ratio):
    in_canary = rng.random(len(fails)) < share
    return in_canary, rng.random(len(fails)) < np.minimum(1.0, np.where(in_canary, ratio * fails, fails))


def alarm(in_canary, failed, share, needed):
    """At which of the canary's own episodes it alarms; 0 for never."""
    values = excess.begin()
    for at, (mine, bad) in enumerate(zip(in_canary.tolist(), failed.tolist(), strict=True)):
        excess.see(values, mine, bad, LIMIT, share)
        if excess.level(values) >= needed:
            return int(in_canary[: at + 1].sum())
    return 0


def alarm_alone(in_canary, failed, needed):
    values = detector.begin()
    for bad in failed[in_canary].tolist():
        detector.see(values, bad, LIMIT)
        if detector.level(values) >= needed:
            return True
    return False


@pytest.mark.long
def test_in_big_outages_an_equal_canary_is_left_alone_where_a_limit_by_itself_would_not():
    rng, runs, ours, alone = np.random.default_rng(31), 200, 0, 0
    for _ in range(runs):
        seen = drawn(rng, 0.5, weathers(rng, 20_000), 1.0)
        # At the level of alpha = 5 % and 10,000 episodes: it really takes ten times as much.
        ours += alarm(*seen, 0.5, detector.alarm_at(0.05, 10_000)) > 0
        alone += alarm_alone(*seen, NEEDED)
    assert at_most(ours, runs) <= 0.05, f"{ours} of {runs}"
    assert alone > 20, "else these outages show nothing"


@pytest.mark.long
def test_under_a_steady_thirty_per_cent_in_both_arms_it_alarms_at_most_as_often_as_it_says():
    rng, runs, wrong, span = np.random.default_rng(32), 400, 0, 1000
    for _ in range(runs):
        seen = drawn(rng, 0.5, np.full(2 * span, 0.3), 1.0)
        wrong += alarm(*seen, 0.5, detector.alarm_at(0.05, span)) > 0
    assert at_most(wrong, runs) <= 0.06, f"{wrong} of {runs}"


@pytest.mark.parametrize(("share", "most"), [(0.01, 100), (0.1, 100), (0.5, 110)])
def test_a_canary_that_fails_half_the_time_beside_a_good_control_is_found(share, most):
    rng, found = np.random.default_rng(33), []
    for _ in range(20):
        fails = np.full(round(400 / share), 0.02)
        found.append(alarm(*drawn(rng, share, fails, 25.0), share, NEEDED))
    assert min(found) > 0
    assert np.median(found) <= most


@pytest.mark.parametrize(("promoted_on", "fails", "caught"), [(0.02, 0.5, True), (0.4, 0.4, False)])
def test_once_live_it_is_held_against_the_limit_and_against_what_it_was_promoted_on(
    promoted_on, fails, caught
):
    limit, runs, alarms = max(LIMIT, 1.25 * promoted_on), 40, 0
    rng = np.random.default_rng(34)
    for _ in range(runs):
        values = excess.begin()
        for failed in (rng.random(1000) < fails).tolist():
            excess.see(values, True, failed, limit, 1.0)
            if excess.level(values) >= NEEDED:
                alarms += 1
                break
    assert alarms == (runs if caught else 0)
