"""Canaries on machines that make noise: Azure benchmarks turned into episodes of a canary and a control.

An episode is one benchmark run. It went badly when its figure is worse than that of the worst fifth of the
control arm's runs just before the canary began: a threshold that anybody could have had on that day. Runs
come in the order of their times, and a seeded coin says which arm each falls to.

    python -m tests.acceptance.noise

prints the tables of `docs/why/noise.md`.
"""

from __future__ import annotations

import csv
import gzip
import random
import statistics
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

from engine.core.statistics import detector, risk_ratio, thresholds
from engine.core.statistics.confounding import Confounding, OfEntity, confounding
from engine.core.vocabulary.rollouts import ArmTally
from tests.importers.shared_data import DATA

FOLDER: Final = DATA / "azure_vm_noise"
HIGHER_IS_WORSE: Final = {
    "fio_randread8k_iops": False,
    "osbench_create_processes_us": True,
    "postgres_s25_c25_rw_latency_ms": True,
    "redis_get_rps": False,
}
WORSE_SKU: Final = "B8ms"
"""With cores that it shares, and bursts. `D8s_v5` has cores of its own. Disks are capped alike for both."""
BETTER_SKU: Final = "D8s_v5"
ALPHA: Final = 0.05
RUNS_BEFORE: Final = 200
"""Of control, from which the threshold is learnt."""
WORST: Final = 0.2
EPISODES: Final = 1000
"""Of one canary, in both arms."""


class Run(NamedTuple):
    """One benchmark run."""

    at: str
    worse: float
    """Its figure, turned so that more is worse."""
    machine: str


Cell = tuple[str, str, str]
"""Whether machines are long-lived, the region, and the SKU."""


