"""Clusters: a few sick services fail most of the time, and an episode holds many decisions. What counts?

The claim behind the evidence is that, given a failure, the arm is as if drawn anew. That is so when each
episode is assigned by itself and counts once. It is not so when a service keeps its arm, for then chance
decides once where the sick ones are; nor when each decision of an episode counts, for they fail together.
"""

import numpy as np

from benchmarks.study.product import LIMITS, Array, Bad, Good
from benchmarks.study.ramps import ARRIVED, ROLLED_BACK, UNDECIDED
from benchmarks.study.worlds import Dice

WAYS = (
    ("decision", "service"), ("episode", "service"), ("decision", "episode"), ("episode", "episode"),
)  # fmt: skip
"""What is counted, and what is assigned. The last is the product's way."""
SERVICES, SICK = 400, 12
SICK_FAILS, WELL_FAILS = 0.4, 0.01
SHARE, RATIO_RULED_OUT = 0.1, 2.0


def judged(
    rng: Dice, count: int, ratio: float, counted: str, assigned: str, most_failed_episodes: int = 3000
) -> Array:
    """Return how each canary at a 10 % share ended: rolled back, let to the next step, or neither."""
    if assigned == "service":
        sick, well = rng.binomial(SICK, SHARE, count), rng.binomial(SERVICES - SICK, SHARE, count)
        in_canary = sick * SICK_FAILS + well * WELL_FAILS
        in_control = (SICK - sick) * SICK_FAILS + (SERVICES - SICK - well) * WELL_FAILS
    else:
        everything = SICK * SICK_FAILS + (SERVICES - SICK) * WELL_FAILS
        in_canary, in_control = np.full(count, everything * SHARE), np.full(count, everything * (1 - SHARE))
    chance = ratio * in_canary / (ratio * in_canary + in_control)
    bad, good = Bad(count, (SHARE,)), Good(count, (SHARE,), (RATIO_RULED_OUT,))
    stage, ids = np.zeros(count, dtype=np.int64), np.arange(count)
    left, episodes = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    arm, end = np.zeros(count, dtype=bool), np.full(count, UNDECIDED)
    while ids.size:
        new = left == 0
        arm[new] = rng.random(int(new.sum())) < chance[new]
        # Every decision of a failed episode failed; there are five on average.
        left[new] = rng.geometric(0.2, int(new.sum())) if counted == "decision" else 1
        episodes += new
        left -= 1
        bad.see(arm, stage)
        good.see(arm, stage)
        over, up = bad.e_value() >= LIMITS.bad, good.e_value() >= LIMITS.good
        end[ids[over]], end[ids[up & ~over]] = ROLLED_BACK, ARRIVED
        keep = ~over & ~up & (episodes < most_failed_episodes)
        if not keep.all():
            bad.keep(keep)
            good.keep(keep)
            ids, stage, left, episodes, arm, chance = (
                each[keep] for each in (ids, stage, left, episodes, arm, chance)
            )
    return end
