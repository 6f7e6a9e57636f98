"""Agreement: evidence that a candidate does what the incumbent does in more than a given share of episodes.

The null is P(they agree | past) ≤ share. The alternatives have 2, 5 and 15 times the odds of the share:
against 95 % these are 97.4, 99.0 and 99.7 %. See `mixture` for the formula and its sources.
"""

from functools import lru_cache
from typing import Final

from engine.core.statistics import mixture

ODDS: Final = (2.0, 5.0, 15.0)
WEIGHTS: Final = (0.35, 0.45, 0.2)

e_value = mixture.e_value


@lru_cache(maxsize=64)
def _factors(share: float) -> mixture.Factors:
    return mixture.odds_factors(share, ODDS)


def begin() -> list[float]:
    """Return the state before the first comparison.

    >>> begin()
    [0.35, 0.45, 0.2]
    """
    return mixture.begin(WEIGHTS)


def see(values: list[float], agreed: bool, share: float) -> None:
    """Take one comparison in: whether both did the same, and the share (over 0, under 1) that has to be
    passed.

    77 agreements in a row pass 95 % at alpha = 5 %; 76 do not.

    >>> values = begin()
    >>> for _ in range(76):
    ...     see(values, True, 0.95)
    >>> round(e_value(values), 2)
    19.97
    >>> see(values, True, 0.95)
    >>> round(e_value(values), 2)
    20.82
    """
    happened, did_not = _factors(share)
    mixture.multiply(values, happened if agreed else did_not)
