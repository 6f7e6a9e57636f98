"""Off-policy value: a million decisions, four estimators, a thousand bootstraps, against one plain pass.

    python -m benchmarks.off_policy [--decisions N] [--rounds N] [--json OUT]

The floor is the least that any estimate needs, in plain NumPy: one weight a decision and one sum an episode.
Everything is timed in the same run, best of several rounds, because other programs share the processors.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.core.statistics import off_policy
from engine.core.statistics.off_policy import Logged
from simulator.off_policy import Columns, Row, columns_of, value_of

_CONTEXTS, _CHOICES = 20, 8
_MOST_SECONDS = 10.0
"""For a million decisions on both sides. Whoever asks what a candidate is worth waits for the answer."""


def columns(decisions: int, seed: int) -> Columns:
    """Draw a history of five decisions an episode."""
    draw = np.random.default_rng(seed)
    context = draw.integers(0, _CONTEXTS, decisions)
    return Columns(
        units=decisions // 5,
        unit=draw.integers(0, decisions // 5, decisions),
        context=context,
        choice=draw.integers(0, _CHOICES, decisions),
        chance=np.full(decisions, 1 / _CHOICES),
        reward=(draw.random(decisions) < 0.9).astype(np.float64),
        plan=context,
        plan_starts=np.arange(_CONTEXTS + 1) * _CHOICES,
        wanted=np.tile(np.arange(_CHOICES), _CONTEXTS),
        wanted_chance=draw.dirichlet(np.ones(_CHOICES), _CONTEXTS).ravel(),
    )


def floor(side: Columns) -> float:
    """Make one pass: each decision's weight and reward, added up by episode."""
    wanted = side.wanted_chance.reshape(_CONTEXTS, _CHOICES)
    earned = wanted[side.plan, side.choice] / side.chance * side.reward
    return float(np.bincount(side.unit, earned, minlength=side.units).sum())


def anew(side: Columns) -> Columns:
    """Forget what columns have remembered of earlier rounds."""
    return Columns(**{name: getattr(side, name) for name in side.__dataclass_fields__})


def contributed(side: Columns) -> float:
    """Make every estimator's contributions."""
    return sum(float(above.sum()) for above, _ in anew(side).contributions.values())


def valued(candidate: Columns, incumbent: Columns) -> object:
    """Come to the whole value."""
    return value_of(anew(candidate), anew(incumbent), candidate_name="heal@2", incumbent_name="heal@1")


def rows(decisions: int) -> list[Row]:
    """Draw the same kind of history as plain rows."""
    side = columns(decisions, 3)
    plans = [
        tuple((f"c{choice}", float(side.wanted_chance[start + choice])) for choice in range(_CHOICES))
        for start in side.plan_starts[:-1]
    ]
    return [
        Row(f"e{unit}", Logged(f"x{context}", f"c{choice}", 1 / _CHOICES, reward, plans[context]))
        for unit, context, choice, reward in zip(
            side.unit.tolist(), side.context.tolist(), side.choice.tolist(), side.reward.tolist(), strict=True
        )
    ]


def in_plain_python(history: list[Row]) -> float:
    """Add up the doubly robust contributions by the formulas of the core."""
    episodes: dict[str, list[Logged]] = {}
    for row in history:
        episodes.setdefault(row.unit, []).append(row.decision)
    held = list(episodes.values())
    return sum(map(off_policy.doubly_robust, held, off_policy.cross_fitted(held)))


def best(work: Callable[[], object], rounds: int) -> float:
    """Return the seconds of the fastest round."""
    taken = []
    for _ in range(rounds):
        gc.collect()
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def main() -> int:
    """Measure, print, and write JSON if asked; fail when it takes longer than anybody would wait."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--decisions", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    count = given.decisions
    candidate, incumbent = columns(count, 1), columns(count, 2)
    base = best(lambda: floor(candidate), given.rounds)
    print(f"off-policy value: {count:,} decisions in {count // 5:,} episodes on each side")
    print(f"  {'':<44}{'seconds':>9}{'decisions/s':>14}{'of the floor':>14}")
    found: dict[str, float] = {}
    whole = "both sides, 1,000 bootstraps, differences"
    for name, decisions, work in (
        ("floor: one weight, one sum an episode", count, lambda: floor(candidate)),
        ("four estimators' contributions", count, lambda: contributed(candidate)),
        (whole, 2 * count, lambda: valued(candidate, incumbent)),
    ):
        taken = found[name] = best(work, given.rounds)
        times = taken / decisions / (base / count)
        print(f"  {name:<44}{taken:>9.2f}{decisions / taken:>14,.0f}{times:>12.1f} ×")
    history = rows(count // 50)
    plain = found["plain Python, a fiftieth"] = best(lambda: in_plain_python(history), 1)
    packed = best(lambda: columns_of(history).contributions, 1)
    print(
        f"  doubly robust of {len(history):,} rows: plain Python {plain:.2f} s; all four over columns, "
        f"packing them included, {packed:.2f} s"
    )
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))
    if found[whole] > _MOST_SECONDS * max(1.0, count / 1_000_000):
        print(f"  failed: {found[whole]:.1f} s is over {_MOST_SECONDS:.0f} s")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
