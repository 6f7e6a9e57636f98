"""How often each process is wrong, looked at after every event: exactly where it can be walked, else by seed.

The big study over many more runs is `make study`; this holds the bounds on every change of the code.
"""

import numpy as np
import pytest

from engine.core.statistics import agreement, detector, paired, risk_ratio, sample_ratio, thresholds
from tests.statistics.walks import Step, at_most, crossing, drawn, failures, harm_walked, whole_way

ALPHA = 0.05
RATIOS = (4.0, 2.0, 1.25)
WEAKEST = thresholds.needed(thresholds.split(ALPHA, 0).bad)
"""Without guardrails, so with the most of alpha that is ever left for the risk ratio."""


def first_rollback(failed, needed):
    """At which episode evidence of harm rolls back, and after how many failures of the canary, or `None`."""
    values, ours = risk_ratio.begin_bad(), 0
    for episode, in_canary, share in failed:
        ours += in_canary
        risk_ratio.see_bad(values, in_canary, share)
        if risk_ratio.bad(values) >= needed:
            return episode, ours
    return None


# ---------------------------------------------------------------- exact


@pytest.mark.parametrize(("share", "longest"), [(0.95, 3000), (0.8, 2000), (0.5, 1000)])
def test_disagreement_at_the_share_is_certified_at_most_as_often_as_alpha(share, longest):
    found = crossing(share, agreement.ODDS, agreement.WEIGHTS, share, 1 / ALPHA, longest)
    assert 0.02 < found[-1] <= ALPHA


def test_two_points_under_the_share_agreement_is_certified_once_in_a_hundred_or_less():
    assert crossing(0.95, agreement.ODDS, agreement.WEIGHTS, 0.93, 1 / ALPHA, 3000)[-1] < 0.01


def test_an_equal_version_is_called_worse_at_most_as_often_as_alpha():
    assert 0.02 < crossing(0.5, paired.ODDS, paired.WEIGHTS, 0.5, 1 / ALPHA, 2000)[-1] <= ALPHA


@pytest.mark.parametrize(("ratio", "share"), [(4.0, 0.01), (2.0, 0.1), (1.25, 0.5)])
def test_harm_at_the_ratio_ruled_out_passes_its_step_at_most_as_often_as_alpha(ratio, share):
    null = share * ratio / (share * ratio + 1 - share)
    odds = [each / ratio for each in ((1 + ratio) / 2, 1.0, 0.6)]
    assert 0.02 < crossing(null, odds, risk_ratio.GOOD_WEIGHTS, null, 1 / ALPHA, 2500)[-1] <= ALPHA


# ---------------------------------------------------------------- seeded

STEADY = {"at 1 %": 0.01, "at 10 %": 0.1, "at 50 %": 0.5}


def drifting(episodes, low, high):
    """A failure rate that wanders from low to high and back, twice."""
    return low + (high - low) * (1 - np.cos(np.linspace(0, 4 * np.pi, episodes))) / 2


WORLDS = {
    **{f"{name}, rare failures": [Step(share, 100_000, 0.002)] for name, share in STEADY.items()},
    **{f"{name}, common failures": [Step(share, 15_000, 0.05)] for name, share in STEADY.items()},
    "at 10 %, drifting": [Step(0.1, 20_000, drifting(20_000, 0.01, 0.05))],
    "along a ramp": [Step(0.01, 10_000, 0.02), Step(0.1, 10_000, 0.02), Step(0.5, 10_000, 0.02)],
    "along a ramp, drifting": [
        Step(0.01, 8_000, np.linspace(0.01, 0.02, 8_000)),
        Step(0.1, 8_000, np.linspace(0.02, 0.05, 8_000)),
        Step(0.5, 8_000, np.linspace(0.05, 0.01, 8_000)),
    ],
}


@pytest.mark.long
@pytest.mark.parametrize("world", WORLDS)
def test_an_equal_candidate_is_seldom_rolled_back_by_the_risk_ratio(world):
    # Every episode drawn, assigned and failed by itself, in so few runs that the bound is wide.
    rng, runs = np.random.default_rng(20_240_601), 300
    wrong = sum(first_rollback(failures(rng, WORLDS[world], 1.0), WEAKEST) is not None for _ in range(runs))
    assert at_most(wrong, runs) <= 0.09, f"{wrong} of {runs}"


WALKS = {
    "at 1 %": [0.01] * 1500,
    "at 10 %": [0.1] * 1500,
    "at 50 %": [0.5] * 1500,
    "along a ramp": [0.01] * 400 + [0.1] * 400 + [0.5] * 700,
    "up, back and up again": [0.01] * 300 + [0.1] * 300 + [0.01] * 300 + [0.1] * 300 + [0.5] * 300,
}


