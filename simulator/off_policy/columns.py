"""The estimators of `engine.core.statistics.off_policy` over columns: a million rows at a time."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from engine.core.statistics.off_policy import FOLDS, LEAST_REWARDS, Logged
from engine.errors import InputError

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


class Row(Struct, frozen=True, array_like=True, gc=False):
    """One decision and the episode it belongs to: `[unit, decision]`."""

    unit: str
    decision: Logged


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Decisions as columns; `unit`, `context`, `choice` and `plan` are numbers from 0.

    Raises `InputError` naming the first decision, from 1, whose chance, reward or wanted choices cannot be.
    """

    units: int
    """How many episodes there are in all, also those without a decision here."""
    unit: Whole
    context: Whole
    choice: Whole
    chance: Floats
    reward: Floats
    plan: Whole
    """Which of the candidate's plans holds for each decision."""
    plan_starts: Whole
    """Where each plan begins in the two columns that follow; one more than there are plans."""
    wanted: Whole
    """Choices."""
    wanted_chance: Floats
    """The probability of each within its plan."""

    def __post_init__(self) -> None:
        """Refuse what no estimate can be made from."""
        plans = np.repeat(np.arange(self.plan_starts.size - 1), np.diff(self.plan_starts))
        held = added_up(plans, self.wanted_chance, self.plan_starts.size - 1)
        for what, right, cure in (
            ("chance", (self.chance > 0) & (self.chance <= 1), "a chance is over 0 and at most 1"),
            ("reward", np.isfinite(self.reward), "a reward is a finite number"),
            (
                "wanted choices",
                np.isclose(held, 1.0, atol=1e-6)[self.plan],
                "their probabilities add up to 1",
            ),
        ):
            if not right.all():
                place = int(np.argmin(right))
                said = f" {getattr(self, what)[place]}" if hasattr(self, what) else ""
                raise InputError(f"decision {place + 1:,} has impossible {what}{said}", cure=cure)

    @cached_property
    def weight(self) -> Floats:
        """How much each decision counts for the candidate."""
        keys, order = self._wanted_keys
        asked = self.plan * self._choices + self.choice
        place = np.minimum(np.searchsorted(keys, asked), keys.size - 1)
        found: Floats = np.where(keys[place] == asked, self.wanted_chance[order[place]], 0.0) / self.chance
        return found

    def by_unit(self, values: Floats | None = None) -> Floats:
        """Add values up by episode; without any, count decisions."""
        return added_up(self.unit, values, self.units)

    @cached_property
    def contributions(self) -> dict[str, tuple[Floats, Floats]]:
        """For each estimator, what each episode adds above and below the line."""
        decisions, weights = self.by_unit(), self.by_unit(self.weight)
        earned = self.by_unit(self.weight * self.reward)
        expected, predicted = self._modelled()
        corrected = expected + self.weight * (self.reward - predicted)
        return {
            "ips": (earned, decisions),
            "snips": (earned, weights),
            "doubly_robust": (self.by_unit(corrected), decisions),
            "model": (self.by_unit(expected), decisions),
        }

    @cached_property
    def support(self) -> float:
        """The share of the candidate's choices that the log made at least now and then in their context."""
        if not self.unit.size:
            return 1.0
        cells, pairs = self._cells, self._pairs
        seen = added_up(cells.of_row, None, cells.count) > 0
        supported = added_up(pairs.of_wanted, pairs.chance * seen[cells.of_wanted], pairs.count)
        return float(supported[pairs.of_row].mean())

    def _modelled(self) -> tuple[Floats, Floats]:
        """Return what the cross-fitted reward model expects of the candidate, and of what was done."""
        cells, pairs = self._cells, self._pairs
        fold = self.unit % FOLDS
        place = fold * cells.count + cells.of_row
        shape = (FOLDS, cells.count)
        sums = added_up(place, self.reward, FOLDS * cells.count).reshape(shape)
        counts = added_up(place, None, FOLDS * cells.count).reshape(shape)
        # Each part is predicted from all the others.
        sums, counts = sums.sum(axis=0) - sums, counts.sum(axis=0) - counts
        predicted = np.repeat(_mean(sums.sum(axis=1), counts.sum(axis=1))[:, None], cells.count, axis=1)
        for total, count in ((_by_choice(sums, cells), _by_choice(counts, cells)), (sums, counts)):
            predicted = np.where(count >= LEAST_REWARDS, _mean(total, count), predicted)
        expected = np.stack(
            [added_up(pairs.of_wanted, pairs.chance * one[cells.of_wanted], pairs.count) for one in predicted]
        )
        return expected[fold, pairs.of_row], predicted[fold, cells.of_row]

    @cached_property
    def _choices(self) -> int:
        return int(max(self.choice.max(initial=-1), self.wanted.max(initial=-1))) + 1

    @cached_property
    def _wanted_keys(self) -> tuple[Whole, Whole]:
        plans = np.repeat(np.arange(self.plan_starts.size - 1), np.diff(self.plan_starts))
        keys = plans * self._choices + self.wanted
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    @cached_property
    def _pairs(self) -> "_Pairs":
        """Every plan in every context in which it holds, with what is wanted there."""
        plans = self.plan_starts.size - 1
        keys, of_row = np.unique(self.context * plans + self.plan, return_inverse=True)
        context, plan = np.divmod(keys, plans)
        sizes = np.diff(self.plan_starts)[plan]
        of_wanted = np.repeat(np.arange(keys.size), sizes)
        first = np.cumsum(sizes) - sizes
        entry = np.arange(of_wanted.size) - first[of_wanted] + self.plan_starts[plan][of_wanted]
        return _Pairs(
            count=int(keys.size),
            of_row=of_row,
            of_wanted=of_wanted,
            context=context[of_wanted],
            choice=self.wanted[entry],
            chance=self.wanted_chance[entry],
        )

    @cached_property
    def _cells(self) -> "_Cells":
        """Every choice in every context in which it was made or is wanted."""
        pairs, choices = self._pairs, self._choices
        made = self.context * choices + self.choice
        wanted = pairs.context * choices + pairs.choice
        keys, place = np.unique(np.concatenate([made, wanted]), return_inverse=True)
        return _Cells(
            count=int(keys.size),
            choice=keys % choices,
            choices=choices,
            of_row=place[: made.size],
            of_wanted=place[made.size :],
        )


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    count: int
    of_row: Whole
    of_wanted: Whole
    context: Whole
    choice: Whole
    chance: Floats


