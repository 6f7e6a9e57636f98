"""Off-policy value in plain Python, by the formulas of the core, and worlds whose truth is known."""

from __future__ import annotations

import random
from collections.abc import Iterable

from engine.core.statistics import off_policy
from engine.core.statistics.off_policy import Logged
from simulator.off_policy import Columns, Row, columns_of

SURE = (("restart", 1.0),)


def episodes_of(rows: Iterable[Row]) -> list[list[Logged]]:
    """Rows by episode, in the order in which each first appears."""
    found: dict[str, list[Logged]] = {}
    for row in rows:
        found.setdefault(row.unit, []).append(row.decision)
    return list(found.values())


def contributions(rows: list[Row]) -> dict[str, tuple[list[float], list[float]]]:
    """What each episode adds above and below the line, as `Columns.contributions` has it."""
    episodes = episodes_of(rows)
    models = off_policy.cross_fitted(episodes)
    counts = [float(len(one)) for one in episodes]
    earned = [off_policy.ips(one) for one in episodes]
    return {
        "ips": (earned, counts),
        "snips": (earned, [off_policy.weights(one) for one in episodes]),
        "doubly_robust": ([*map(off_policy.doubly_robust, episodes, models)], counts),
        "model": ([*map(off_policy.direct, episodes, models)], counts),
    }


def canary(
    seed: int, *, episodes: int = 2000, share: float = 0.1, candidate: float = 0.9, incumbent: float = 0.8
) -> tuple[Columns, Columns]:
    """A canary: both sides' columns over the same episodes, each with its probability of going well."""
    draw = random.Random(seed)
    sides: dict[str, list[Row]] = {"candidate": [], "incumbent": []}
    for number in range(episodes):
        had = "candidate" if draw.random() < share else "incumbent"
        well = float(draw.random() < (candidate if had == "candidate" else incumbent))
        chance = share if had == "candidate" else 1 - share
        for side, rows in sides.items():
            rows.append(Row(f"e{number}", Logged("", had, chance, well, ((side, 1.0),))))
    units: dict[str, int] = {}
    return columns_of(sides["candidate"], units), columns_of(sides["incumbent"], units)
