"""Worlds: when episodes fail. Each is asked for the next failure, so that nobody counts the good ones.

An episode fails with probability p in the incumbent's hands and R · p in the canary's; p may drift, jump and
come back. At share s the next failed episode is the first whose hazard is used up, and it is the canary's
with probability s R / (s R + 1 - s). What the canary did well on the way is drawn from the episodes in
between. A canary whose next step waits for a number of episodes is stopped at each of its own, failed or not.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.study.product import RAMP, Array

Dice = np.random.Generator


class Next(NamedTuple):
    """What comes next, for each canary."""

    gap: Array
    """Episodes of both arms, up to and with this one."""
    failed: Array
    in_canary: Array
    """Whose it is."""
    well: Array
    """Episodes before it that were the canary's and went well."""


class Windows(NamedTuple):
    """What was counted in one window of decisions, for each canary."""

    canary: Array
    canary_failures: Array
    control: Array
    control_failures: Array


class Path:
    """p and R follow a path, an entry an episode, and keep the last value from its end on."""

    def __init__(self, base: Array, ratio: Array, shares: tuple[float, ...] = RAMP) -> None:
        self.base, self.ratio, self.stages = base, ratio, len(shares)
        share = np.array(shares)[:, None]
        canary_fails, control_fails = share * ratio * base, (1 - share) * base
        fails = canary_fails + control_fails
        # First what stops at a failure alone, by stage; then what stops at the canary's episodes too.
        stops = np.concatenate([fails, share + control_fails])
        hazard = -np.log1p(-stops)
        self._used = np.concatenate([np.zeros((len(stops), 1)), np.cumsum(hazard[:, :-1], axis=1)], axis=1)
        self._last = hazard[:, -1]
        self._canary_failed = np.concatenate([canary_fails, canary_fails]) / stops
        self._failed = np.concatenate([fails, fails]) / stops
        # Of the episodes at which nothing stops, the canary's share.
        self._well = np.concatenate([(share - canary_fails) / (1 - fails), np.zeros_like(fails)])

    def begin(self, rng: Dice, count: int) -> None:
        """Forget the canaries before; nothing here differs from one to the other."""

    def keep(self, mask: Array) -> None:
        """Drop the canaries that are done."""

    def next(self, rng: Dice, at: Array, row: Array) -> Next:
        """Return what comes next after `at` episodes. `row` is the stage, plus stages for who waits.

        Exact where the arms do not differ, and where p stands still; in a path that moves with R other than
        1, the number of the canary's good episodes is drawn at the path's value at the end of the gap.
        """
        need = rng.standard_exponential(len(at))
        end = self.base.size - 1
        gap = self._walk(need, at, row) if end else np.ceil(need / self._last[row]).astype(np.int64)
        gap = np.maximum(1, gap)
        where = np.minimum(at + gap - 1, end)
        drawn = rng.random(len(at))
        canary_failed = drawn < self._canary_failed[row, where]
        failed = drawn < self._failed[row, where]
        return Next(gap, failed, canary_failed | ~failed, rng.binomial(gap - 1, self._well[row, where]))

    def quiet(self, rng: Dice, row: Array, episodes: Array) -> Array:
        """Draw how many of so many episodes, at which nothing stopped, were the canary's."""
        return rng.binomial(episodes, self._well[row, -1])

    def _walk(self, need: Array, at: Array, row: Array) -> Array:
        end = self.base.size - 1
        begun = np.minimum(at, end)
        target = self._used[row, begun] + (at - begun) * self._last[row] + need
        found = np.empty(len(at), dtype=np.int64)
        for number, used in enumerate(self._used):
            rows = row == number
            found[rows] = np.searchsorted(used, target[rows], side="left")
        beyond = found > end
        rest = target[beyond] - self._used[row[beyond], end]
        found[beyond] = end + np.ceil(rest / self._last[row[beyond]]).astype(np.int64)
        return found - at

    def window(self, rng: Dice, begin: int, decisions: int, share: Array, control: Array) -> Windows:
        """Count one window of decisions, each an episode of its own."""
        where = min(begin + decisions // 2, self.base.size - 1)
        return counted(
            rng, np.full(len(share), decisions), share, control, self.base[where], self.ratio[where]
        )


def counted(rng: Dice, episodes: Array, share: Array, control: Array, base: float, ratio: float) -> Windows:
    """Draw how many of so many episodes fell to each arm, and how many of these failed."""
    in_canary = rng.binomial(episodes, share)
    in_control = rng.binomial(episodes - in_canary, np.minimum(1, control / (1 - share)))
    return Windows(
        in_canary, rng.binomial(in_canary, base * ratio), in_control, rng.binomial(in_control, base)
    )


class Outages:
    """Failures come in clusters: outages strike both arms alike, and an episode holds many decisions.

    Every episode has one outcome, and all its decisions share it: who counts decisions counts one failure
    five times on average, a geometric number of times.
    """

    def __init__(
        self,
        *,
        ratio: float,
        calm: float = 0.01,
        outage: float = 0.15,
        calm_episodes: float = 4000.0,
        outage_episodes: float = 200.0,
        decisions_an_episode: float = 5.0,
        shares: tuple[float, ...] = RAMP,
    ) -> None:
        self.ratio, self.stages, self.size = ratio, len(shares), decisions_an_episode
        self._bases = (calm, outage)
        self._means = np.array([calm_episodes, outage_episodes])
        self._weathers = [Path(np.array([base]), np.array([ratio]), shares) for base in self._bases]
        self._outage = self._left = np.empty(0, dtype=np.int64)

    def begin(self, rng: Dice, count: int) -> None:
        """Give each canary its own outages."""
        self._outage = (rng.random(count) < self._means[1] / self._means.sum()).astype(np.int64)
        self._left = self._durations(rng, self._outage)

    def keep(self, mask: Array) -> None:
        """Drop the canaries that are done."""
        self._outage, self._left = self._outage[mask], self._left[mask]

    def _durations(self, rng: Dice, outage: Array) -> Array:
        drawn = rng.standard_exponential(len(outage)) * self._means[outage]
        return np.maximum(1, np.ceil(drawn).astype(np.int64))

    def next(self, rng: Dice, at: Array, row: Array) -> Next:
        """Return what `Path.next` does, over as many changes of weather as it takes."""
        count = len(at)
        found = Next(
            np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool), np.zeros(count, dtype=bool),
            np.zeros(count, dtype=np.int64),
        )  # fmt: skip
        everyone = np.arange(count)
        while everyone.size:
            going = []
            for weather, path in enumerate(self._weathers):
                rows = everyone[self._outage[everyone] == weather]
                if not rows.size:
                    continue
                drawn = path.next(rng, np.zeros(rows.size, dtype=np.int64), row[rows])
                comes = drawn.gap <= self._left[rows]
                now, later = rows[comes], rows[~comes]
                found.gap[now] += drawn.gap[comes]
                found.failed[now], found.in_canary[now] = drawn.failed[comes], drawn.in_canary[comes]
                found.well[now] += drawn.well[comes]
                self._left[now] -= drawn.gap[comes]
                # Nothing stops before the weather changes; after that all begins anew, as it has no memory.
                found.gap[later] += self._left[later]
                found.well[later] += path.quiet(rng, row[later], self._left[later])
                going.append(later)
            everyone = np.concatenate(going)
            self._turn(rng, everyone)
        return found

    def _turn(self, rng: Dice, rows: Array) -> None:
        self._outage[rows] = 1 - self._outage[rows]
        self._left[rows] = self._durations(rng, self._outage[rows])

    def window(self, rng: Dice, begin: int, decisions: int, share: Array, control: Array) -> Windows:
        """Count one window of decisions; in an episode that failed, every decision is a failure."""
        rest = np.full(len(share), int(decisions / self.size))
        in_outage = np.zeros(len(share), dtype=np.int64)
        episodes = rest.copy()
        while rest.any():
            taken = np.minimum(rest, self._left)
            in_outage += taken * self._outage
            rest -= taken
            self._left -= taken
            self._turn(rng, np.flatnonzero(self._left == 0))
        calm = counted(rng, episodes - in_outage, share, control, self._bases[0], self.ratio)
        outage = counted(rng, in_outage, share, control, self._bases[1], self.ratio)
        both = Windows(*(one + other for one, other in zip(calm, outage, strict=True)))
        canary_failed = self._decisions(rng, both.canary_failures)
        control_failed = self._decisions(rng, both.control_failures)
        return Windows(
            canary_failed + self._decisions(rng, both.canary - both.canary_failures),
            canary_failed,
            control_failed + self._decisions(rng, both.control - both.control_failures),
            control_failed,
        )

    def _decisions(self, rng: Dice, episodes: Array) -> Array:
        """Draw how many decisions so many episodes hold: each one, and a geometric number more."""
        more = np.zeros(len(episodes), dtype=np.int64)
        some = episodes > 0
        more[some] = rng.negative_binomial(episodes[some], 1 / self.size)
        return episodes + more


World = Path | Outages


@dataclass(frozen=True)
class Weather:
    """A world by its name and figures, to be sent to another process and written down."""

    kind: str
    base: float = 0.02
    last: float = 0.0
    """For `drift`: the failure rate in the end; for `outages`: in an outage."""
    ratio: float = 1.0
    change_at: int = 0
    """For `drift`: after how many episodes it ends; for `late`: after how many the harm begins."""

    def world(self, shares: tuple[float, ...] = RAMP) -> World:
        """Make it."""
        one = np.ones(1)
        if self.kind == "constant":
            return Path(self.base * one, self.ratio * one, shares)
        if self.kind == "drift":
            path = np.linspace(self.base, self.last, self.change_at)
            return Path(path, np.full(path.size, self.ratio), shares)
        if self.kind == "late":
            ratios = np.ones(self.change_at + 1)
            ratios[-1] = self.ratio
            return Path(np.full(ratios.size, self.base), ratios, shares)
        return Outages(ratio=self.ratio, calm=self.base, outage=self.last, shares=shares)

    @property
    def decisions_an_episode(self) -> float:
        """How many decisions an episode holds on average."""
        return 5.0 if self.kind == "outages" else 1.0
