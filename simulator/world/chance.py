"""Chance: one seed, and for everything that is drawn a stream of its own.

What one part of the world draws does not shift what another gets: change how often is deployed, and the same
incidents still end as they did. Only comparisons and the four basic operations are used on numbers that reach
facts: a logarithm may differ in its last bit from one machine to the next.
"""

from collections.abc import Sequence
from random import Random

from engine.core.vocabulary.units import DAY_US, HOUR_US

_LATEST = 6.0
"""Waits are cut at six times their mean: of 400 exponential ones, one is longer."""


def stream(seed: int, *names: str) -> Random:
    """Open the stream of this name.

    The name is hashed with SHA-512 by `random` itself, so that neither the hash seed nor the Python version
    matters.

    >>> stream(7, "deploys", "search").random()
    0.17001065830334272
    """
    return Random("/".join((str(seed), *names)))


def exponential(chance: Random) -> float:
    """Draw an exponential number with mean 1 by comparing uniform ones, without a logarithm.

    A run u₁ > u₂ > … that begins at x is of odd length with probability exp(−x): then x is taken, and each
    run of even length before it adds 1 (von Neumann, "Various techniques used in connection with random
    digits", 1951).

    >>> round(exponential(stream(7, "doctest")), 6)
    0.234154
    """
    draw = chance.random
    whole = 0
    while True:
        first = last = draw()
        odd = True
        while (following := draw()) < last:
            last, odd = following, not odd
        if odd:
            return whole + first
        whole += 1


def waited(mean_us: int, drawn: float) -> int:
    """Stretch an exponential number to a wait with this mean, and cut it at six times that.

    >>> waited(60_000_000, 0.5), waited(60_000_000, 100.0)
    (30000000, 360000000)
    """
    return int(mean_us * min(drawn, _LATEST))


def level(hours: Sequence[float], at_us: int) -> float:
    """Read a curve over the day at one moment: 24 values at the full hours (UTC), straight lines between.

    >>> level([0.0, 1.0, *[0.0] * 22], 1_800_000_000)
    0.5
    """
    hour, passed_us = divmod(at_us % DAY_US, HOUR_US)
    here, there = hours[hour], hours[(hour + 1) % 24]
    return here + (there - here) * (passed_us / HOUR_US)


def weekend(at_us: int) -> bool:
    """Whether a moment lies on a Saturday or Sunday (UTC). 1 January 1970 was a Thursday.

    >>> weekend(0), weekend(2 * DAY_US)
    (False, True)
    """
    return (at_us // DAY_US + 3) % 7 >= 5
