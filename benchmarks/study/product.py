"""Our rule over many canaries at once. Every constant and every factor is read from the product itself.

The arrays hold one column a canary. Each operation is the core's own, in the core's order (one
multiplication, one addition at a time), so the evidence of each canary has the very bits that the core would
have computed; `exact` checks that, and tests do. Only the detector takes a run of good points in one step, by
the closed form of v → (v + 1) · g repeated, which differs from repeating in the last digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.core.statistics import detector, excess, mixture, onset, risk_ratio, thresholds
from engine.core.vocabulary.rollouts import SHARES, RolloutPlan

PLAN = RolloutPlan()
RAMP = tuple(SHARES.values())
"""The shares of the canary stages, in order."""

Array = np.ndarray


@dataclass(frozen=True)
class Limits:
    """What the plan in force asks for."""

    bad: float
    good: float
    failures: float
    """The level of the detector on failures over the limit and over control's."""
    episodes: int
    ratios: tuple[float, float, float]
    failure_share: float

    @classmethod
    def of(cls, plan: RolloutPlan) -> "Limits":
        """Read them, split as the product splits them."""
        parts = thresholds.split(plan.alpha, len(plan.guardrails))
        return cls(
            bad=thresholds.needed(parts.bad),
            good=thresholds.needed(plan.alpha),
            failures=detector.alarm_at(parts.failure_share, plan.span),
            episodes=plan.canary_episodes,
            ratios=plan.ratios,
            failure_share=plan.failure_share,
        )


LIMITS = Limits.of(PLAN)


def bad_factors(share: float) -> tuple[list[float], list[float]]:
    """Return what one failure multiplies each alternative by, in the canary and in control."""
    found = []
    for in_canary in (True, False):
        state = onset.begin(len(risk_ratio.BAD_RATIOS))
        state[3] = 1.0
        risk_ratio.see_bad(state, in_canary, share)
        found.append(state[4:])
    return found[0], found[1]


def good_factors(share: float, ruled_out: float) -> tuple[list[float], list[float]]:
    """Return the same for the evidence that the ratio is under the one ruled out."""
    found = []
    for in_canary in (True, False):
        state = [1.0 for _ in risk_ratio.GOOD_WEIGHTS]
        risk_ratio.see_good(state, in_canary, share, ruled_out)
        found.append(state)
    return found[0], found[1]


def stakes(bets: int) -> tuple[Array, Array]:
    """Return what is kept back after so many bets, and what is staked on the next, as `onset` has it."""
    state = onset.begin(1)
    kept, stake = np.empty(bets), np.empty(bets)
    for number in range(bets):
        kept[number], stake[number] = state[0], state[3]
        onset.multiply(state, (1.0,))
        state[4] = 0.0
    return kept, stake


MOST_BETS = 1 << 17
_KEPT, _STAKE = stakes(MOST_BETS)


