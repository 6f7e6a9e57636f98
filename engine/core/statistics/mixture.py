"""The mixture e-process: several bets at once against a claim about how often something happens.

For x in {0, 1}, the null P(x = 1 | past) ≤ m, alternatives q_j > m and weights w_j that add up to 1:

    M_t = Σ_j w_j · Π_i (q_j / m)^x_i · ((1 - q_j) / (1 - m))^(1 - x_i)

With p the true probability each factor has mean 1 + (p - m)(q - m) / (m (1 - m)), at most 1 under the null.
So M is a nonnegative supermartingale and P(M ever reaches 1/alpha) ≤ alpha (Ville 1939; Robbins 1970;
Howard, Ramdas, McAuliffe and Sekhon 2021, arXiv 1810.08240). With all q_j < m the same holds for the null
P(x = 1 | past) ≥ m. Null and alternatives may change from bet to bet, as long as they follow from the past.
"""

from collections.abc import Iterable, Sequence
from operator import mul
from typing import Final

CEILING: Final = 1e300
"""No value grows past this. It is far over every threshold, and one more bet cannot make it infinite.
Cutting a value down, like letting it underflow to zero, only loses evidence: it never makes any."""

Factors = tuple[tuple[float, ...], tuple[float, ...]]
"""What each alternative's value is multiplied by when it happened, and when it did not."""


def begin(weights: Iterable[float]) -> list[float]:
    """Return the state before the first bet: how much is staked on each alternative, 1 in all.

    >>> begin((0.5, 0.5))
    [0.5, 0.5]
    """
    return list(weights)


def bet(values: list[float], happened: bool, null: float, alternatives: Sequence[float]) -> None:
    """Settle one bet: what was observed, the null's probability of it, and each alternative's.

    All lie over 0 and under 1, the alternatives all on the same side of the null.

    Twice it happened, where at most half was claimed and three quarters were betted on: (0.75 / 0.5)² = 2.25.

    >>> values = begin((1.0,))
    >>> bet(values, True, 0.5, (0.75,))
    >>> bet(values, True, 0.5, (0.75,))
    >>> e_value(values)
    2.25
    """
    if happened:
        multiply(values, [chance / null for chance in alternatives])
    else:
        multiply(values, [(1 - chance) / (1 - null) for chance in alternatives])


def e_value(values: Iterable[float]) -> float:
    """Return the evidence against the null so far: 1 is none, 20 refutes it at alpha = 5 %.

    >>> e_value([0.5, 1.5])
    2.0
    """
    total = 0.0
    for value in values:
        total += value
    return total


def multiply(values: list[float], factors: Iterable[float]) -> None:
    """Multiply each value by its factor, in place. There are as many of the one as of the other."""
    values[:] = map(mul, values, factors)
    if max(values) > CEILING:
        cut(values)


def cut(values: list[float]) -> None:
    """Bring every value down to the ceiling, in place."""
    values[:] = [min(value, CEILING) for value in values]


def odds_factors(null: float, times: Iterable[float]) -> Factors:
    """Return the factors of alternatives whose odds are so many times the null's.

    With odds k times those of m, q = k m / (k m + 1 - m), so q / m = k / (k m + 1 - m) and
    (1 - q) / (1 - m) = 1 / (k m + 1 - m): no small difference of two large numbers, even for tiny m.

    One in five claimed, six times its odds betted on, which is three in five:

    >>> odds_factors(0.2, (6.0,))
    ((3.0,), (0.5,))
    """
    scales = [(ratio, ratio * null + (1 - null)) for ratio in times]
    return tuple(ratio / scale for ratio, scale in scales), tuple(1 / scale for _, scale in scales)
