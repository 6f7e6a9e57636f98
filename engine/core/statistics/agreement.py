"""Agreement: evidence that a candidate does what the incumbent does in more than a given share of episodes.

The null is P(they agree | past) ≤ share. The alternatives have 2.5, 5.5 and 20 times the odds of the share: at
95 % these are 97.9, 99.1 and 99.7 %. See `mixture` for the formula and its sources.
"""

from functools import lru_cache
from typing import Final

from engine.core.statistics import mixture

ODDS: Final = (2.5, 5.5, 20.0)
WEIGHTS: Final = (0.35, 0.45, 0.2)

e_value = mixture.e_value


@lru_cache(maxsize=64)
def _factors(share: float) -> mixture.Factors:
    return mixture.odds_factors(share, ODDS)


def begin() -> list[float]:
    """Return the state before the first comparison."""
    return mixture.begin(WEIGHTS)


def see(values: list[float], agreed: bool, share: float) -> None:
    """Take one comparison in: whether both did the same, and the share that has to be passed.

    A hundred agreements in a row against 95 % are worth an e-value of 62: more than the 20 that alpha = 5 % asks for.

    >>> values = begin()
    >>> for _ in range(100):
    ...     see(values, True, 0.95)
    >>> round(e_value(values))
    62
    """
    happened, did_not = _factors(share)
    mixture.multiply(values, happened if agreed else did_not)
