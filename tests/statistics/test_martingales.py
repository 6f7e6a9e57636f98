"""The property everything rests on: while its null is true, no process can be expected to grow."""

from fractions import Fraction
from itertools import accumulate

import pytest

from engine.core.statistics import agreement, detector, mixture, onset, paired, risk_ratio, sample_ratio
from tests.statistics.walks import chance_of, paths

LONG = 9
RAMP = [0.01, 0.01, 0.01, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5]


def canarys(share, ratio):
    """The chance that a failed episode was the canary's."""
    return share * ratio / (share * ratio + 1 - share)


def expected(begin, see, read, truth):
    """The mean of a process over every path, where bet `at` happens with probability `truth[at]`."""
    total = Fraction(0)
    for path in paths(len(truth)):
        values = begin()
        for at, happened in enumerate(path):
            see(values, happened, at)
        total += chance_of(path, [Fraction(each) for each in truth]) * Fraction(read(values))
    return float(total)


@pytest.mark.parametrize("null", [Fraction(1, 100), Fraction(1, 2), Fraction(19, 20)])
@pytest.mark.parametrize("odds", [(2, 7, 40), (Fraction(1, 5), Fraction(2, 3)), (Fraction(1, 4), 4)])
def test_at_the_boundary_a_mixture_is_a_martingale_to_the_last_digit(null, odds):
    factors = mixture.odds_factors(null, odds)
    for bets in range(LONG):
        mean = 0
        for path in paths(bets):
            values = mixture.begin([Fraction(1, len(odds))] * len(odds))
            for happened in path:
                mixture.multiply(values, factors[0] if happened else factors[1])
            mean += chance_of(path, null) * sum(values)
        assert mean == 1


def test_bets_placed_by_hindsight_of_the_past_are_a_martingale_too():
    # The next null and its alternatives may depend on all that came before: a share raised after luck.
    mean = Fraction(0)
    for path in paths(LONG):
        values, chance, lucky = mixture.begin([Fraction(1)]), Fraction(1), 0
        for happened in path:
            null = Fraction(1 + lucky, 12)
            chance *= null if happened else 1 - null
            mixture.bet(values, happened, null, [(1 + null) / 2])
            lucky += happened
        mean += chance * values[0]
    assert mean == 1


def test_inside_the_null_a_mixture_shrinks_and_outside_it_grows():
    factors = mixture.odds_factors(Fraction(1, 2), [Fraction(3)])
    means = []
    for truth in (Fraction(2, 5), Fraction(1, 2), Fraction(3, 5)):
        mean = 0
        for path in paths(4):
            values = mixture.begin([Fraction(1)])
            for happened in path:
                mixture.multiply(values, factors[0] if happened else factors[1])
            mean += chance_of(path, truth) * values[0]
        means.append(mean)
    assert means[0] < means[1] == 1 < means[2]


def test_the_start_weights_add_up_to_one():
    values, staked = onset.begin(1), []
    for _ in range(2000):
        staked.append(values[3])
        onset.multiply(values, [1.0])
    assert staked[:4] == [1 / 2, 1 / 12, 1 / 12, 1 / 48]
    kept = [1.0 - each for each in accumulate(staked)]
    assert values[0] == pytest.approx(kept[-1], abs=1e-12)
    assert onset.e_value(values, [1.0]) == pytest.approx(1.0, abs=1e-12)
    assert values[0] > 0


def test_evidence_of_harm_is_a_martingale_where_nothing_is_worse_along_a_ramp():
    truth = [canarys(Fraction(share), 1) for share in RAMP]
    mean = expected(
        risk_ratio.begin_bad, lambda v, x, at: risk_ratio.see_bad(v, x, RAMP[at]), risk_ratio.bad, truth
    )
    assert mean == pytest.approx(1.0, abs=1e-12)


def test_evidence_of_harm_shrinks_where_the_candidate_is_better():
    truth = [canarys(Fraction(share), Fraction(1, 2)) for share in RAMP]
    mean = expected(
        risk_ratio.begin_bad, lambda v, x, at: risk_ratio.see_bad(v, x, RAMP[at]), risk_ratio.bad, truth
    )
    assert mean < 0.9


@pytest.mark.parametrize("ruled_out", [4.0, 2.0, 1.25, 0.9])
def test_evidence_of_no_harm_is_a_martingale_at_the_ratio_to_be_ruled_out_along_a_ramp(ruled_out):
    def see(values, happened, at):
        risk_ratio.see_good(values, happened, RAMP[at], ruled_out)

    boundary = [canarys(Fraction(share), Fraction(ruled_out)) for share in RAMP]
    assert expected(risk_ratio.begin_good, see, risk_ratio.good, boundary) == pytest.approx(1.0, abs=1e-12)
    worse = [canarys(Fraction(share), 2 * Fraction(ruled_out)) for share in RAMP]
    assert expected(risk_ratio.begin_good, see, risk_ratio.good, worse) < 1.0


def test_agreement_is_a_martingale_at_its_share():
    mean = expected(
        agreement.begin, lambda v, x, _: agreement.see(v, x, 0.95), agreement.e_value, [0.95] * LONG
    )
    assert mean == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("direction", ["worse", "better"])
def test_pairs_are_a_martingale_where_either_fails_as_often(direction):
    mean = expected(
        paired.begin, lambda v, x, _: paired.see(v, x, not x, direction), paired.e_value, [0.5] * LONG
    )
    assert mean == pytest.approx(1.0, abs=1e-12)


def test_the_sample_ratio_is_a_martingale_at_its_share_along_a_ramp():
    mean = expected(
        sample_ratio.begin, lambda v, x, at: sample_ratio.see(v, x, RAMP[at]), sample_ratio.e_value, RAMP
    )
    assert mean == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("limit", [0.03, 0.2, 0.5])
def test_the_detectors_mean_level_is_the_number_of_points_at_its_limit(limit):
    mean = expected(detector.begin, lambda v, x, _: detector.see(v, x, limit), detector.level, [limit] * LONG)
    assert mean == pytest.approx(LONG, abs=1e-11)
