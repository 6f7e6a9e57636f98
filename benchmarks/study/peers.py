"""The rules of other tools and habits, emulated: our own code after what their documentation describes.

None of these products was run. Each rule looks once a window, as such tools do, and takes the settings of its
own documentation's example; those examples expect far more traffic than 1,000 decisions a window, so the two
thresholds are measured with a hundred times as many too.

    argo       Argo Rollouts, "Analysis & Progressive Delivery": a background analysis with a success rate
               of at least 95 % in each measurement and failureLimit 3; the fourth failed measurement ends
               the rollout
    flagger    Flagger, "Metrics Analysis" and its canary example: a success rate of at least 99 % in each
               check; a failed check holds the step, the tenth rolls back, and no traffic is a failed check
    timer      a step at a time after so many windows, if 95 % of the step's decisions went well
    z-test     two proportions, pooled since the beginning, one-sided at 5 %, looked at in every window
    ranks      Mann-Whitney on the windows' failure rates of canary and an equally large control, as
               Kayenta's documentation asks for; one-sided at 5 %, looked at from the fifth window on
    shipping   an asymptotic confidence sequence (Waudby-Smith et al., arXiv 2103.06476), tuned for 5,000
               samples, on canary and an equally large control, as GrowthBook's Safe Rollouts compare arms;
               what is still inconclusive at the end of the time is shipped
"""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.study.product import RAMP, Array
from benchmarks.study.ramps import ARRIVED, ROLLED_BACK, UNDECIDED, Ends
from benchmarks.study.worlds import Dice, Weather, Windows

RULES = ("argo", "flagger", "timer", "z-test", "ranks", "shipping")
_Z = 1.6448536269514722
"""The normal quantile of 95 %: a one-sided test at 5 %."""
_TUNED_FOR = 5000.0


class Rule:
    """One rule over many canaries. `look` says who is rolled back, and who may not step up in this window."""

    equal_split = False
    """Whether control is as large as the canary, and not everybody else."""

    def __init__(self, count: int, windows: int) -> None:
        self._sums = np.zeros((4, count))

    def look(self, seen: Windows, last_of_step: Array) -> tuple[Array, Array]:
        """Take one window in; `last_of_step` marks whose step has had its time."""
        raise TypeError(seen, last_of_step)

    def _add(self, seen: Windows) -> Array:
        self._sums = self._sums + np.array(seen)
        return self._sums


class Argo(Rule):
    """More than three measurements under 95 %."""

    least, most_failed = 0.95, 3

    def __init__(self, count: int, windows: int) -> None:
        super().__init__(count, windows)
        self._failed = np.zeros(count)

    def look(self, seen: Windows, last_of_step: Array) -> tuple[Array, Array]:
        """Count a failed measurement; without traffic there is none."""
        self._failed += seen.canary_failures > (1 - self.least) * seen.canary
        return self._failed > self.most_failed, np.zeros(len(self._failed), dtype=bool)


class Flagger(Argo):
    """Ten checks under 99 %, which hold the step as well."""

    least, most_failed = 0.99, 9

    def look(self, seen: Windows, last_of_step: Array) -> tuple[Array, Array]:
        """Count a failed check."""
        failed = (seen.canary_failures > (1 - self.least) * seen.canary) | (seen.canary == 0)
        self._failed += failed
        return self._failed > self.most_failed, failed


class Timer(Rule):
    """95 % of the step's decisions, looked at once, at its end."""

    def look(self, seen: Windows, last_of_step: Array) -> tuple[Array, Array]:
        """Judge whose time has come."""
        canary, failures, _, _ = self._add(seen)
        over = last_of_step & (failures > 0.05 * canary)
        self._sums[:, last_of_step] = 0
        return over, np.zeros(len(over), dtype=bool)


class ZTest(Rule):
    """Two proportions, in every window anew."""

    def look(self, seen: Windows, last_of_step: Array) -> tuple[Array, Array]:
        """Compare what has come together since the beginning."""
        canary, failures, control, control_failures = self._add(seen)
        with np.errstate(invalid="ignore", divide="ignore"):
            pooled = (failures + control_failures) / (canary + control)
            spread = np.sqrt(pooled * (1 - pooled) * (1 / canary + 1 / control))
            z = (failures / canary - control_failures / control) / spread
        return np.nan_to_num(z) > _Z, np.zeros(len(z), dtype=bool)


