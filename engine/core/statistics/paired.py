"""Pairs: both versions judged on one and the same episode, in shadow or replay.

Where both failed, or neither, nothing is learnt about which is worse. In the others the null says that the
candidate is the one that failed at most half of the time (McNemar 1947, made anytime valid by `mixture`).
"""

from typing import Final, Literal

from engine.core.statistics import mixture

Direction = Literal["worse", "better"]

_ODDS: Final = (2.0, 5.0, 30.0)
WEIGHTS: Final = (0.35, 0.3, 0.35)
_HAPPENED, _DID_NOT = mixture.odds_factors(0.5, _ODDS)

e_value = mixture.e_value


def begin() -> list[float]:
    """Return the state before the first pair."""
    return mixture.begin(WEIGHTS)


def see(
    values: list[float],
    candidate_failed: bool,
    incumbent_failed: bool,
    direction: Direction = "worse",
) -> None:
    """Take one pair in, as evidence that the candidate is `worse` (or `better`) than the incumbent.

    >>> values = begin()
    >>> for _ in range(8):
    ...     see(values, candidate_failed=True, incumbent_failed=False)
    >>> round(e_value(values))
    100
    """
    if candidate_failed is incumbent_failed:
        return
    mixture.multiply(values, _HAPPENED if candidate_failed is (direction == "worse") else _DID_NOT)
