"""Our rule on its way from 1 % to 100 %, over many canaries at once: for each the next failed episode.

The steps are those of engine/core/work/rollout: after each judged episode harm is looked at first, then the
number of episodes, then the evidence of no harm. Every step up is taken as soon as its evidence is there
(`automatic`), which is the hardest way for a rule that bounds its errors.
"""

from dataclasses import dataclass, field

import numpy as np

from benchmarks.study.product import LIMITS, RAMP, Array, Bad, Excess, Good, Limits
from benchmarks.study.worlds import Dice, Next, World

UNDECIDED, ROLLED_BACK, ARRIVED = 0, 1, 2


@dataclass
class Log:
    """What happened to each canary and where its evidence stood, for the core to do it again."""

    events: list[list[tuple[int, bool, bool]]]
    """`(good episodes of the canary before it, failed, in the canary)`"""
    looks: list[list[tuple[float, float, float]]]
    """Evidence of harm and of no harm, and the level of the detector, after each event."""
    at: list[list[int]]
    """After how many episodes of both arms."""

    @classmethod
    def of(cls, count: int) -> "Log":
        """Return an empty one."""
        return cls(*([[] for _ in range(count)] for _ in range(3)))


@dataclass(frozen=True)
class Ends:
    """How each canary ended."""

    end: Array
    episodes: Array
    """Of both arms, up to the end."""
    canary: Array
    canary_failures: Array
    stage: Array
    """The canary stage it ended in, from 0."""
    by_limit: Array
    """Whether the detector at the limit ended it, rather than the evidence of harm."""


@dataclass
class Climb:
    """So many canaries on their way up. With `hold` nobody promotes them: they stay at the first share."""

    world: World
    count: int
    rng: Dice
    limits: Limits = LIMITS
    hold: bool = False
    late: bool = True
    """Whether evidence of harm is gathered by `onset`, as the product does, or by a plain mixture."""
    shares: tuple[float, ...] = RAMP
    most_episodes: int = 10**9
    most_failures: int = 40_000
    log: Log | None = None
    ends: Ends = field(init=False)

    def __post_init__(self) -> None:
        numbers = [np.zeros(self.count, dtype=np.int64) for _ in Ends.__dataclass_fields__]
        self.ends = Ends(*numbers)
        self._bad = Bad(self.count, self.shares, late=self.late)
        self._good = Good(self.count, self.shares, self.limits.ratios[: len(self.shares)])
        self._limit = Excess(self.count, self.limits.failure_share, self.shares)
        self._ids = np.arange(self.count)
        self._at, self._stage, self._canary, self._failures, self._here, self._pending = (
            np.zeros(self.count, dtype=np.int64) for _ in range(6)
        )
        self._level = np.zeros(self.count)

    def run(self) -> Ends:
        """Go on until every canary came to its end, or to the end of what is looked at."""
        self.world.begin(self.rng, self.count)
        for _ in range(self.most_failures):
            if not self._ids.size:
                break
            self._step()
        self._close(np.ones(self._ids.size, dtype=bool), UNDECIDED)
        return self.ends

    def _step(self) -> None:
        # Whose evidence is there already waits for a number of episodes: there each one is looked at.
        waits = (self._good.e_value() >= self.limits.good) & (not self.hold)
        found = self.world.next(self.rng, self._at, self._stage + waits * self.world.stages)
        self._count(found)
        harm, no_harm = self._bad.e_value(), self._good.e_value()
        if self.log is not None:
            looks = zip(self._ids, self._at, *found[1:], harm, no_harm, self._level, strict=True)
            for name, at, failed, own, well, *look in looks:
                self.log.at[name].append(int(at))
                self.log.events[name].append((int(well), bool(failed), bool(own)))
                self.log.looks[name].append((float(look[0]), float(look[1]), float(look[2])))
        over = harm >= self.limits.bad
        by_limit = ~over & found.failed & found.in_canary & (self._level >= self.limits.failures)
        over |= by_limit
        up = ~over & (no_harm >= self.limits.good) & (self._here >= self.limits.episodes) & (not self.hold)
        self._limit.rest(self._pending[up], self._stage[up], up)
        self._pending[up] = 0
        self._stage += up
        self._here[up] = 0
        self._good.begin_again(up)
        arrived = self._stage == len(self.shares)
        self.ends.by_limit[self._ids[by_limit]] = 1
        unseen = self._at > self.most_episodes
        ended = np.select([unseen, over, arrived], [UNDECIDED, ROLLED_BACK, ARRIVED], -1)
        if (ended >= 0).any():
            self._close(ended >= 0, ended)

    def _count(self, found: Next) -> None:
        self._at += found.gap
        of_canary = found.well + found.in_canary
        self._here += of_canary
        self._canary += of_canary
        own = np.flatnonzero(found.in_canary & found.failed)
        self._failures[own] += 1
        everyone = found.failed.all()
        rows = slice(None) if everyone else np.flatnonzero(found.failed)
        self._bad.see(found.in_canary[rows], self._stage[rows], rows)
        self._good.see(found.in_canary[rows], self._stage[rows], rows)
        stage = self._stage[rows]
        self._limit.rest((self._pending + found.well)[rows], stage, rows)
        self._level[rows] = self._limit.see(found.in_canary[rows], stage, rows)
        self._pending = np.where(found.failed, 0, self._pending + found.well + found.in_canary)

    def _close(self, which: Array, ended: Array | int) -> None:
        names = self._ids[which]
        ends = self.ends
        ends.end[names] = ended[which] if isinstance(ended, np.ndarray) else ended
        ends.episodes[names] = np.minimum(self._at[which], self.most_episodes)
        ends.canary[names], ends.canary_failures[names] = self._canary[which], self._failures[which]
        ends.stage[names] = np.minimum(self._stage[which], len(self.shares) - 1)
        keep = ~which
        for part in (self._bad, self._good, self._limit, self.world):
            part.keep(keep)
        self._ids, self._at, self._stage, self._canary = (
            each[keep] for each in (self._ids, self._at, self._stage, self._canary)
        )
        self._failures, self._here, self._pending, self._level = (
            each[keep] for each in (self._failures, self._here, self._pending, self._level)
        )
