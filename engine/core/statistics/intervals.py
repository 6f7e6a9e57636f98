"""Confidence sequences: intervals for people to look at, as often as they like.

Each is the set of all values that a mixture e-process has not refuted: with probability 1 - alpha it holds
the true value at every moment at once, however often one looks (Robbins 1970; Howard et al. 2021, arXiv
1810.08240). Nothing is decided by them. They use logarithms, so their last digits may differ between
machines, and they never enter state or facts.
"""

from collections.abc import Callable, Iterable
from functools import partial
from math import exp, inf, lgamma, log, log1p, pi
from typing import Final

from msgspec import Struct

_STEPS: Final = 60
"""Halvings of an interval: from 1 down to 1e-18."""
_FARTHEST: Final = log(1e6)
"""No risk ratio over a million, or under a millionth, is told from an endless one."""
_PRIOR: Final = [(step / 10.0, -log1p((step / 10.0) ** 2)) for step in range(-70, 71)]
"""The logarithm of a risk ratio, from 1/1100 to 1100, and that of its weight: Cauchy's curve, before
scaling. Any weights are valid; these stake most near 1 and leave something far out."""
_PRIOR_LOG_SUM: Final = log(sum(exp(weight) for _, weight in _PRIOR))


class Interval(Struct, frozen=True, array_like=True, gc=False):
    """`[low, estimate, high]`."""

    low: float
    estimate: float | None
    """The most likely value; `None` while nothing was seen."""
    high: float | None
    """`None` where there is no upper end yet."""


def rate(happened: int, of: int, alpha: float) -> Interval:
    """Return an interval for how often something happens, after it happened in so many of so many.

    The mixture is over all rates q, most on small and large ones, with density 1 / (π √(q (1 - q))):
    M(p) = B(x + 1/2, n - x + 1/2) / (B(1/2, 1/2) p^x (1 - p)^(n - x)).

    After 20 failures in a thousand episodes the rate is between 0.8 and 4.1 %, at 95 %.

    >>> found = rate(20, 1000, 0.05)
    >>> f"{found.low:.3f} {found.estimate:.3f} {found.high:.3f}"
    '0.008 0.020 0.041'
    """
    if of == 0:
        return Interval(0.0, None, 1.0)
    missed = of - happened
    floor = lgamma(happened + 0.5) + lgamma(missed + 0.5) - lgamma(of + 1) - log(pi) + log(alpha)

    def likely(chance: float) -> bool:
        return _times_log(happened, chance) + _times_log(missed, 1.0 - chance) > floor

    best = happened / of
    return Interval(_edge(likely, best, 0.0), best, _edge(likely, best, 1.0))


def ratio(failures: Iterable[tuple[float, int, int]], alpha: float) -> Interval:
    """Return an interval for the risk ratio, from `(share, canary's failures, control's failures)` a share.

    Five failures of the canary and 95 of control at 1 %: five-fold harm is likely, none is still possible.

    >>> found = ratio([(0.01, 5, 95)], 0.05)
    >>> f"{found.low:.2f} {found.estimate:.2f} {found.high:.2f}"
    '0.81 5.21 17.35'
    """
    seen = [(log(share / (1.0 - share)), ours, theirs) for share, ours, theirs in failures if ours or theirs]
    if not seen:
        return Interval(0.0, None, None)
    likelihood = partial(_log_likelihood, seen)
    parts = [weight + likelihood(at) for at, weight in _PRIOR]
    top = max(parts)
    floor = top + log(sum(exp(part - top) for part in parts)) - _PRIOR_LOG_SUM + log(alpha)

    def likely(at: float) -> bool:
        return likelihood(at) > floor

    best = _peak(seen)
    low, high = _edge(likely, best, -_FARTHEST), _edge(likely, best, _FARTHEST)
    return Interval(
        0.0 if low == -_FARTHEST else exp(low),
        0.0 if best == -_FARTHEST else None if best == _FARTHEST else exp(best),
        None if high == _FARTHEST else exp(high),
    )


def _times_log(count: int, chance: float) -> float:
    return 0.0 if count == 0 else -inf if chance <= 0.0 else count * log(chance)


def _log_likelihood(seen: list[tuple[float, int, int]], at: float) -> float:
    """Return the log-likelihood of a log risk ratio: each failure is a draw with log odds `odds + at`."""
    total = 0.0
    for odds, ours, theirs in seen:
        total -= ours * _log1p_exp(-(odds + at)) + theirs * _log1p_exp(odds + at)
    return total


def _peak(seen: list[tuple[float, int, int]]) -> float:
    """Find the most likely log risk ratio: there the canary failed as often as was to be expected."""
    low, high = -_FARTHEST, _FARTHEST
    ours = sum(mine for _, mine, _ in seen)
    if ours == 0:
        return low
    if all(theirs == 0 for _, _, theirs in seen):
        return high
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        expected = sum((mine + theirs) * exp(-_log1p_exp(-(odds + middle))) for odds, mine, theirs in seen)
        low, high = (middle, high) if expected < ours else (low, middle)
    return (low + high) / 2.0


def _log1p_exp(value: float) -> float:
    return value + log1p(exp(-value)) if value > 0.0 else log1p(exp(value))


def _edge(likely: Callable[[float], bool], best: float, end: float) -> float:
    """Find how far from the most likely value towards an end all is still likely."""
    if likely(end):
        return end
    inside, outside = best, end
    for _ in range(_STEPS):
        middle = (inside + outside) / 2.0
        inside, outside = (middle, outside) if likely(middle) else (inside, middle)
    return outside
