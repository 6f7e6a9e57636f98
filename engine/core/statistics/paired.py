"""Pairs: both versions judged on one and the same episode, in shadow or replay.

Where both failed, or neither, nothing is learnt about which is worse. Of the others, the discordant pairs,
the null says that the candidate is the one that failed in at most half (McNemar 1947, here made anytime
valid by `mixture`). Pairs that fail together cost nothing, which is why this needs so few where hard
episodes are hard for both, and no fewer than two separate samples where the two fail independently.
"""

from math import exp, log
from typing import Final, Literal

from engine.core.statistics import mixture

Direction = Literal["worse", "better"]

ODDS: Final = (2.0, 10.0)
"""How many times as often the candidate is the one that failed: 2 in 3, and 10 in 11 discordant pairs."""
WEIGHTS: Final = (0.5, 0.5)
_HAPPENED, _DID_NOT = mixture.odds_factors(0.5, ODDS)

_LARGEST: Final = log(mixture.CEILING)

e_value = mixture.e_value


def begin() -> list[float]:
    """Return the state before the first pair.

    >>> begin()
    [0.5, 0.5]
    """
    return mixture.begin(WEIGHTS)


def see(
    values: list[float],
    candidate_failed: bool,
    incumbent_failed: bool,
    direction: Direction = "worse",
) -> None:
    """Take one pair in, as evidence that the candidate is `worse` (or `better`) than the incumbent.

    Six episodes in which only the candidate failed are enough at alpha = 5 %:

    >>> values = begin()
    >>> for _ in range(6):
    ...     see(values, True, False)
    >>> round(e_value(values), 1)
    20.9
    """
    if candidate_failed is incumbent_failed:
        return
    mixture.multiply(values, _HAPPENED if candidate_failed is (direction == "worse") else _DID_NOT)


def counted(candidate_alone: int, incumbent_alone: int, direction: Direction = "worse") -> float:
    """Return the e-value after so many pairs in which only the candidate, and only the incumbent, failed.

    The order in which they came makes no difference. Only for people to look at: it uses logarithms, so its
    last digits may differ between machines.

    >>> round(counted(6, 0), 1), round(counted(6, 0, "better"), 3)
    (20.9, 0.044)
    """
    happened, did_not = candidate_alone, incumbent_alone
    if direction == "better":
        happened, did_not = did_not, happened
    total = 0.0
    for weight, up, down in zip(WEIGHTS, _HAPPENED, _DID_NOT, strict=True):
        total += weight * exp(min(_LARGEST, happened * log(up) + did_not * log(down)))
    return min(total, mixture.CEILING)
