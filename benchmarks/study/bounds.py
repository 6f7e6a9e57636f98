"""The exact upper bound of a share, from a count: Clopper and Pearson (Biometrika 1934), one-sided."""

import math

CONFIDENCE = 0.999


def upper(hits: int, of: int, confidence: float = CONFIDENCE) -> float:
    """Return the largest share under which so few hits are not yet less probable than 1 - confidence.

    Never seen in 1,000 runs is under 0.69 % with a confidence of 99.9 %:

    >>> round(upper(0, 1000), 5)
    0.00688
    >>> round(upper(380, 20_000), 4)
    0.0222
    """
    if hits >= of:
        return 1.0
    low, high = hits / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if at_most(hits, of, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def at_most(hits: int, of: int, share: float) -> float:
    """Return the probability of so many hits or fewer, for a share over hits / of: terms fall from there.

    >>> round(at_most(1, 3, 0.5), 12)
    0.5
    """
    log_term = (
        math.lgamma(of + 1)
        - math.lgamma(hits + 1)
        - math.lgamma(of - hits + 1)
        + hits * math.log(share)
        + (of - hits) * math.log1p(-share)
    )
    term = total = math.exp(log_term)
    odds = (1 - share) / share
    for count in range(hits, 0, -1):
        term *= count / (of - count + 1) * odds
        total += term
        if term < total * 1e-17:
            break
    return total
