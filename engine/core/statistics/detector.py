"""The change detector: alarms soon after the share of bad points passed its limit, and seldom before.

The e-SR (Shiryaev-Roberts) detector in mixture form: at every point a new bet of 1 is begun, and all go on.

    R_t = Σ_j w_j R_tj,   R_tj = (1 + R_t-1,j) · L_tj,   R_0 = 0

with L_tj the factor of `mixture`. While P(bad | past) ≤ limit, R_t - t is a supermartingale, so the
probability of an alarm at level A within T points is at most T / A, and on average at least A points pass
before a false one (Shin, Ramdas and Rinaldo, "E-detectors", NEJSDS 2024, arXiv 2203.03532).
"""

from functools import lru_cache
from typing import Final

from engine.core.statistics import mixture

ODDS: Final = (2.0, 4.0, 12.0)
"""How many times the limit's odds: against 3 % these are 5.8, 11 and 27 %."""
WEIGHTS: Final = (0.4, 0.3, 0.3)


@lru_cache(maxsize=64)
def _factors(limit: float) -> mixture.Factors:
    return mixture.odds_factors(limit, ODDS)


def begin() -> list[float]:
    """Return the state before the first point.

    >>> begin()
    [0.0, 0.0, 0.0]
    """
    return [0.0 for _ in ODDS]


def see(values: list[float], bad: bool, limit: float) -> None:
    """Take one point in: whether it was bad, and the acceptable share of bad points (over 0, under 1)."""
    happened, did_not = _factors(limit)
    for at, factor in enumerate(happened if bad else did_not):
        values[at] = (values[at] + 1.0) * factor
    if max(values) > mixture.CEILING:
        mixture.cut(values)


def level(values: list[float]) -> float:
    """Return where the detector stands, to be held against `alarm_at`.

    After seven bad points in a row it is over the 200,000 of the example below; after six it is not.

    >>> values = begin()
    >>> for _ in range(6):
    ...     see(values, True, 0.03)
    >>> level(values) < alarm_at(0.05, 10_000)
    True
    >>> see(values, True, 0.03)
    >>> level(values) > alarm_at(0.05, 10_000)
    True
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
