"""Trials: nothing of a world but who had each episode and how it ended, as fast as it can be drawn."""

from collections.abc import Iterator

from engine.core.vocabulary.rollouts import Stage
from engine.core.vocabulary.units import DAY_US
from simulator.world.chance import stream
from simulator.world.characters import Character


def trials(
    character: Character,
    *,
    base: float,
    share: float,
    seed: int,
    stage: Stage = "canary_1",
    per_day: float = 400.0,
) -> Iterator[tuple[bool, bool]]:
    """Give `(whether the canary had it, whether it failed)` for one episode after another, without end.

    `base` is the incumbent's probability of failing and `share` the canary's of getting an episode. Episodes
    come evenly, so many a day, for characters that change with time.

    >>> from itertools import islice
    >>> from simulator.world.characters import HARMFUL
    >>> some = [*islice(trials(HARMFUL, base=0.02, share=0.5, seed=7), 10_000)]
    >>> sum(failed for canary, failed in some if canary), sum(failed for canary, failed in some if not canary)
    (498, 92)
    """
    arms, ends = stream(seed, "trials", "arms").random, stream(seed, "trials", "ends").random
    step_us, passed_us = int(DAY_US / per_day), 0
    while True:
        canary = arms() < share
        yield canary, ends() < (character.failing(base, stage, passed_us) if canary else base)
        passed_us += step_us
