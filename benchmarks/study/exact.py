"""Is it the product's rule? Canaries judged in arrays are judged again by the core, event by event."""

from dataclasses import dataclass

import numpy as np

from benchmarks.study.product import LIMITS, RAMP, Limits
from benchmarks.study.ramps import ARRIVED, ROLLED_BACK, UNDECIDED, Climb, Ends, Log
from benchmarks.study.worlds import Weather
from engine.core.statistics import excess, mixture, risk_ratio


@dataclass(frozen=True)
class Agreement:
    """What the second judgement found."""

    canaries: int
    events: int
    """Looks at the evidence that were compared."""
    same_ends: int
    same_bits: int
    """Looks in which both e-values had the very same bits."""
    largest_gap: float
    """Of the detector's level, relative: it takes runs of good points in closed form."""

    @property
    def complete(self) -> bool:
        """Whether nothing differed."""
        same = self.same_ends == self.canaries and self.same_bits == self.events
        return same and self.largest_gap < 1e-9


def judged_again(
    events: list[tuple[int, bool, bool]], limits: Limits = LIMITS
) -> tuple[int, int, list[tuple[float, float, float]]]:
    """Take one canary through the core's functions; return its end, the event that ended it, every look."""
    bad, good, own = risk_ratio.begin_bad(), risk_ratio.begin_good(), excess.begin()
    stage, here = 0, 0
    looks = []
    for number, (well, failed, in_canary) in enumerate(events):
        share, ratio = RAMP[stage], limits.ratios[stage]
        for _ in range(well):
            excess.see(own, True, False, limits.failure_share, share)
            here += 1
            if excess.level(own) >= limits.failures:
                return ROLLED_BACK, number, looks
            if mixture.e_value(good) >= limits.good and here >= limits.episodes:
                raise AssertionError("a step up was passed over")
        if failed:
            risk_ratio.see_bad(bad, in_canary, share)
            risk_ratio.see_good(good, in_canary, share, ratio)
        excess.see(own, in_canary, failed, limits.failure_share, share)
        here += in_canary
        looks.append((risk_ratio.bad(bad), mixture.e_value(good), excess.level(own)))
        if looks[-1][0] >= limits.bad or looks[-1][2] >= limits.failures:
            return ROLLED_BACK, number, looks
        if looks[-1][1] >= limits.good and here >= limits.episodes:
            stage, here, good = stage + 1, 0, risk_ratio.begin_good()
            if stage == len(RAMP):
                return ARRIVED, number, looks
    return UNDECIDED, len(events) - 1, looks


def compare(log: Log, ends: Ends) -> Agreement:
    """Judge each canary of a log again, and compare end, moment and evidence."""
    same_ends = same_bits = seen = 0
    largest = 0.0
    for events, looks, end in zip(log.events, log.looks, ends.end, strict=True):
        again, last, theirs = judged_again(events)
        same_ends += again == end and last == len(events) - 1
        for mine, other in zip(looks, theirs, strict=True):
            same_bits += mine[:2] == other[:2]
            seen += 1
        # Between failures the arrays keep the level they had at the last one.
        for (_, failed, _), mine, other in zip(events, looks, theirs, strict=True):
            if failed:
                largest = max(largest, abs(mine[2] - other[2]) / other[2])
    return Agreement(len(log.events), seen, same_ends, same_bits, largest)


WEATHERS = (
    Weather("constant", 0.02, ratio=1.0),
    Weather("constant", 0.05, ratio=1.25),
    Weather("constant", 0.2, ratio=2.0),
    Weather("drift", 0.01, 0.05, 1.0, 30_000),
    Weather("late", 0.02, ratio=3.0, change_at=10_000),
    Weather("outages", 0.01, 0.15, 1.0),
)
"""One of them fails so often that the minimum of episodes and the detector have something to say too."""


def check(seed: np.random.SeedSequence, canaries: int, most_failures: int = 4_000) -> Agreement:
    """Judge so many canaries in every one of these worlds twice, up to so many failures of each."""
    found = []
    for weather, own in zip(WEATHERS, seed.spawn(len(WEATHERS)), strict=True):
        log = Log.of(canaries)
        rng = np.random.default_rng(own)
        ends = Climb(weather.world(), canaries, rng, most_failures=most_failures, log=log).run()
        found.append(compare(log, ends))
    return Agreement(
        sum(each.canaries for each in found),
        sum(each.events for each in found),
        sum(each.same_ends for each in found),
        sum(each.same_bits for each in found),
        max(each.largest_gap for each in found),
    )
