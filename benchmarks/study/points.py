"""Guardrails: how soon a detector raises its alarm after a series has gone bad, and how often before."""

import numpy as np

from benchmarks.study.product import PLAN, Array, Detector, added
from benchmarks.study.worlds import Dice
from engine.core.statistics import detector, mixture, thresholds

RULES = ("ours", "plain", "window")
"""The e-SR detector; the same bets as one e-process from the beginning; over 9 of the last 100."""
NEVER = -1
SPAN = PLAN.span
"""Points within which the detector promises few false alarms."""


def alarms(
    rng: Dice, count: int, before: float, after: float, change_at: int, points: int, limit: float = 0.03
) -> dict[str, Array]:
    """Return at which point each rule raises its alarm; NEVER if it does not."""
    alarm, needed = detector.alarm_at(PLAN.alpha, PLAN.span), thresholds.needed(PLAN.alpha)
    ours = Detector(count, limit)
    values, plain = (
        np.zeros((len(detector.ODDS), count)),
        np.repeat(np.array(detector.WEIGHTS)[:, None], count, axis=1),
    )
    last = np.zeros((100, count), dtype=bool)
    in_window = np.zeros(count, dtype=np.int64)
    found = {rule: np.full(count, NEVER) for rule in RULES}
    for number in range(1, points + 1):
        bad = rng.random(count) < (before if number <= change_at else after)
        factors = np.where(bad, ours.bad, ours.good)
        values = np.minimum((values + 1.0) * factors, mixture.CEILING)
        plain = np.minimum(plain * factors, mixture.CEILING)
        place = number % 100
        in_window += bad.astype(np.int64) - last[place]
        last[place] = bad
        out = {
            "ours": added(values, detector.WEIGHTS) >= alarm,
            "plain": added(plain) >= needed,
            "window": in_window > 9,
        }
        for rule, raised in out.items():
            found[rule][raised & (found[rule] == NEVER)] = number
    return found
