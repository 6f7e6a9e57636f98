"""Canaries on machines that make noise: Azure benchmarks turned into episodes of a canary and a control.

An episode is one benchmark run. It went badly when its figure is worse than that of the worst fifth of the
control arm's latest runs: a threshold that anybody could have had on that day. Runs come in the order of
their times, and a seeded coin says which arm each falls to.

    python -m tests.acceptance.noise

prints the tables of `docs/why/noise.md`.
"""

from __future__ import annotations

import csv
import gzip
import math
import random
import statistics
import sys
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

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
CAPPED: Final = "fio_randread8k_iops"
"""Both SKUs meet the same cap of the disk, so there is little to find, and in one region next to nothing."""
WORSE_SKU: Final = "B8ms"
"""With cores that it shares, and bursts. `D8s_v5` has cores of its own. Disks are capped alike for both."""
BETTER_SKU: Final = "D8s_v5"
ALPHA: Final = 0.05
RUNS_BEFORE: Final = 200
"""Of control, from which the threshold is learnt."""
LEARNT_EVERY: Final = 50
"""Episodes until it is learnt anew from control's latest runs, for whole fleets change within a week."""
WORST: Final = 0.2
EPISODES: Final = 1000
"""Of one canary, in both arms."""
LONG: Final = 5000
"""Of one that has the time that a small difference takes."""
REGIONS: Final = ("eastus", "westus2")


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


def one_canary(
    canary: list[Run], control: list[Run], *, seed: str, share: float = 0.5, episodes: int = EPISODES
) -> Seen | None:
    """Run one canary from a moment drawn by the seed on; `None` where too few runs are left.

    Both lists may be one and the same: then every run falls to an arm by itself.
    """
    draw = random.Random(seed)
    start = _start(control, draw, episodes)
    if start is None:
        return None
    last = deque((run.worse for run in control[start - RUNS_BEFORE : start]), RUNS_BEFORE)
    at_first, learnt = threshold, _ = _threshold(last)
    limit = max(2 * learnt, 0.02)
    seen, values, guard = Seen(), risk_ratio.begin_bad(), detector.begin()
    tallies: dict[str, list[int]] = {}
    number = 0
    for number, (in_canary, run) in enumerate(_episodes(canary, control, start, draw, share, episodes), 1):
        if number % LEARNT_EVERY == 0:
            threshold, _ = _threshold(last)
        bad = run.worse > threshold
        tally = tallies.setdefault(run.machine, [0, 0, 0, 0])
        tally[0 if in_canary else 2] += 1
        tally[1 if in_canary else 3] += bad
        if not in_canary:
            last.append(run.worse)
        elif not seen.over_limit:
            detector.see(guard, run.worse > at_first, limit)
            seen.over_limit = detector.level(guard) >= detector.alarm_at(ALPHA, episodes)
        if bad and seen.rolled_back_after is None:
            risk_ratio.see_bad(values, in_canary, share)
            if risk_ratio.bad(values) >= NEEDED:
                seen.rolled_back_after = number
    if number < episodes // 2:
        return None
    seen.machines = {
        name: OfEntity(ArmTally(*tally[:2]), ArmTally(*tally[2:])) for name, tally in tallies.items()
    }
    return seen


NEEDED: Final = thresholds.needed(thresholds.split(ALPHA, 0).bad)


def _start(control: list[Run], draw: random.Random, episodes: int) -> int | None:
    """Draw the place of control's first run in the canary; `None` where too few runs are left."""
    most = len(control) - RUNS_BEFORE - episodes // 2
    return draw.randrange(most) + RUNS_BEFORE if most > 0 else None


def _threshold(runs: Collection[float]) -> tuple[float, float]:
    """Return the figure beyond which lies what comes nearest to the worst fifth, and how much that is.

    Where many figures are the same, as under a cap, the fifth itself may lie in the middle of them.
    """
    ordered = sorted(runs)
    fifth = ordered[math.ceil(len(ordered) * (1 - WORST)) - 1]
    # It begins among figures that are the same: before the first of them, or after the last.
    places = [place for place in (bisect_left(ordered, fifth), bisect_right(ordered, fifth)) if place]
    place = min(places, key=lambda place: abs(1 - place / len(ordered) - WORST))
    return ordered[place - 1], 1 - place / len(ordered)


