"""Outlook: how much more has to be seen until the evidence is there, if things go on as they did.

This is no test. It plays the observed rate forward, evenly spread, through the real process, and counts. It
needs no logarithm, so the answer may stand in a fact.
"""

from collections.abc import Callable
from typing import Final

from engine.core.statistics import agreement, mixture, risk_ratio

MOST: Final = 10_000
"""Further ahead than this nobody can say anything; to look takes a few milliseconds."""


def failures_to_go(
    values: list[float], *, share: float, ruled_out: float, canary_part: float, needed: float
) -> int | None:
    """Count the failed episodes, of both arms, until `risk_ratio.good` may reach `needed`.

    `canary_part` is the canary's part of all failures so far, 0 to 1. `values` is left as it is. `None`
    when it is not to be expected within `MOST`: then the candidate rather is as bad as what is to be ruled
    out.

    >>> failures_to_go(risk_ratio.begin_good(), share=0.5, ruled_out=2.0, canary_part=0.5, needed=20.0)
    56
    >>> failures_to_go(
    ...     risk_ratio.begin_good(), share=0.5, ruled_out=2.0, canary_part=0.7, needed=20.0
    ... ) is None
    True
    """

    def see(ahead: list[float], in_canary: bool) -> None:
        risk_ratio.see_good(ahead, in_canary, share, ruled_out)

    return _count(values, canary_part, needed, see)


def comparisons_to_go(values: list[float], *, share: float, rate: float, needed: float) -> int | None:
    """Count the comparisons until `agreement.e_value` may reach `needed`, as for `failures_to_go`.

    `share` is what has to be passed, `rate` the share of agreements so far.

    >>> comparisons_to_go(agreement.begin(), share=0.95, rate=1.0, needed=20.0)
    77
    """

    def see(ahead: list[float], agreed: bool) -> None:
        agreement.see(ahead, agreed, share)

    return _count(values, rate, needed, see)


def _count(
    values: list[float], rate: float, needed: float, see: Callable[[list[float], bool], None]
) -> int | None:
    ahead, owed = list(values), 0.5
    for count in range(MOST + 1):
        if mixture.e_value(ahead) >= needed:
            return count
        owed += rate
        happens = owed >= 1.0
        if happens:
            owed -= 1.0
        see(ahead, happens)
    return None