def _table(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Array:
    """Put factors in columns by 2 · stage + whether it was the canary's."""
    return np.array([row for happened, did_not in pairs for row in (did_not, happened)]).T.copy()


def added(values: Array, weights: tuple[float, ...] | None = None, begin: Array | float = 0.0) -> Array:
    """Add the rows up one by one, as the core does: NumPy's own sum takes pairs, and rounds differently."""
    total = np.zeros(values.shape[1]) + begin
    for number, row in enumerate(values):
        total = total + (row if weights is None else row * weights[number])
    return total


class Bad:
    """Evidence of harm. With `late=False`: as it was without `onset`, to compare."""

    def __init__(self, count: int, shares: tuple[float, ...] = RAMP, *, late: bool = True) -> None:
        self.values = np.zeros((len(risk_ratio.BAD_RATIOS), count)) + (0.0 if late else 1.0)
        self.bets = np.zeros(count, dtype=np.int64)
        self._late = late
        self._factors = _table([bad_factors(share) for share in shares])

    def see(self, in_canary: Array, stage: Array, rows: Array | slice = slice(None)) -> None:
        """Take one failed episode of each of these canaries in."""
        factors = self._factors[:, 2 * stage + in_canary]
        values = self.values[:, rows]
        grown = (values + _STAKE[self.bets[rows]]) * factors if self._late else values * factors
        self.values[:, rows] = np.minimum(grown, mixture.CEILING)
        self.bets[rows] += 1

    def e_value(self) -> Array:
        """Return the evidence of each."""
        return added(self.values, risk_ratio.BAD_WEIGHTS, _KEPT[self.bets] if self._late else 0.0)

    def keep(self, mask: Array) -> None:
        """Drop the canaries that are done."""
        self.values, self.bets = self.values[:, mask], self.bets[mask]


class Good:
    """Evidence that the risk ratio is under the one that the stage must rule out."""

    def __init__(
        self, count: int, shares: tuple[float, ...] = RAMP, ratios: tuple[float, ...] = PLAN.ratios
    ) -> None:
        self._begin = np.array(risk_ratio.begin_good())[:, None]
        self.values = np.repeat(self._begin, count, axis=1)
        self._factors = _table([good_factors(*pair) for pair in zip(shares, ratios, strict=True)])

    def see(self, in_canary: Array, stage: Array, rows: Array | slice = slice(None)) -> None:
        """Take one failed episode of each of these canaries in."""
        grown = self.values[:, rows] * self._factors[:, 2 * stage + in_canary]
        self.values[:, rows] = np.minimum(grown, mixture.CEILING)

    def e_value(self) -> Array:
        """Return the evidence of each."""
        return added(self.values)

    def begin_again(self, mask: Array) -> None:
        """Forget it: each stage has to bring its own."""
        self.values[:, mask] = self._begin

    def keep(self, mask: Array) -> None:
        """Drop the canaries that are done."""
        self.values = self.values[:, mask]


class Detector:
    """The e-SR detector, which takes a run of good points in one step."""

    def __init__(self, count: int, limit: float) -> None:
        self.values = np.zeros((len(detector.ODDS), count))
        ones = []
        for bad in (True, False):
            state = detector.begin()
            detector.see(state, bad, limit)
            ones.append(state)
        self.bad, self.good = (np.array(factors)[:, None] for factors in ones)

    def see(self, good_points: Array, rows: Array | slice = slice(None)) -> Array:
        """Take so many good points and then a bad one in; return the level of each."""
        powers = self.good**good_points
        after = self.values[:, rows] * powers + self.good * (1 - powers) / (1 - self.good)
        after = np.minimum((after + 1.0) * self.bad, mixture.CEILING)
        self.values[:, rows] = after
        return added(after, detector.WEIGHTS)

    def keep(self, mask: Array) -> None:
        """Drop the canaries that are done."""
        self.values = self.values[:, mask]


class Excess:
    """The detector of failures over limit and control, which takes a run of good points in one step."""

    def __init__(self, count: int, limit: float, shares: tuple[float, ...] = RAMP) -> None:
        self.values = np.repeat(np.array(excess.begin())[:, None], count, axis=1)
        of_stages = [excess.factors(limit, share) for share in shares]
        self._failed = _table([(each.canary_failed, each.control_failed) for each in of_stages])
        self._well = np.array([each.canary_well for each in of_stages]).T.copy()

    def rest(self, well: Array, stage: Array, rows: Array | slice = slice(None)) -> None:
        """Take so many good points of each of these canaries in: v → v · g + 1, repeated."""
        factors = self._well[:, stage]
        powers = factors**well
        self.values[:, rows] = self.values[:, rows] * powers + (1 - powers) / (1 - factors)

    def see(self, in_canary: Array, stage: Array, rows: Array | slice = slice(None)) -> Array:
        """Take one failed episode of each of these canaries in; return where it stands."""
        after = self.values[:, rows] * self._failed[:, 2 * stage + in_canary] + in_canary
        after = np.minimum(after, mixture.CEILING)
        self.values[:, rows] = after
        return added(after, detector.WEIGHTS)

    def keep(self, mask: Array) -> None:
        """Drop the canaries that are done."""
        self.values = self.values[:, mask]
