"""The risk ratio: how many times as often episodes fail in the candidate's hands as in the incumbent's.

Only failed episodes are bets. Given that an episode failed, and that its arm was drawn with probability s for the
canary, the chance that it was a canary's is

    P(canary | failed) = s R / (s R + 1 - s)

for risk ratio R, whatever the common failure rate is and however it drifts (Lindon and Malek, NeurIPS 2022,
arXiv 2011.03567; for two proportions in general Turner, Ly and Grünwald, arXiv 2106.02693). s is the share at that episode's own
assignment, so evidence is carried along a ramp of shares. In odds the claim is plain: R = r means odds of r
times s / (1 - s), and the alternative R has R / r times the null's odds.

Two claims are tested. `bad`: the null is R ≤ 1, and evidence against it takes authority away. It does not know
when the harm begins, see `onset`. `good`: the null is R ≥ the ratio to be ruled out, and evidence against it is
what a next step asks for.
"""

from functools import lru_cache
from typing import Final

from engine.core.statistics import mixture, onset

BAD_RATIOS: Final = (1.5, 2.0, 3.0, 5.0, 10.0)
BAD_WEIGHTS: Final = (0.1, 0.15, 0.15, 0.45, 0.15)
"""Weighed towards large harm: that is where every failure saved counts, and a small harm has time."""

GOOD_WEIGHTS: Final = (0.2, 0.6, 0.2)
"""On a ratio between 1 and the one ruled out, on 1, and on a half: most on 1, which is what most candidates are."""


@lru_cache(maxsize=64)
def _bad_factors(share: float) -> mixture.Factors:
    return mixture.odds_factors(share, BAD_RATIOS)


@lru_cache(maxsize=64)
def _good_factors(share: float, ruled_out: float) -> mixture.Factors:
    null = share * ruled_out / (share * ruled_out + (1.0 - share))
    equal = 1.0 if ruled_out > 1.0 else ruled_out / 2.0
    ratios = ((equal + ruled_out) / 2.0, equal, equal / 2.0)
    return mixture.odds_factors(null, [ratio / ruled_out for ratio in ratios])


def begin_bad() -> list[float]:
    """Return the state of the evidence that the candidate is worse, before the first failed episode."""
    return onset.begin(len(BAD_RATIOS))


def see_bad(values: list[float], in_canary: bool, share: float) -> None:
    """Take one failed episode in: whose it was, and the canary's share when it was assigned (over 0, under 1).

    >>> values = begin_bad()
    >>> for _ in range(3):
    ...     see_bad(values, True, 0.01)
    >>> round(bad(values))
    79
    """
    happened, did_not = _bad_factors(share)
    onset.multiply(values, happened if in_canary else did_not)


def bad(values: list[float]) -> float:
    """Return the e-value of "the candidate fails more often than the incumbent"."""
    return onset.e_value(values, BAD_WEIGHTS)


def begin_good() -> list[float]:
    """Return the state of the evidence that the candidate is not that much worse, before the first failure."""
    return mixture.begin(GOOD_WEIGHTS)


def see_good(values: list[float], in_canary: bool, share: float, ruled_out: float) -> None:
    """Take one failed episode in, as for `see_bad`; `ruled_out` is the risk ratio of the null, over 0.

    At a share of one half, 100 failures of each arm against a ratio of 2:

    >>> values = begin_good()
    >>> for i in range(200):
    ...     see_good(values, i % 2 == 0, 0.5, 2.0)
    >>> round(good(values))
    78256
    """
    happened, did_not = _good_factors(share, ruled_out)
    mixture.multiply(values, happened if in_canary else did_not)


good = mixture.e_value