def read(path: Path) -> dict[Cell, list[Run]]:
    """Read one benchmark's file, by cell and in order of time."""
    sign = 1.0 if HIGHER_IS_WORSE[path.name.removesuffix(".csv.gz")] else -1.0
    cells: dict[Cell, list[Run]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cell = row["vm_lifespan"], row["region"], row["sku"]
            cells.setdefault(cell, []).append(
                Run(row["starttime"], sign * float(row["value"]), "/".join((*cell, row["vm_id"])))
            )
    for runs in cells.values():
        runs.sort()
    return cells


@dataclass
class Seen:
    """What one canary came to."""

    rolled_back_after: int | None = None
    """Episodes, or `None` when the evidence never sufficed."""
    over_limit: bool = False
    """Whether the detector found more than twice as many bad runs in the canary as were learnt before."""
    machines: dict[str, OfEntity] = field(default_factory=dict)

    @property
    def warning(self) -> Confounding | None:
        """What the tool says about comparing these machines."""
        return confounding(self.machines, "machines")


def one_canary(canary: list[Run], control: list[Run], *, seed: str, share: float = 0.5) -> Seen | None:
    """Run one canary from a moment drawn by the seed on; `None` where too few runs are left.

    Both lists may be one and the same: then every run falls to an arm by itself.
    """
    draw = random.Random(seed)
    most = len(control) - RUNS_BEFORE - EPISODES // 2
    if most <= 0:
        return None
    start = draw.randrange(most)
    before = sorted(run.worse for run in control[start : start + RUNS_BEFORE])
    threshold = before[round((1 - WORST) * RUNS_BEFORE) - 1]
    limit = max(2 * sum(worse > threshold for worse in before) / RUNS_BEFORE, 0.02)
    seen, values, guard = Seen(), risk_ratio.begin_bad(), detector.begin()
    tallies: dict[str, list[int]] = {}
    number = 0
    for number, (in_canary, run) in enumerate(
        _episodes(canary, control, start + RUNS_BEFORE, draw, share), 1
    ):
        bad = run.worse > threshold
        tally = tallies.setdefault(run.machine, [0, 0, 0, 0])
        tally[0 if in_canary else 2] += 1
        tally[1 if in_canary else 3] += bad
        if in_canary and not seen.over_limit:
            detector.see(guard, bad, limit)
            seen.over_limit = detector.level(guard) >= detector.alarm_at(ALPHA, EPISODES)
        if bad and seen.rolled_back_after is None:
            risk_ratio.see_bad(values, in_canary, share)
            if risk_ratio.bad(values) >= NEEDED:
                seen.rolled_back_after = number
    if number < EPISODES // 2:
        return None
    seen.machines = {
        name: OfEntity(ArmTally(*tally[:2]), ArmTally(*tally[2:])) for name, tally in tallies.items()
    }
    return seen


NEEDED: Final = thresholds.needed(thresholds.split(ALPHA, 0).bad)


def _episodes(
    canary: list[Run], control: list[Run], start: int, draw: random.Random, share: float
) -> Iterator[tuple[bool, Run]]:
    """Give `(whether the canary has it, run)`: of whichever arm the coin says, the next run from then on."""
    if canary is control:
        for run in control[start : start + EPISODES]:
            yield draw.random() < share, run
        return
    now = control[start - 1].at
    places = {True: 0, False: start}
    for _ in range(EPISODES):
        in_canary = draw.random() < share
        runs = canary if in_canary else control
        place = max(places[in_canary], bisect_left(runs, now, key=attrgetter("at")))
        if place == len(runs):
            return
        places[in_canary] = place + 1
        now = runs[place].at
        yield in_canary, runs[place]


@dataclass(frozen=True)
class Came:
    """What many canaries of one kind came to."""

    canaries: int
    rolled_back: float
    """Share of them, as the two that follow."""
    over_limit: float
    warned: float
    after: float | None
    """Episodes until half of those rolled back were; `None` when none was."""

    @classmethod
    def of(cls, trials: Iterable[Seen | None]) -> Came:
        """Count what could be run at all."""
        seen = [each for each in trials if each is not None]
        after = [each.rolled_back_after for each in seen if each.rolled_back_after is not None]
        return cls(
            canaries=len(seen),
            rolled_back=len(after) / len(seen),
            over_limit=sum(each.over_limit for each in seen) / len(seen),
            warned=sum(each.warning is not None for each in seen) / len(seen),
            after=statistics.median(after) if after else None,
        )


def drawn(cells: dict[Cell, list[Run]], lifespan: str, trials: int) -> Iterator[Seen | None]:
    """One version against itself, each run drawn: nothing is to be found."""
    for cell, runs in cells.items():
        if cell[0] == lifespan:
            yield from (one_canary(runs, runs, seed=f"drawn {cell} {n}") for n in range(trials))


def fixed(cells: dict[Cell, list[Run]], trials: int) -> Iterator[Seen | None]:
    """One version against itself, a machine for the canary, others for control: nothing is to be found."""
    for cell, runs in cells.items():
        if cell[0] == "long":
            for machine in sorted({run.machine for run in runs}):
                ours = [run for run in runs if run.machine == machine]
                others = [run for run in runs if run.machine != machine]
                yield from (one_canary(ours, others, seed=f"fixed {machine} {n}") for n in range(trials))


def skus(cells: dict[Cell, list[Run]], lifespan: str, canary: str, trials: int) -> Iterator[Seen | None]:
    """One SKU against the other, the arm of each run drawn."""
    control = BETTER_SKU if canary == WORSE_SKU else WORSE_SKU
    for region in ("eastus", "westus2"):
        ours, theirs = cells[lifespan, region, canary], cells[lifespan, region, control]
        yield from (one_canary(ours, theirs, seed=f"skus {lifespan} {region} {n}") for n in range(trials))


def main() -> None:
    """Print the tables of the page."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for name in HIGHER_IS_WORSE:
        cells = read(FOLDER / f"{name}.csv.gz")
        print(f"\n{name}\n")
        print("| arms | canaries | rolled back | after episodes | warned | over the limit |")
        print("| --- | --: | --: | --: | --: | --: |")
        for what, seen in (
            ("one SKU, new machines, drawn", drawn(cells, "short", trials)),
            ("one SKU, three machines, drawn", drawn(cells, "long", trials)),
            ("one SKU, a machine each", fixed(cells, max(1, trials // 3))),
            (f"{WORSE_SKU} canary, new machines, drawn", skus(cells, "short", WORSE_SKU, trials)),
            (f"{BETTER_SKU} canary, new machines, drawn", skus(cells, "short", BETTER_SKU, trials)),
            (f"{WORSE_SKU} canary, three machines each", skus(cells, "long", WORSE_SKU, trials)),
            (f"{BETTER_SKU} canary, three machines each", skus(cells, "long", BETTER_SKU, trials)),
        ):
            came = Came.of(seen)
            after = "" if came.after is None else f"{came.after:.0f}"
            shares = (came.rolled_back, came.warned, came.over_limit)
            rolled_back, warned, over = (f"{share * 100:.1f} %" for share in shares)
            print(f"| {what} | {came.canaries} | {rolled_back} | {after} | {warned} | {over} |", flush=True)


if __name__ == "__main__":
    main()
