"""The mixture e-process that does not know when the harm begins.

A plain mixture that has watched a thousand good episodes has lost nearly all it staked, and must win it back
before it can speak of harm that begins now. This one keeps part of its stake back and spreads it over every
later beginning: with start weights π_k that add up to 1, and L the factor of one bet,

    M_t = Σ_k≤t π_k · Σ_j w_j · Π_i=k..t L_ij  +  Σ_k>t π_k

is a mixture of processes that each begin at 1 and bet from k on, so it is one supermartingale from 1, with one
threshold 1/alpha for harm from the start and for harm that begins late, and no planned end (Lorden 1971 for tests
begun anew at each moment; Shin, Ramdas and Rinaldo, "E-detectors", NEJSDS 2024, for mixtures over beginnings).

The start weights are 1/2 for the first bet, 1/6 shared by the next two, 1/12 by the next four,
1/((n+1)(n+2)) by the 2^n of block n: what is kept back after block n is 1/(n+2). A beginning k thus costs about
k · log2(k)² in evidence, which is close to what knowing k would cost at best.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from engine.core.statistics.mixture import CEILING

_RESERVE: Final = 0
_BLOCK: Final = 1
_LEFT: Final = 2
_STAKE: Final = 3
_FIRST: Final = 4
"""State is `[kept back, block, bets left in it, stake of each of its bets, one value an alternative ...]`."""


def begin(alternatives: int) -> list[float]:
    """Return the state before the first bet, for so many alternatives.

    >>> begin(2)
    [1.0, 0.0, 1.0, 0.5, 0.0, 0.0]
    """
    return [1.0, 0.0, 1.0, 0.5, *(0.0 for _ in range(alternatives))]


def multiply(values: list[float], factors: Iterable[float]) -> None:
    """Stake what begins with this bet, then multiply each alternative's value by its factor, in place.

    >>> values = begin(1)
    >>> multiply(values, (3.0,))
    ... values
    [0.5, 1.0, 2.0, 0.08333333333333333, 1.5]
    """
    stake = values[_STAKE]
    grown = [(value + stake) * factor for value, factor in zip(values[_FIRST:], factors, strict=True)]
    if max(grown) > CEILING:
        grown = [min(CEILING, value) for value in grown]
    values[_FIRST:] = grown
    values[_RESERVE] -= stake
    left = values[_LEFT] - 1.0
    if left > 0.0:
        values[_LEFT] = left
        return
    block = values[_BLOCK] + 1.0
    size = 1.0
    for _ in range(int(block)):
        size += size
    # Said anew at the end of each block, so that rounding cannot add up in what is kept back.
    values[:_FIRST] = [1.0 / (block + 1.0), block, size, 1.0 / (block + 1.0) / (block + 2.0) / size]


def e_value(values: Sequence[float], weights: Iterable[float]) -> float:
    """Return the evidence against the null so far: 1 is none, 20 refutes it at alpha = 5 %.

    A first bet that tripled its stake of 1/2, the other 1/2 kept back: 3/2 + 1/2 = 2.

    >>> values = begin(1)
    >>> multiply(values, (3.0,))
    ... e_value(values, (1.0,))
    2.0
    """
    total = values[_RESERVE]
    for value, weight in zip(values[_FIRST:], weights, strict=True):
        total += value * weight
    return total
