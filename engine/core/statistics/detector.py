"""The change detector: raises its alarm soon after a share of bad points has passed its limit, and seldom before.

The e-SR (Shiryaev-Roberts) detector in mixture form: at every point a new bet of 1 is begun, and all go on:

    R_t = Σ_j w_j R_tj,   R_tj = (1 + R_t-1,j) · L_tj,   R_0 = 0

with L_tj the mixture's factor (see `mixture`). While P(bad | past) ≤ limit, R_t - t is a supermartingale, so
P(an alarm at A within T points) ≤ T / A, and points go by on average before a false one: at least A (Shin, Ramdas
and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", NEJSDS 2024,
arXiv 2203.03532).
"""

from functools import lru_cache
from typing import Final

from engine.core.statistics.mixture import CEILING, Factors, odds_factors

ODDS: Final = (2.0, 4.0, 16.0)
"""How many times the limit's odds: at a limit of 3 % these are 5.8, 11 and 33 %."""
WEIGHTS: Final = (0.3, 0.3, 0.4)


@lru_cache(maxsize=64)
def _factors(limit: float) -> Factors:
    return odds_factors(limit, ODDS)


def begin() -> list[float]:
    """Return the state before the first point.

    >>> begin()
    [0.0, 0.0, 0.0]
    """
    return [0.0 for _ in ODDS]


def see(values: list[float], bad: bool, limit: float) -> None:
    """Take one point in: whether it was bad, and the share of bad points that is still acceptable."""
    happened, did_not = _factors(limit)
    grown = [
        (value + 1.0) * factor for value, factor in zip(values, happened if bad else did_not, strict=True)
    ]
    if max(grown) > CEILING:
        grown = [min(CEILING, value) for value in grown]
    values[:] = grown


def level(values: list[float]) -> float:
    """Return where the detector stands: to be compared with `alarm_at`.

    Five bad points in a row against a limit of 3 % stand at about 149,000.

    >>> values = begin()
    >>> for _ in range(5):
    ...     see(values, True, 0.03)
    >>> round(level(values), -3)
    149000.0
    """
    total = 0.0
    for value, weight in zip(values, WEIGHTS, strict=True):
        total += value * weight
    return total


def alarm_at(alpha: float, span: float) -> float:
    """Return the level whose false alarm within `span` points has probability `alpha` at most.

    >>> alarm_at(0.05, 10_000)
    200000.0
    """
    return span / alpha
