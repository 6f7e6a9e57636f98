"""The excess detector: alarms soon after a canary fails both more often than a limit and more than control.

An absolute limit on a canary's failures is blind: where an outage strikes both arms alike, it takes authority
from whoever happens to be on trial. So the claim that has to be refuted is

    P(an episode fails in the canary) ≤ max(limit, P(the same episode fails in control))

for every episode, whatever the weather at that moment. Each drawn episode is one bet, of c > 1 on a failure
of the canary's. With m the limit, s the canary's share, p and q the chances that this episode fails in the
canary's hands and in control's, two factors are fair, each against one half of the claim:

    f1 = c if the canary failed, (1 - m c) / (1 - m) if it did not, 1 in control:
         mean 1 + s (c - 1) (p - m) / (1 - m), at most 1 while p ≤ m
    f2 = c if the canary failed, (1 - s c) / (1 - s) if control failed, else 1:
         mean 1 + s (c - 1) (p - q), at most 1 while p ≤ q

The smaller of two e-values is one against both claims (its mean is at most either's), so

    f = min(f1, f2) = c, (1 - m c) / (1 - m), (1 - s c) / (1 - s) or 1

for a canary's failure, a canary's success, a control's failure and a control's success has a mean of at most
1 whichever half holds at that moment. The bets are joined as in `detector`, a new one of 1 begun after each
episode of the canary's (Shin, Ramdas and Rinaldo, "E-detectors", NEJSDS 2024, arXiv 2203.03532):

    R ← R f + 1 after the canary's episodes, R ← R f after control's, from R = 1

and R - 1 - (episodes of the canary's) is a supermartingale: an alarm at level A within T of them has a
probability of (T + 1) / A at most. The draw of the arm is what f2 lives on (as `risk_ratio` does), and no
episode has to be matched with another. Where control is silent f is f1, which is `detector`.
"""

from functools import lru_cache
from typing import Final

from msgspec import Struct

from engine.core.statistics import mixture
from engine.core.statistics.detector import ODDS, WEIGHTS

MOST: Final = 0.99
"""No limit lies higher: under 1 there is always something to bet on."""


class Factors(Struct, frozen=True, gc=False):
    """What each alternative's value is multiplied by."""

    canary_failed: tuple[float, ...]
    canary_well: tuple[float, ...]
    control_failed: tuple[float, ...]


@lru_cache(maxsize=256)
def factors(limit: float, share: float) -> Factors:
    """Return the factors at one limit and share; at a share of 1 there is no control, and f is f1.

    The stakes c are those of `detector` at the limit or at the share, whichever is more, as c must lie under
    1 / m and under 1 / s. One in five may fail, half of the episodes are the canary's:

    >>> [round(each, 2) for each in factors(0.2, 0.5).canary_failed]
    [1.33, 1.6, 1.85]
    >>> [round(each, 2) for each in factors(0.2, 0.5).canary_well]
    [0.92, 0.85, 0.79]
    >>> [round(each, 2) for each in factors(0.2, 0.5).control_failed]
    [0.67, 0.4, 0.15]
    """
    alone = share >= 1.0
    at = limit if alone or limit > share else share
    stakes, _ = mixture.odds_factors(at, ODDS)
    return Factors(
        stakes,
        tuple((1.0 - limit * each) / (1.0 - limit) for each in stakes),
        tuple(1.0 if alone else (1.0 - share * each) / (1.0 - share) for each in stakes),
    )


def begin() -> list[float]:
    """Return the state before the first episode.

    >>> begin()
    [1.0, 1.0, 1.0]
    """
    return [1.0 for _ in ODDS]


def see(values: list[float], in_canary: bool, failed: bool, limit: float, share: float) -> None:
    """Take one judged episode in: whose it was, and whether it failed.

    `limit` lies over 0 and at most at `MOST`; `share` is the canary's (over 0) when it was assigned, 1 where
    nobody else handles any.

    Half of the episodes are the canary's, and one in five may fail. Where control's go well, 21 failures in a
    row of the canary's pass the 200,000 of `detector.alarm_at(0.05, 10_000)`, and 20 do not; where control
    fails beside it each time, a thousand do not.

    >>> def after(episodes: int, control_fails: bool) -> float:
    ...     values = begin()
    ...     for _ in range(episodes):
    ...         see(values, True, True, 0.2, 0.5)
    ...         see(values, False, control_fails, 0.2, 0.5)
    ...     return level(values)
    >>> [after(20, False) < 200_000, after(21, False) > 200_000]
    [True, True]
    >>> round(after(1000, True), 1)
    2.8
    """
    if not in_canary and not failed:
        return
    found = factors(limit, share)
    if not in_canary:
        mixture.multiply(values, found.control_failed)
        return
    for at, factor in enumerate(found.canary_failed if failed else found.canary_well):
        values[at] = values[at] * factor + 1.0
    if max(values) > mixture.CEILING:
        mixture.cut(values)


def level(values: list[float]) -> float:
    """Return where it stands, to be held against `detector.alarm_at`."""
    total = 0.0
    for value, weight in zip(values, WEIGHTS, strict=True):
        total += value * weight
    return total
