"""How soon each process sees what it is there for."""

import numpy as np
import pytest

from engine.core.statistics import agreement, detector, paired, risk_ratio, sample_ratio, thresholds
from tests.statistics.test_error_rates import first_rollback
from tests.statistics.walks import Step, crossing, failures, median_of

STRICTEST = thresholds.needed(thresholds.split(0.05, 3).bad)
"""With guardrails, so with the least of alpha that is ever left for the risk ratio."""


def test_five_fold_harm_at_one_per_cent_is_rolled_back_within_5000_decisions_and_7_failures():
    rng, found = np.random.default_rng(1), []
    for _ in range(400):
        ended = first_rollback(failures(rng, [Step(0.01, 60_000, 0.02)], 5.0), STRICTEST)
        assert ended is not None
        found.append(ended)
    decisions, ours = np.median(np.array(found), axis=0)
    assert decisions <= 5000
    assert ours <= 7


@pytest.mark.long
def test_two_fold_harm_is_rolled_back_long_before_anybody_would_wait_for_it():
    rng, found = np.random.default_rng(2), []
    for _ in range(120):
        ended = first_rollback(failures(rng, [Step(0.01, 200_000, 0.02)], 2.0), STRICTEST)
        found.append(ended[0] if ended else np.inf)
    assert np.median(found) <= 55_000
    assert np.isfinite(found).mean() >= 0.9


def test_harm_that_begins_late_is_found_nearly_as_soon_as_harm_from_the_start():
    rng, delays = np.random.default_rng(3), []
    for _ in range(150):
        values = risk_ratio.begin_bad()
        for in_canary in (rng.random(1000) < 0.1).tolist():
            risk_ratio.see_bad(values, in_canary, 0.1)
        for delay, in_canary in enumerate((rng.random(2000) < 0.25).tolist(), 1):
            risk_ratio.see_bad(values, in_canary, 0.1)
            if risk_ratio.bad(values) >= STRICTEST:
                delays.append(delay)
                break
        else:
            delays.append(np.inf)
    assert np.median(delays) <= 140


@pytest.mark.parametrize(("truth", "most"), [(0.97, 605), (0.98, 211), (0.99, 131)])
def test_agreement_over_95_per_cent_is_certified_soon(truth, most):
    found = crossing(0.95, agreement.ODDS, agreement.WEIGHTS, truth, 20.0, 700)
    assert 59 < median_of(found) <= most


def test_pairs_of_which_the_same_episodes_are_hard_need_fewer_than_500():
    # 4 % against 2 %: whatever the incumbent fails at, the candidate fails at too, and at as much again.
    only_candidate = 0.02
    pairs_to_go = []
    rng = np.random.default_rng(4)
    for _ in range(1000):
        values, pairs = paired.begin(), 0
        while paired.e_value(values) < 20.0:
            pairs += int(rng.geometric(only_candidate))
            paired.see(values, True, False)
        pairs_to_go.append(pairs)
    assert np.median(pairs_to_go) <= 500


def test_pairs_that_fail_independently_need_more_than_500():
    # Said on the page too: pairing saves what the two have in common, and these have nothing in common.
    only_candidate, only_incumbent = 0.04 * 0.98, 0.02 * 0.96
    discordant = only_candidate + only_incumbent
    found = crossing(0.5, paired.ODDS, paired.WEIGHTS, only_candidate / discordant, 20.0, 400)
    assert 500 < median_of(found) / discordant < 1000


@pytest.mark.parametrize(("truth", "most"), [(0.06, 593), (0.1, 175), (0.3, 26)])
def test_a_detector_alarms_soon_after_the_change(truth, most):
    rng, delays, alarm = np.random.default_rng(6), [], detector.alarm_at(0.05, 10_000)
    while len(delays) < 150:
        values = detector.begin()
        for bad in (rng.random(500) < 0.02).tolist():
            detector.see(values, bad, 0.03)
        for delay, bad in enumerate((rng.random(5000) < truth).tolist(), 1):
            detector.see(values, bad, 0.03)
            if detector.level(values) >= alarm:
                delays.append(delay)
                break
    assert np.median(delays) <= most


@pytest.mark.parametrize(
    ("what", "share", "really", "most"),
    [
        ("swapped arms", 0.01, 0.99, 4),
        ("swapped arms at one in ten", 0.1, 0.9, 12),
        ("half of the labels lost", 0.1, 0.05, 800),
        ("a share twice as large", 0.01, 0.02, 2500),
        ("one label in ten is the other's", 0.01, 0.108, 90),
        ("one in ten leaks out of the canary", 0.5, 0.45, 2500),
        ("nobody in the canary", 0.1, 0.0, 160),
    ],
)
def test_a_wrong_share_is_found(what, share, really, most):
    rng, delays = np.random.default_rng(8), []
    for _ in range(60):
        values, needed = sample_ratio.begin(), thresholds.needed(thresholds.SAMPLE_RATIO_ALPHA)
        for delay, in_canary in enumerate((rng.random(4 * most + 100) < really).tolist(), 1):
            sample_ratio.see(values, in_canary, share)
            if sample_ratio.e_value(values) >= needed:
                delays.append(delay)
                break
        else:
            delays.append(np.inf)
    assert np.median(delays) <= most, what


def test_arms_swapped_late_are_found_too():
    rng, values = np.random.default_rng(9), sample_ratio.begin()
    for in_canary in (rng.random(20_000) < 0.01).tolist():
        sample_ratio.see(values, in_canary, 0.01)
    assert sample_ratio.e_value(values) < 20
    for in_canary in (rng.random(20) < 0.99).tolist():
        sample_ratio.see(values, in_canary, 0.01)
    assert sample_ratio.e_value(values) > 1000


def test_an_equal_candidate_needs_few_failures_a_step():
    medians = []
    for ratio, share in ((4.0, 0.01), (2.0, 0.1), (1.25, 0.5)):
        null = share * ratio / (share * ratio + 1 - share)
        odds = [each / ratio for each in ((1 + ratio) / 2, 1.0, 0.6)]
        medians.append(median_of(crossing(null, odds, risk_ratio.GOOD_WEIGHTS, share, 20.0, 1200)))
    assert medians[0] <= 160
    assert medians[1] <= 100
    assert medians[2] <= 410
