"""Late outcomes: what if the canary's failures are reported sooner than the incumbent's?

A program's failure is known at once; that of people often when nothing came back in time. Who counts each
failure as it is reported sees the canary's first, and takes haste for harm. Judging every episode at the same
age undoes that, for the price of that age.
"""

import numpy as np

from benchmarks.study.product import LIMITS, Array, Bad
from benchmarks.study.worlds import Dice

WAYS = ("reported", "horizon")
"""A failure counts when it is reported; or when its episode is judged, at a fixed age."""
HORIZON = 1000
"""In decisions: an hour of traffic, say."""
BASE, EPISODES = 0.02, 20_000


def rolled_back(rng: Dice, count: int, share: float, delay: float, way: str) -> Array:
    """Return who is rolled back though it is as good as the incumbent.

    The canary's failures are reported at once, those of control `delay` decisions later on average
    (exponential); what is not there at the horizon counts as a failure by then.
    """
    most = int(BASE * EPISODES + 8 * (BASE * EPISODES) ** 0.5) + 8
    gaps = np.ceil(rng.standard_exponential((most, count)) / -np.log1p(-BASE))
    happened = np.maximum(1, gaps).cumsum(axis=0)
    in_canary = rng.random((most, count)) < share
    if way == "reported":
        late = np.where(in_canary, 0.0, rng.standard_exponential((most, count)) * delay)
        known = happened + np.minimum(late, HORIZON)
    else:
        known = happened + HORIZON
    order = np.argsort(known, axis=0, kind="stable")
    known, in_canary = np.take_along_axis(known, order, 0), np.take_along_axis(in_canary, order, 0)
    bad, over = Bad(count, (share,)), np.zeros(count, dtype=bool)
    stage = np.zeros(count, dtype=np.int64)
    for when, arm in zip(known, in_canary, strict=True):
        rows = np.flatnonzero(when <= EPISODES)
        if not rows.size:
            break
        bad.see(arm[rows], stage[rows], rows)
        over |= bad.e_value() >= LIMITS.bad
    return over
