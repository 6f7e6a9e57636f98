"""The sample ratio: evidence that episodes are not assigned at the share they should be.

The null is P(canary | past) = share, the share at each assignment. The alternatives lie on both sides, so
swapped arms, wrong labels, a leak from one arm into the other and a hash that is not uniform are all found,
and also when they begin late (see `onset`). At a share of one half, swapped arms have the right ratio: no
count can see that.
"""

from functools import lru_cache
from typing import Final

from engine.core.statistics import mixture, onset

ODDS: Final = (0.3, 0.8, 1.25, 2.5, 30.0)
"""How many times the share's odds. Of episodes shared out at 1 % these are 0.3, 0.8, 1.2, 2.5 and 23 %."""
WEIGHTS: Final = (0.2, 0.2, 0.2, 0.2, 0.2)


@lru_cache(maxsize=64)
def _factors(share: float) -> mixture.Factors:
    return mixture.odds_factors(share, ODDS)


def begin() -> list[float]:
    """Return the state before the first assignment."""
    return onset.begin(len(ODDS))


def see(values: list[float], in_canary: bool, share: float) -> None:
    """Take one assignment in: the arm it fell to, and the canary's share (over 0, under 1) at that time.

    Swapped arms at 1 %: the first three episodes fall to the canary.

    >>> values = begin()
    >>> for _ in range(3):
    ...     see(values, True, 0.01)
    >>> round(e_value(values))
    1269
    """
    happened, did_not = _factors(share)
    onset.multiply(values, happened if in_canary else did_not)


def e_value(values: list[float]) -> float:
    """Return the evidence against "episodes are assigned at their share": 1 is none."""
    return onset.e_value(values, WEIGHTS)
