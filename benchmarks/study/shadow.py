"""Shadow: how soon a candidate that agrees is let out, how often one that does not, and pairs."""

import math

import numpy as np

from benchmarks.study.product import PLAN, Array, added
from benchmarks.study.worlds import Dice
from engine.core.statistics import agreement, mixture, paired, thresholds

NEVER = -1
RULES = ("ours", "rate", "wilson", "exact")
"""Ours; the plain rate after 50 episodes; a 95 % interval's lower end by Wilson, by Clopper and Pearson."""


def agreement_factors(share: float) -> Array:
    """Return what each alternative is multiplied by, in rows for a difference and for an agreement."""
    found = []
    for agreed in (False, True):
        state = [1.0 for _ in agreement.WEIGHTS]
        agreement.see(state, agreed, share)
        found.append(state)
    return np.array(found)


def certified(rng: Dice, count: int, agrees: float, episodes: int = 3000) -> dict[str, Array]:
    """Return after how many episodes each rule lets each candidate out of shadow; NEVER if it does not."""
    share, needed = PLAN.agreement, thresholds.needed(PLAN.alpha)
    factors = agreement_factors(share)
    values = np.repeat(np.array(agreement.begin())[:, None], count, axis=1)
    agreed = np.zeros(count, dtype=np.int64)
    found = {rule: np.full(count, NEVER) for rule in RULES}
    exact = _exact_limits(share, episodes)
    for number in range(1, episodes + 1):
        same = rng.random(count) < agrees
        values = values * factors[same.astype(np.int64)].T
        agreed += same
        total = added(values)
        out = {
            "ours": (total >= needed) & (number >= PLAN.shadow_episodes),
            "rate": (agreed >= share * number) & (number >= 50),
            "wilson": _wilson_low(agreed / number, number) > share,
            "exact": agreed >= exact[number],
        }
        for rule, passed in out.items():
            first = passed & (found[rule] == NEVER)
            found[rule][first] = number
    return found


def _wilson_low(rate: Array, n: int) -> Array:
    z = 1.959963984540054
    return (rate + z * z / (2 * n) - z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))) / (
        1 + z * z / n
    )


def _exact_limits(share: float, most: int) -> list[int]:
    """Return for each number of episodes how many agreements put the exact lower end over the share."""
    limits, chances = [1], np.ones(1)
    for number in range(1, most + 1):
        chances = np.concatenate([chances * (1 - share), [0.0]]) + np.concatenate([[0.0], chances * share])
        so_many_or_more = np.cumsum(chances[::-1])[::-1]
        below = np.flatnonzero(so_many_or_more < 0.025)
        limits.append(int(below[0]) if below.size else number + 1)
    return limits


def pairs(
    rng: Dice, count: int, candidate: float, incumbent: float, overlap: float, episodes: int
) -> tuple[Array, Array]:
    """Return after how many episodes, and failures of its own, "worse" is proven for each canary.

    `overlap` is the share of the incumbent's failures that the candidate has too: a hard episode is often
    hard for both. Pairs that fail together tell nothing and cost nothing. The failures are shadow ones,
    nothing was done.
    """
    both = overlap * incumbent
    only_candidate, only_incumbent = candidate - both, incumbent - both
    differs = only_candidate + only_incumbent
    factors = []
    for own in (False, True):
        state = [1.0 for _ in paired.WEIGHTS]
        paired.see(state, own, not own)
        factors.append(state)
    table, needed = np.array(factors), thresholds.needed(PLAN.alpha)
    values = np.repeat(np.array(paired.begin())[:, None], count, axis=1)
    at, own_failures = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    found, failures = np.full(count, NEVER), np.zeros(count, dtype=np.int64)
    while (going := (at < episodes) & (found == NEVER)).any():
        gap = np.maximum(1, np.ceil(rng.standard_exponential(count) / -math.log1p(-differs))).astype(np.int64)
        at += gap
        own = rng.random(count) < only_candidate / differs
        own_failures += own + rng.binomial(gap - 1, both / (1 - differs))
        values = np.minimum(values * table[own.astype(np.int64)].T, mixture.CEILING)
        proven = going & (added(values) >= needed) & (at <= episodes)
        found[proven], failures[proven] = at[proven], own_failures[proven]
    return found, failures
