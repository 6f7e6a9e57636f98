"""Intervals: the bootstrap-t by hand, its coverage where the truth is known, one seed one answer."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pytest

from simulator.off_policy.intervals import LEVEL, Interval, Resampling
from tests.off_policy.plain import canary


def by_hand(above, below, seed, bootstraps):
    """The bootstrap-t of a ratio, a draw at a time, from the same draws."""
    count = len(above)
    drawn = np.random.default_rng([seed, 1]).integers(0, count, size=(bootstraps, count))

    def judged(places):
        ratio = sum(above[i] for i in places) / sum(below[i] for i in places)
        total = sum(below[i] for i in places)
        return ratio, sum(((above[i] - ratio * below[i]) / total) ** 2 for i in places) ** 0.5

    value, error = judged(range(count))
    off = sorted((ratio - value) / spread for ratio, spread in (judged(places) for places in drawn.tolist()))
    tail = (1 - LEVEL) / 2
    low, high = off[int(np.ceil(tail * bootstraps)) - 1], off[int(np.ceil((1 - tail) * bootstraps)) - 1]
    return Interval(value=value, low=value - high * error, high=value - low * error)


def test_it_is_the_bootstrap_t_of_the_textbooks():
    draw = np.random.default_rng(3)
    above, below = draw.exponential(size=40), 1 + draw.random(40)
    found = Resampling(units=40, seed=7, bootstraps=200).interval((above, below))
    expected = by_hand(above.tolist(), below.tolist(), 7, 200)
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name))


def test_the_interval_of_a_difference_is_that_of_its_ratio_when_the_other_does_not_vary():
    draw = np.random.default_rng(4)
    above, ones = draw.exponential(size=50), np.ones(50)
    resampling = Resampling(units=50, seed=0, bootstraps=300)
    alone, less = resampling.interval((above, ones)), resampling.interval((above, ones), (ones / 4, ones))
    assert (less.low, less.high) == pytest.approx((alone.low - 0.25, alone.high - 0.25))


def test_what_is_paired_differs_by_less_than_its_parts_vary():
    draw = np.random.default_rng(5)
    common, ones = draw.exponential(size=200), np.ones(200)
    better = common + 0.1 + 0.01 * draw.random(200)
    resampling = Resampling(units=200, seed=0, bootstraps=300)
    difference = resampling.interval((better, ones), (common, ones))
    assert difference.high - difference.low < 0.01
    assert resampling.interval((better, ones)).high - resampling.interval((better, ones)).low > 0.2


def test_one_seed_gives_one_answer_and_another_seed_another():
    values, ones = np.random.default_rng(6).exponential(size=100), np.ones(100)
    first, again, other = (
        Resampling(units=100, seed=seed, bootstraps=200).interval((values, ones)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert first.value == other.value


def test_many_episodes_are_drawn_in_groups_and_the_interval_stays_what_it_was():
    values, ones = np.random.default_rng(8).exponential(size=60_000), np.ones(60_000)
    found = Resampling(units=60_000, seed=0, bootstraps=2000).interval((values, ones))
    expected = 2 * 1.96 * values.std() / 60_000**0.5
    assert found.high - found.low == pytest.approx(expected, rel=0.1)


def test_where_draws_often_hold_nothing_to_judge_by_no_end_is_named():
    values = np.zeros(100)
    values[0] = 1.0
    found = Resampling(units=100, seed=0, bootstraps=500).interval((values, np.ones(100)))
    assert found.high == float("inf")


def test_what_never_varies_has_an_interval_of_one_point():
    ones = np.ones(30)
    assert Resampling(units=30, seed=0, bootstraps=50).interval((ones, ones)) == Interval(
        value=1.0, low=1.0, high=1.0
    )


def test_nothing_below_the_line_is_refused():
    with pytest.raises(ZeroDivisionError):
        Resampling(units=3, seed=0, bootstraps=5).interval((np.ones(3), np.zeros(3)))


@pytest.mark.long
@pytest.mark.parametrize(
    ("share", "candidate"), [(0.5, 0.9), (0.1, 0.93), (0.05, 0.9)], ids=["half", "a tenth", "a twentieth"]
)
def test_the_truth_lies_within_nineteen_times_of_twenty(share, candidate):
    inside: dict[str, list[bool]] = {}
    for seed in range(200):
        mine, theirs = canary(seed, episodes=1000, share=share, candidate=candidate)
        resampling = Resampling(units=mine.units, seed=seed, bootstraps=200)
        for estimator in ("ips", "snips", "doubly_robust"):
            one = resampling.interval(mine.contributions[estimator])
            both = resampling.interval(mine.contributions[estimator], theirs.contributions[estimator])
            inside.setdefault(estimator, []).append(one.low <= candidate <= one.high)
            inside.setdefault(f"{estimator}, difference", []).append(both.low <= candidate - 0.8 <= both.high)
    covered = {name: fmean(seen) for name, seen in inside.items()}
    # Of 200 worlds, 89 % is four standard errors under 95 %.
    assert all(of_all >= 0.89 for of_all in covered.values()), covered
