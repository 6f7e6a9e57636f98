"""How often the intervals hold the truth, over many worlds of a kind: the table of `docs/why/off-policy.md`.

    python -m tests.off_policy.coverage [WORLDS]

Beside the bootstrap-t it shows what the plain percentiles of the same draws would cover.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import numpy as np

from simulator.off_policy import Columns
from simulator.off_policy.intervals import Resampling
from simulator.off_policy.value import value_of

World = Callable[[np.random.Generator], tuple[float, Columns]]
BOOTSTRAPS: Final = 500
CLAIMED: Final = ("ips", "snips", "doubly_robust")


def canary(episodes: int, share: float, candidate: float, incumbent: float) -> World:
    """An episode a decision; the candidate has a share of them."""

    def world(draw: np.random.Generator) -> tuple[float, Columns]:
        had = draw.random(episodes) < share
        well = draw.random(episodes) < np.where(had, candidate, incumbent)
        nowhere = np.zeros(episodes, np.int64)
        chance = np.where(had, share, 1 - share)
        return candidate, columns(
            np.arange(episodes), nowhere, had.astype(np.int64), chance, well, np.array([[0.0, 1.0]])
        )

    return world


def clicks(draw: np.random.Generator) -> tuple[float, Columns]:
    """10,000 views of 34 items at 3 places, shown evenly; the candidate has favourites; 0.5 % are clicked."""
    of_world = np.random.default_rng(5)
    wanted = of_world.dirichlet(np.full(34, 0.4), 3)
    clicked = of_world.gamma(1, 0.0046, (3, 34))
    place, item = draw.integers(0, 3, 10_000), draw.integers(0, 34, 10_000)
    click = draw.random(10_000) < clicked[place, item]
    truth = float((wanted * clicked).sum() / 3)
    return truth, columns(np.arange(10_000), place, item, np.full(10_000, 1 / 34), click, wanted)


def clustered(draw: np.random.Generator) -> tuple[float, Columns]:
    """300 episodes of ten decisions each, some of which go better than others whatever is done in them."""
    of_world = np.random.default_rng(6)
    logged, wanted = (_soft(of_world.normal(0, spread, (8, 5))) for spread in (1.0, 1.2))
    good = of_world.uniform(0.3, 0.8, (8, 5))
    episode = np.repeat(np.arange(300), 10)
    context = draw.integers(0, 8, 3000)
    choice = (draw.random(3000)[:, None] > np.cumsum(logged[context], axis=1)).sum(axis=1)
    luck = draw.uniform(-0.2, 0.2, 300)[episode]
    well = draw.random(3000) < good[context, choice] + luck
    truth = float((wanted * good).sum() / 8)
    return truth, columns(episode, context, choice, logged[context, choice], well, wanted)


WORLDS: Final[dict[str, World]] = {
    "canary, 50 % of 1,000 episodes": canary(1_000, 0.5, 0.90, 0.80),
    "canary, 10 % of 3,000 episodes": canary(3_000, 0.1, 0.93, 0.95),
    "canary, 1 % of 20,000 episodes": canary(20_000, 0.01, 0.96, 0.98),
    "10,000 views, 34 items, 0.5 % clicked": clicks,
    "300 episodes of ten decisions": clustered,
}


def columns(
    unit: np.ndarray,
    context: np.ndarray,
    choice: np.ndarray,
    chance: np.ndarray,
    well: np.ndarray,
    wanted: np.ndarray,
) -> Columns:
    """Pack a world whose candidate chooses by context alone."""
    plans, choices = wanted.shape
    return Columns(
        units=int(unit.max()) + 1,
        unit=unit,
        context=context,
        choice=choice,
        chance=chance,
        reward=well.astype(np.float64),
        plan=context,
        plan_starts=np.arange(plans + 1) * choices,
        wanted=np.tile(np.arange(choices), plans),
        wanted_chance=wanted.ravel(),
    )


def percentiles(resampling: Resampling, above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    """The interval most bootstraps give: between two quantiles of the values drawn."""
    groups = np.stack([resampling._grouped(part) for part in (above, below)], axis=1)
    drawn = resampling._draws @ groups
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return float(low), float(high)


def covered(world: World, worlds: int) -> tuple[int, dict[str, float], dict[str, float]]:
    """Return how many worlds were abstained on, and the coverage of both kinds of interval in the others."""
    abstained = 0
    ours: dict[str, list[bool]] = {name: [] for name in CLAIMED}
    plain: dict[str, list[bool]] = {name: [] for name in CLAIMED}
    for seed in range(worlds):
        truth, side = world(np.random.default_rng([7, seed]))
        found = value_of(side, side, candidate_name="c", incumbent_name="c", seed=seed, bootstraps=BOOTSTRAPS)
        if not found.estimates:
            abstained += 1
            continue
        resampling = Resampling(units=side.units, seed=seed, bootstraps=BOOTSTRAPS)
        for each in found.estimates:
            if each.estimator in CLAIMED and each.candidate is not None:
                ours[each.estimator].append(each.candidate.low <= truth <= each.candidate.high)
                low, high = percentiles(resampling, *side.contributions[each.estimator])
                plain[each.estimator].append(low <= truth <= high)
    return abstained, *({name: float(np.mean(seen)) for name, seen in kind.items()} for kind in (ours, plain))


def main() -> None:
    """Print the table."""
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print("| world | IPS | SNIPS | doubly robust | by percentiles | abstained |")
    print("| --- | --: | --: | --: | --: | --: |")
    for name, world in WORLDS.items():
        abstained, ours, plain = covered(world, worlds)
        shown = " | ".join(f"{ours[estimator] * 100:.1f} %" for estimator in CLAIMED)
        other = ", ".join(f"{plain[estimator] * 100:.1f}" for estimator in CLAIMED)
        print(f"| {name} | {shown} | {other} | {abstained / worlds * 100:.1f} % |", flush=True)


def _soft(values: np.ndarray) -> np.ndarray:
    values = np.exp(values)
    return values / values.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    main()