@pytest.mark.long
@pytest.mark.parametrize("walk", WALKS)
def test_of_20_000_equal_candidates_the_risk_ratio_rolls_back_surely_fewer_than_alpha(walk):
    # Between failures nothing is betted, so a base rate only says how much time passes from one to the next.
    rng, runs = np.random.default_rng(15), 20_000
    wrong = int((harm_walked(drawn(rng, runs, WALKS[walk]), runs, WEAKEST) > 0).sum())
    assert wrong > 0
    assert at_most(wrong, runs) <= thresholds.split(ALPHA, 0).bad, f"{wrong} of {runs}"


def test_canaries_walked_side_by_side_end_as_each_does_by_itself():
    rng, runs = np.random.default_rng(16), 200
    failed = list(drawn(rng, runs, WALKS["up, back and up again"][:700], 1.6))
    together = harm_walked(failed, runs, 25.0)
    for run in range(runs):
        alone = [(at, bool(mine[run]), share) for at, (share, mine) in enumerate(failed, 1)]
        ended = first_rollback(alone, 25.0)
        assert together[run] == (ended[0] if ended else 0)
    assert 20 < (together > 0).sum() < 180


@pytest.mark.long
def test_an_equal_candidate_is_rolled_back_at_most_as_often_as_alpha_by_everything_together():
    # The canary's own failures and two guardrails stand exactly at their limits, which is the worst case.
    rng, runs, parts = np.random.default_rng(7), 800, thresholds.split(ALPHA, 2)
    limit, span = 0.2, 1000
    bad_needs = thresholds.needed(parts.bad)
    limit_needs = detector.alarm_at(parts.failure_share, span)
    guardrail_needs = detector.alarm_at(parts.guardrail, span)
    wrong = 0
    for _ in range(runs):
        in_canary, failed = (rng.random(2 * span) < 0.5).tolist(), (rng.random(2 * span) < limit).tolist()
        points = (rng.random((2 * span, 2)) < 0.03).tolist()
        bad, own, guards = risk_ratio.begin_bad(), detector.begin(), [detector.begin(), detector.begin()]
        for at, (mine, fails) in enumerate(zip(in_canary, failed, strict=True)):
            if fails:
                risk_ratio.see_bad(bad, mine, 0.5)
            if mine:
                detector.see(own, fails, limit)
            if at < span:
                for guard, point in zip(guards, points[at], strict=True):
                    detector.see(guard, point, 0.03)
            if (
                risk_ratio.bad(bad) >= bad_needs
                or detector.level(own) >= limit_needs
                or any(detector.level(guard) >= guardrail_needs for guard in guards)
            ):
                wrong += 1
                break
    assert wrong > 0
    assert at_most(wrong, runs) <= ALPHA + 0.01, f"{wrong} of {runs}"


@pytest.mark.long
def test_a_detector_at_its_limit_alarms_within_its_span_at_most_as_often_as_alpha():
    rng, runs, span, wrong = np.random.default_rng(9), 600, 2000, 0
    for _ in range(runs):
        values = detector.begin()
        for bad in (rng.random(span) < 0.03).tolist():
            detector.see(values, bad, 0.03)
            if detector.level(values) >= detector.alarm_at(ALPHA, span):
                wrong += 1
                break
    assert wrong > 0
    assert at_most(wrong, runs) <= 0.06, f"{wrong} of {runs}"


@pytest.mark.long
def test_a_right_share_is_seldom_called_wrong_along_a_ramp():
    rng, runs, wrong = np.random.default_rng(10), 300, 0
    for _ in range(runs):
        values = sample_ratio.begin()
        for share in (0.01, 0.1, 0.5):
            for in_canary in (rng.random(3000) < share).tolist():
                sample_ratio.see(values, in_canary, share)
                if sample_ratio.e_value(values) >= 20:
                    wrong += 1
                    break
            else:
                continue
            break
    # At the 20 of alpha = 5 %, which a few runs can tell, and not at the 1,000 it really takes.
    assert at_most(wrong, runs) <= 0.1, f"{wrong} of {runs}"


@pytest.mark.long
def test_of_20_000_candidates_a_quarter_worse_surely_fewer_than_alpha_arrive_at_all_operations():
    found = whole_way(
        np.random.default_rng(12), 20_000, 1.25, ratios=RATIOS, alpha=ALPHA, bad_needs=WEAKEST, longest=3000
    )
    assert found.live > 0
    assert at_most(found.live, 20_000) <= ALPHA, found


@pytest.mark.long
def test_an_equal_candidate_nearly_always_arrives():
    found = whole_way(
        np.random.default_rng(13), 4000, 1.0, ratios=RATIOS, alpha=ALPHA, bad_needs=WEAKEST, longest=6000
    )
    assert found.live >= 0.95 * 4000, found
