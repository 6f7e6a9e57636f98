"""The same numbers by another road: binomial and beta-binomial likelihoods, intervals turned inside out."""

from fractions import Fraction
from math import comb, exp, inf, lgamma, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.statistics import agreement, intervals, mixture, paired, risk_ratio
from tests.statistics.walks import at_most, crossing

counts = st.integers(0, 400)


def likelihood(yes, no, chance):
    """The probability of a count, as the binomial law gives it."""
    return comb(yes + no, yes) * chance**yes * (1 - chance) ** no


def log_beta(a, b):
    return lgamma(a) + lgamma(b) - lgamma(a + b)


@given(counts, counts)
def test_agreement_is_a_ratio_of_binomial_likelihoods(yes, no):
    values = agreement.begin()
    for happened in [True] * yes + [False] * no:
        agreement.see(values, happened, 0.95)
    null = Fraction(19, 20)
    expected = Fraction(0)
    for weight, odds in zip(agreement.WEIGHTS, agreement.ODDS, strict=True):
        chance = Fraction(odds) * null / (Fraction(odds) * null + 1 - null)
        expected += Fraction(weight) * likelihood(yes, no, chance) / likelihood(yes, no, null)
    assert agreement.e_value(values) == pytest.approx(float(expected), rel=1e-10, abs=1e-300)


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.01, 0.1, 0.5]))
def test_evidence_of_no_harm_is_a_ratio_of_binomial_likelihoods(ours, theirs, share):
    values = risk_ratio.begin_good()
    for in_canary in [True] * ours + [False] * theirs:
        risk_ratio.see_good(values, in_canary, share, 2.0)

    def chance(ratio):
        return share * ratio / (share * ratio + 1 - share)

    expected = sum(
        weight * likelihood(ours, theirs, chance(ratio)) / likelihood(ours, theirs, chance(2.0))
        for weight, ratio in zip(risk_ratio.GOOD_WEIGHTS, (1.5, 1.0, 0.6), strict=True)
    )
    assert risk_ratio.good(values) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("yes", "no"), [(0, 12), (30, 30), (45, 9), (3, 120)])
def test_a_mixture_over_every_chance_becomes_the_beta_binomial(yes, no):
    # With stakes spread as finely as a beta density over all chances, the sum is an integral known in full.
    grid = (np.arange(20_000) + 0.5) / 20_000
    stakes = grid**1.5 * (1 - grid) ** 2.5
    values = mixture.begin((stakes / stakes.sum()).tolist())
    happened, did_not = (grid / 0.3).tolist(), ((1 - grid) / 0.7).tolist()
    for row in [happened] * yes + [did_not] * no:
        mixture.multiply(values, row)
    closed = exp(log_beta(2.5 + yes, 3.5 + no) - log_beta(2.5, 3.5) - yes * log(0.3) - no * log(0.7))
    assert mixture.e_value(values) == pytest.approx(closed, rel=1e-4)


@pytest.mark.parametrize("truth", [0.5, 0.8])
def test_the_exact_walk_and_the_process_cross_together(truth):
    rng, runs, longest = np.random.default_rng(11), 2000, 60
    crossed = 0
    for _ in range(runs):
        values = paired.begin()
        for candidate in (rng.random(longest) < truth).tolist():
            paired.see(values, candidate, not candidate)
            if paired.e_value(values) >= 20.0:
                crossed += 1
                break
    exact = crossing(0.5, paired.ODDS, paired.WEIGHTS, truth, 20.0, longest)[-1]
    assert crossed / runs == pytest.approx(exact, abs=4 * (exact * (1 - exact) / runs) ** 0.5)


# ---------------------------------------------------------------- intervals


@given(st.integers(0, 3000), st.integers(0, 3000), st.sampled_from([0.05, 0.01, 0.3]))
def test_at_the_ends_of_a_rates_interval_the_evidence_is_exactly_what_refutes(yes, no, alpha):
    found = intervals.rate(yes, yes + no, alpha)

    def evidence(chance):
        logs = (yes * log(chance) if yes else 0.0) + (no * log(1 - chance) if no else 0.0)
        return log_beta(yes + 0.5, no + 0.5) - log_beta(0.5, 0.5) - logs

    assert 0.0 <= found.low <= found.high <= 1.0
    for end in (found.low, found.high):
        if 0.0 < end < 1.0:
            assert evidence(end) == pytest.approx(log(1 / alpha), abs=1e-6)
    if yes + no:
        assert found.low <= found.estimate == yes / (yes + no) <= found.high