class Ranks(Rule):
    """Mann-Whitney with the correction for ties, in every window anew: U and ties are carried along."""

    equal_split = True
    least = 5

    def __init__(self, count: int, windows: int) -> None:
        super().__init__(count, windows)
        self._canary, self._control = np.zeros((2, windows, count), dtype=np.float32)
        self._u, self._ties, self._seen = np.zeros(count), np.zeros(count), 0

    def look(self, seen: Windows, last_of_step: Array) -> tuple[Array, Array]:
        """Rank the two new windows among the earlier ones."""
        mine = (seen.canary_failures / np.maximum(1, seen.canary)).astype(np.float32)
        theirs = (seen.control_failures / np.maximum(1, seen.control)).astype(np.float32)
        n = self._seen
        before, others = self._canary[:n], self._control[:n]
        self._u += (others < mine).sum(axis=0) + 0.5 * (others == mine).sum(axis=0)
        self._u += (before > theirs).sum(axis=0) + 0.5 * (before == theirs).sum(axis=0)
        self._u += (theirs < mine) + 0.5 * (theirs == mine)
        for value, also in ((mine, 0), (theirs, mine == theirs)):
            # A value that was there c times already makes t³ - t of its tie larger by 3 c (c + 1).
            same = (before == value).sum(axis=0) + (others == value).sum(axis=0) + also
            self._ties += 3.0 * same * (same + 1)
        self._canary[n], self._control[n] = mine, theirs
        self._seen = n = n + 1
        if n < self.least:
            none = np.zeros(len(mine), dtype=bool)
            return none, none
        variance = n * n / 12 * (2 * n + 1 - self._ties / (2 * n * (2 * n - 1)))
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (self._u - n * n / 2 - 0.5) / np.sqrt(variance)
        return np.nan_to_num(z, posinf=0, neginf=0) > _Z, np.zeros(len(z), dtype=bool)


class Shipping(Rule):
    """An asymptotic confidence sequence for the difference; rolled back when all of it is harm."""

    equal_split = True

    def look(self, seen: Windows, last_of_step: Array) -> tuple[Array, Array]:
        """Compare what has come together since the beginning."""
        canary, failures, control, control_failures = self._add(seen)
        with np.errstate(invalid="ignore", divide="ignore"):
            mine, theirs, n = failures / canary, control_failures / control, canary + control
            variance = n * (mine * (1 - mine) / canary + theirs * (1 - theirs) / control)
            tuned = (-2 * math.log(0.05) + math.log(-2 * math.log(0.05) + 1)) / _TUNED_FOR
            width = np.sqrt(
                variance
                * 2
                * (n * tuned + 1)
                / (n * n * tuned)
                * np.log1p(np.sqrt(n * tuned + 1) / (2 * 0.05))
            )
            worse = mine - theirs > width
        return worse & (canary > 0) & (control > 0), np.zeros(len(n), dtype=bool)


_OF = dict(zip(RULES, (Argo, Flagger, Timer, ZTest, Ranks, Shipping), strict=True))


@dataclass(frozen=True)
class Schedule:
    """How often a rule looks, and how long a step lasts."""

    window: int = 1000
    """Decisions between two looks."""
    looks_a_step: int = 10
    most_looks: int = 60
    shares: tuple[float, ...] = RAMP
    hold: bool = False
    """Whether nobody steps up: the canary stays at the first share for all looks."""


def climb(rule_name: str, weather: Weather, schedule: Schedule, count: int, rng: Dice) -> Ends:
    """Send so many canaries up by one of the rules."""
    world = weather.world(schedule.shares)
    world.begin(rng, count)
    rule = _OF[rule_name](count, schedule.most_looks)
    shares = np.array(schedule.shares)
    end, decisions, canary, failures, stage, passed = (np.zeros(count, dtype=np.int64) for _ in range(6))
    going = np.ones(count, dtype=bool)
    for number in range(schedule.most_looks):
        share = shares[stage]
        control = share if rule.equal_split else 1 - share
        seen = world.window(rng, number * schedule.window, schedule.window, share, control)
        decisions[going] += schedule.window
        canary[going] += seen.canary[going]
        failures[going] += seen.canary_failures[going]
        over, not_up = rule.look(seen, passed + 1 >= schedule.looks_a_step)
        passed += ~not_up
        up = (passed >= schedule.looks_a_step) & ~over & going & (not schedule.hold)
        arrived = up & (stage == len(shares) - 1)
        end[over & going], end[arrived] = ROLLED_BACK, ARRIVED
        going &= ~over & ~arrived
        stage += up & ~arrived
        passed[up] = 0
        if not going.any():
            break
    end[going] = UNDECIDED
    return Ends(end, decisions, canary, failures, stage, np.zeros(count, dtype=np.int64))