@dataclass(frozen=True, kw_only=True)
class _Cells:
    count: int
    choice: Whole
    choices: int
    of_row: Whole
    of_wanted: Whole


def added_up(place: Whole, values: Floats | None, places: int) -> Floats:
    """Add values up by place, 0 to `places` exclusive; without any, count."""
    return np.bincount(place, values, minlength=places).astype(np.float64, copy=False)


def _mean(total: Floats, count: Floats) -> Floats:
    mean: Floats = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return mean


def _by_choice(values: Floats, cells: _Cells) -> Floats:
    """Add up over the cells of one choice, and give every cell the sum of its choice."""
    sums = np.stack([added_up(cells.choice, one, cells.choices) for one in values])
    found: Floats = sums[:, cells.choice]
    return found


def columns_of(rows: Iterable[Row], units: dict[str, int] | None = None) -> Columns:
    """Turn rows into columns. Rows of one unit need not lie together.

    `units` numbers the episodes, and those not in it yet are added: two histories of the same episodes share
    one.

    Raises `InputError` as `Columns` does.
    """
    numbers: dict[str, int] = {} if units is None else units
    contexts: dict[Hashable, int] = {}
    choices: dict[Hashable, int] = {}
    plans: dict[Hashable, int] = {}
    held = [
        (
            numbers.setdefault(unit, len(numbers)),
            contexts.setdefault(decision.context, len(contexts)),
            choices.setdefault(decision.choice, len(choices)),
            decision.chance,
            decision.reward,
            plans.setdefault(decision.wanted, len(plans)),
        )
        for unit, decision in ((row.unit, row.decision) for row in rows)
    ]
    starts, wanted, chances = [0], [], []
    for plan in plans:
        for name, chance in plan:  # type: ignore[attr-defined]  # the keys are what was wanted
            wanted.append(choices.setdefault(name, len(choices)))
            chances.append(chance)
        starts.append(len(wanted))
    unit, context, choice, chance, reward, plan_of = zip(*held, strict=True) if held else ((),) * 6
    return Columns(
        units=len(numbers),
        unit=np.array(unit, np.int64),
        context=np.array(context, np.int64),
        choice=np.array(choice, np.int64),
        chance=np.array(chance, np.float64),
        reward=np.array(reward, np.float64),
        plan=np.array(plan_of, np.int64),
        plan_starts=np.array(starts, np.int64),
        wanted=np.array(wanted, np.int64),
        wanted_chance=np.array(chances, np.float64),
    )