@given(
    st.lists(
        st.tuples(st.sampled_from([0.01, 0.1, 0.5]), st.integers(0, 50), st.integers(0, 300)), max_size=3
    )
)
def test_a_ratios_interval_holds_its_most_likely_value(failures):
    found = intervals.ratio(failures, 0.05)
    assert found.low >= 0.0
    high = inf if found.high is None else found.high
    if found.estimate is None:
        assert high == inf
    else:
        assert found.low <= found.estimate <= high
        expected = sum(
            (ours + theirs) * share * found.estimate / (share * found.estimate + 1 - share)
            for share, ours, theirs in failures
        )
        assert expected == pytest.approx(sum(ours for _, ours, _ in failures), rel=1e-6, abs=1e-3)


def test_more_failures_make_both_intervals_narrower():
    few, many = intervals.rate(2, 100, 0.05), intervals.rate(200, 10_000, 0.05)
    assert many.high - many.low < (few.high - few.low) / 4
    few, many = intervals.ratio([(0.5, 10, 10)], 0.05), intervals.ratio([(0.5, 1000, 1000)], 0.05)
    assert few.low < many.low < 1 < many.high < few.high


def test_nothing_seen_is_compatible_with_everything():
    assert intervals.rate(0, 0, 0.05) == intervals.Interval(0.0, None, 1.0)
    assert (
        intervals.ratio([], 0.05) == intervals.ratio([(0.5, 0, 0)], 0.05) == intervals.Interval(0, None, None)
    )


def test_a_side_without_failures_has_an_open_end():
    none_of_ours = intervals.ratio([(0.1, 0, 400)], 0.05)
    assert (none_of_ours.low, none_of_ours.estimate) == (0.0, 0.0)
    assert 0 < none_of_ours.high < 1
    none_of_theirs = intervals.ratio([(0.1, 20, 0)], 0.05)
    assert none_of_theirs.estimate is None
    assert none_of_theirs.high is None
    assert none_of_theirs.low > 5


def test_a_ramp_is_read_share_by_share():
    # The same failures pooled would say that the canary fails far less often than control: it is equal.
    along = intervals.ratio([(0.01, 5, 495), (0.1, 20, 180), (0.5, 50, 50)], 0.05)
    assert along.estimate == pytest.approx(1.0, abs=0.02)
    assert along.low < 1 < along.high


@pytest.mark.long
@pytest.mark.parametrize(("truth", "longest"), [(0.02, 2000), (0.5, 500)])
def test_a_rates_interval_holds_the_truth_at_every_moment_at_once(truth, longest):
    # An alpha of 30 %, so that a few hundred runs can tell whether it is kept.
    rng, runs, missed = np.random.default_rng(5), 300, 0
    for _ in range(runs):
        yes = 0
        for of, happened in enumerate((rng.random(longest) < truth).tolist(), 1):
            yes += happened
            # Looked at whenever it changes most, and often anyway: it is as valid at every other moment.
            if happened or of % 50 == 0:
                found = intervals.rate(yes, of, 0.3)
                if not found.low <= truth <= found.high:
                    missed += 1
                    break
    assert missed > 0
    assert at_most(missed, runs) <= 0.3


@pytest.mark.long
def test_a_ratios_interval_holds_the_truth_at_every_moment_at_once():
    rng, runs, missed, truth = np.random.default_rng(6), 120, 0, 1.5
    for _ in range(runs):
        seen = {0.01: [0, 0], 0.1: [0, 0], 0.5: [0, 0]}
        for share, tally in seen.items():
            for ours in (rng.random(45) < share * truth / (share * truth + 1 - share)).tolist():
                tally[not ours] += 1
                found = intervals.ratio([(each, *both) for each, both in seen.items()], 0.3)
                if not found.low <= truth <= (found.high or inf):
                    missed += 1
                    break
            else:
                continue
            break
    assert missed > 0
    assert at_most(missed, runs) <= 0.3