def _episodes(
    canary: list[Run], control: list[Run], start: int, draw: random.Random, share: float, episodes: int
) -> Iterator[tuple[bool, Run]]:
    """Give `(whether the canary has it, run)`: of whichever arm the coin says, the next run from then on."""
    if canary is control:
        for run in control[start : start + episodes]:
            yield draw.random() < share, run
        return
    now = control[start - 1].at
    places = {True: 0, False: start}
    for _ in range(episodes):
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


def skus(
    cells: dict[Cell, list[Run]],
    lifespan: str,
    canary: str,
    trials: int,
    *,
    regions: tuple[str, ...] = REGIONS,
    episodes: int = EPISODES,
) -> Iterator[Seen | None]:
    """One SKU against the other, the arm of each run drawn."""
    control = BETTER_SKU if canary == WORSE_SKU else WORSE_SKU
    for region in regions:
        ours, theirs = cells[lifespan, region, canary], cells[lifespan, region, control]
        yield from (
            one_canary(ours, theirs, seed=f"skus {lifespan} {region} {n}", episodes=episodes)
            for n in range(trials)
        )


def foreknown(cells: dict[Cell, list[Run]], region: str, trials: int, *, episodes: int = EPISODES) -> float:
    """Return how often whoever knows both SKUs beforehand tells the worse one, by one look at the end.

    Each run is scored by how much likelier its figure is on the worse SKU than on the better, as the other
    half of that month's runs has it; the sums of the two arms are compared by a test that is wrong in 5 %.
    Nobody has this in advance, and nobody may look only once: it says what there is to be known.
    """
    sides = {sku: cells["short", region, sku] for sku in (WORSE_SKU, BETTER_SKU)}
    scores = _scores(sides[WORSE_SKU], sides[BETTER_SKU])
    found = [
        _told_apart(*sides.values(), scores, f"skus short {region} {n}", episodes) for n in range(trials)
    ]
    known = [each for each in found if each is not None]
    return sum(known) / len(known)


Figures = dict[tuple[str, int], Counter[float]]
"""How often each figure was seen, by month and half of the machines."""


def _scores(worse: list[Run], better: list[Run]) -> Callable[[Run], float]:
    def figures(runs: list[Run]) -> Figures:
        found: Figures = {}
        for run in runs:
            found.setdefault(_fold(run), Counter())[run.worse] += 1
        return found

    on_worse, on_better = figures(worse), figures(better)

    def score(run: Run) -> float:
        month, half = _fold(run)
        chances = []
        for seen in (on_worse, on_better):
            others = seen.get((month, 1 - half), Counter())
            # A figure not seen there may come all the same.
            chances.append((others[run.worse] + 1) / (others.total() + 20))
        return math.log(chances[0] / chances[1])

    return score


def _fold(run: Run) -> tuple[str, int]:
    return run.at[:7], crc32(run.machine.encode()) % 2


def _told_apart(
    canary: list[Run], control: list[Run], score: Callable[[Run], float], seed: str, episodes: int
) -> bool | None:
    draw = random.Random(seed)
    start = _start(control, draw, episodes)
    if start is None:
        return None
    arms: dict[bool, list[float]] = {True: [], False: []}
    for in_canary, run in _episodes(canary, control, start, draw, 0.5, episodes):
        arms[in_canary].append(score(run))
    ours, theirs = arms[True], arms[False]
    if len(ours) + len(theirs) < episodes // 2:
        return None
    spread = statistics.pstdev(ours + theirs) * math.sqrt(1 / len(ours) + 1 / len(theirs))
    return statistics.fmean(ours) - statistics.fmean(theirs) > NORMAL_95 * spread


NORMAL_95: Final = statistics.NormalDist().inv_cdf(0.95)


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
    cells = read(FOLDER / f"{CAPPED}.csv.gz")
    print(f"\n{CAPPED}, {WORSE_SKU} canary, new machines, drawn\n")
    print("| region | episodes | rolled back | after | by one look with foreknowledge |")
    print("| --- | --: | --: | --: | --: |")
    for region in REGIONS:
        for episodes in (EPISODES, LONG):
            known = foreknown(cells, region, trials, episodes=episodes)
            came = Came.of(skus(cells, "short", WORSE_SKU, trials, regions=(region,), episodes=episodes))
            print(
                f"| {region} | {episodes:,} | {came.rolled_back * 100:.1f} % | {came.after or 0:.0f} "
                f"| {known * 100:.1f} % |",
                flush=True,
            )


if __name__ == "__main__":
    main()
