"""Signals: the running summary of every measured series."""

from math import sqrt

from msgspec import Struct

from engine.core.vocabulary.facts import MetricObserved


class Signal(Struct, gc=False):
    """One series so far, folded by Welford's method (Technometrics 4(3), 1962), which does not lose digits.

    With values 2, 4 and 9 the mean is 5 and the deviation √13 ≈ 3.606.
    """

    count: int
    last: float
    last_us: int
    mean: float
    squares: float
    """Sum of squared distances from the mean."""

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation, in the unit of the series; `None` before the second point."""
        return sqrt(self.squares / (self.count - 1)) if self.count > 1 else None


class Signals(Struct):
    """All series seen."""

    by_series: dict[str, Signal] = {}


def fold_metric(signals: Signals, fact: MetricObserved) -> None:
    """Take one point in."""
    value = fact.value
    signal = signals.by_series.get(fact.series)
    if signal is None:
        signals.by_series[fact.series] = Signal(1, value, fact.at_us, value, 0.0)
        return
    count = signal.count = signal.count + 1
    distance = value - signal.mean
    mean = signal.mean = signal.mean + distance / count
    signal.squares += distance * (value - mean)
    signal.last, signal.last_us = value, fact.at_us
