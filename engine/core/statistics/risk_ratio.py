"""The risk ratio: how many times as often episodes fail in the candidate's hands as in the incumbent's.

Only failed episodes are bets. An episode's arm was drawn with probability s for the canary, s being the
share at its own assignment. Given that it failed, the chance that it was a canary's is

    P(canary | failed, past) = s R / (s R + 1 - s)

for risk ratio R, whatever the common failure rate is and however it drifts (Lindon and Malek, NeurIPS 2022,
arXiv 2011.03567; two proportions in general: Turner, Ly and Grünwald, arXiv 2106.02693). As s is part of
each bet, evidence is carried along a ramp of shares. In odds the claim is plain: risk ratio r stands for r
times the odds of the share, so an alternative R has R / r times the null's odds.

Two claims are tested. Against `bad` stands the null R ≤ 1: evidence takes authority away, and it does not
matter when the harm began (see `onset`). Against `good` stands the null R ≥ the ratio to be ruled out:
evidence is what the next step asks for.

What it takes for granted: the arm was drawn, one outcome counts for each unit that was drawn, and whether and
when an outcome is counted does not depend on the arm. Hence one judgement an episode, at a fixed horizon.
"""

from functools import lru_cache
from typing import Final

from engine.core.statistics import mixture, onset

BAD_RATIOS: Final = (1.5, 2.0, 3.0, 5.0, 10.0)
BAD_WEIGHTS: Final = (0.1, 0.15, 0.15, 0.45, 0.15)
"""Weighed towards great harm: there every failure counts, while a small harm leaves time to see it."""

GOOD_WEIGHTS: Final = (0.1, 0.75, 0.15)
"""On a ratio halfway between 1 and the one ruled out, on 1, and on 0.6. Most candidates are about as good as
what they replace, so most is staked on exactly that."""


@lru_cache(maxsize=64)
def _bad_factors(share: float) -> mixture.Factors:
    return mixture.odds_factors(share, BAD_RATIOS)


@lru_cache(maxsize=64)
def _good_factors(share: float, ruled_out: float) -> mixture.Factors:
    null = share * ruled_out / (share * ruled_out + (1.0 - share))
    # Whoever rules out less than 1 asks for a better candidate, and the bets must lie on that side.
    equal = 1.0 if ruled_out > 1.0 else ruled_out / 2.0
    ratios = ((equal + ruled_out) / 2.0, equal, 0.6 * equal)
    return mixture.odds_factors(null, [ratio / ruled_out for ratio in ratios])


def begin_bad() -> list[float]:
    """Return the state of the evidence that the candidate is worse, before the first failed episode."""
    return onset.begin(len(BAD_RATIOS))


def see_bad(values: list[float], in_canary: bool, share: float) -> None:
    """Take one failed episode in: whose it was, and the canary's share (over 0, under 1) at its assignment.

    Three failures in a row out of a share of 1 %:

    >>> values = begin_bad()
    >>> for _ in range(3):
    ...     see_bad(values, True, 0.01)
    >>> round(bad(values))
    88
    """
    happened, did_not = _bad_factors(share)
    onset.multiply(values, happened if in_canary else did_not)


def bad(values: list[float]) -> float:
    """Return the e-value against "the candidate fails at most as often as the incumbent"."""
    return onset.e_value(values, BAD_WEIGHTS)


def begin_good() -> list[float]:
    """Return the state of the evidence that the candidate is not much worse, before the first failure."""
    return mixture.begin(GOOD_WEIGHTS)


def see_good(values: list[float], in_canary: bool, share: float, ruled_out: float) -> None:
    """Take one failed episode in, as for `see_bad`; `ruled_out` is the risk ratio of the null, over 0.

    At a share of one half, 30 failures of each arm rule out a ratio of 2:

    >>> values = begin_good()
    >>> for failure in range(60):
    ...     see_good(values, failure % 2 == 0, 0.5, 2.0)
    >>> round(good(values))
    27
    """
    happened, did_not = _good_factors(share, ruled_out)
    mixture.multiply(values, happened if in_canary else did_not)


def good(values: list[float]) -> float:
    """Return the e-value against "the candidate fails at least so many times as often as the incumbent"."""
    return mixture.e_value(values)
