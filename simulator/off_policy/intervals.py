"""Intervals by a bootstrap over episodes: how far a value may be off, whatever the decisions in one have in
common.

Episodes are drawn anew with replacement, and each draw's value is judged by its own standard error: the
bootstrap-t (Efron 1981; Hall 1988, "Theoretical comparison of bootstrap confidence intervals", Annals of
Statistics 16; the cluster form in Cameron, Gelbach and Miller 2008). Contributions of off-policy estimates
are as skewed as they come, and the plain percentiles of a bootstrap cover too seldom then:
`docs/why/off-policy.md` has the figures.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from msgspec import Struct

from simulator.off_policy.columns import Floats, Whole, added_up

LEVEL: Final = 0.95

_MOST_GROUPS: Final = 4096
"""More episodes than this are dealt at random into so many groups, which are drawn in their stead. A group's
sums vary as its episodes do, so the intervals are the same, and a million episodes take no longer than
these."""


class Interval(Struct, frozen=True, kw_only=True):
    """A value and between which two it lies with a confidence of 95 %."""

    value: float
    low: float
    high: float


Ratio = tuple[Floats, Floats]
"""What each episode adds above and below the line."""


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """The same draws for every estimate of one history, so that differences are between equals."""

    units: int
    seed: int
    bootstraps: int

    @cached_property
    def _group(self) -> Whole | None:
        if self.units <= _MOST_GROUPS:
            return None
        return np.random.default_rng([self.seed, 0]).permutation(self.units) % _MOST_GROUPS

    @cached_property
    def _draws(self) -> Floats:
        groups = min(self.units, _MOST_GROUPS)
        generator = np.random.default_rng([self.seed, 1])
        drawn = generator.integers(0, groups, size=(self.bootstraps, groups))
        # Each row of draws has a stretch of numbers of its own, so one count counts them all.
        drawn += np.arange(self.bootstraps)[:, None] * groups
        counts = np.bincount(drawn.ravel(), minlength=self.bootstraps * groups)
        return counts.reshape(self.bootstraps, groups).astype(np.float64)

    def interval(self, ratio: Ratio, less: Ratio | None = None) -> Interval:
        """Return the interval of Σ above / Σ below, or of how much more it is than another such ratio.

        An end is infinite where so many draws hold nothing to judge by that none can be named. Raises
        `ZeroDivisionError` where nothing is below a line.
        """
        parts = np.stack([self._grouped(part) for part in (*ratio, *(less or ()))], axis=1)
        sums = parts.sum(axis=0)
        if not sums[1::2].all():
            raise ZeroDivisionError("nothing below the line")
        value = _value(sums)
        error = float(np.sqrt(np.square(parts @ _slope(sums)).sum()))
        drawn = self._draws @ parts
        first, second = np.triu_indices(parts.shape[1])
        products = self._draws @ (parts[:, first] * parts[:, second])
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = _slope(drawn)
            # The square of a sum has every product of two different parts twice.
            twice = np.where(first == second, 1.0, 2.0)
            squares = (products * slopes[:, first] * slopes[:, second] * twice).sum(axis=1)
            off = _value(drawn) - value
            judged = off / np.sqrt(np.maximum(squares, 0.0))
        # A draw of episodes that are all alike, or weigh nothing, says only to which side it is off.
        lost = ~np.isfinite(judged)
        judged[lost] = np.where(np.nan_to_num(off[lost]) < 0, -np.inf, np.inf)
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(judged, [tail, 1 - tail], method="inverted_cdf")
        if not error:
            return Interval(value=float(value), low=float(value), high=float(value))
        return Interval(value=float(value), low=float(value - high * error), high=float(value - low * error))

    def _grouped(self, values: Floats) -> Floats:
        if self._group is None:
            return values
        return added_up(self._group, values, _MOST_GROUPS)


def _value(sums: Floats) -> Floats:
    """Return the first ratio, less the second where there is one. Sums lie along the last axis."""
    ratios = sums[..., 0::2] / sums[..., 1::2]
    found: Floats = ratios[..., 0] - ratios[..., 1:].sum(axis=-1)
    return found


def _slope(sums: Floats) -> Floats:
    """Return how `_value` changes with each sum: what makes of an episode's parts its share in the error."""
    below = sums[..., 1::2]
    sign = np.array([1.0, -1.0])[: below.shape[-1]]
    slope = np.empty_like(sums)
    slope[..., 0::2] = sign / below
    slope[..., 1::2] = -sign * sums[..., 0::2] / np.square(below)
    return slope
