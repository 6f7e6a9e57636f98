"""What the tests of sequential statistics share: exact walks, seeded canaries, an upper bound."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import lgamma, log, log1p
from typing import NamedTuple

import numpy as np

from engine.core.statistics import mixture, onset, risk_ratio


def paths(length):
    """Every way a row of yes and no can go."""
    return product((True, False), repeat=length)


def chance_of(path, chance):
    """The probability of one such row, exactly, where each yes has the same chance or one of its own."""
    chances = chance if isinstance(chance, list) else [chance] * len(path)
    total = 1
    for happened, each in zip(path, chances, strict=True):
        total *= each if happened else 1 - each
    return total


def crossing(null, odds, weights, truth, needed, longest):
    """The probability that a mixture has reached `needed` by each bet, exactly: only counts matter."""
    happened, did_not = mixture.odds_factors(null, odds)
    up, down, stakes = np.log(happened), np.log(did_not), np.log(weights)
    alive, crossed, found = np.zeros(longest + 2), 0.0, np.zeros(longest + 1)
    alive[0] = 1.0
    for bets in range(1, longest + 1):
        after = np.zeros_like(alive)
        after[:bets] = alive[:bets] * (1.0 - truth)
        after[1 : bets + 1] += alive[:bets] * truth
        yes = np.arange(bets + 1)
        logs = stakes[:, None] + np.outer(up, yes) + np.outer(down, bets - yes)
        over = np.logaddexp.reduce(logs, axis=0) >= log(needed)
        crossed += after[: bets + 1][over].sum()
        after[: bets + 1][over] = 0.0
        alive, found[bets] = after, crossed
    return found


def harm_walked(failed, runs, needed):
    """After how many failures evidence of harm reaches `needed`, in each of many canaries; 0 is never.

    `failed` gives, a failure at a time, the share and whose it was in each run. These are the operations of
    `risk_ratio.see_bad` and `bad` on arrays; a test holds the two together.
    """
    starts, values, first = onset.begin(1), np.zeros((len(risk_ratio.BAD_RATIOS), runs)), np.zeros(runs, int)
    for count, (share, in_canary) in enumerate(failed, 1):
        stake = starts[3]
        onset.multiply(starts, [1.0])
        happened, did_not = mixture.odds_factors(share, risk_ratio.BAD_RATIOS)
        values += stake
        values *= np.where(in_canary, np.array(happened)[:, None], np.array(did_not)[:, None])
        evidence = starts[0] + np.array(risk_ratio.BAD_WEIGHTS) @ values
        first[(first == 0) & (evidence >= needed)] = count
    return first


def drawn(rng, runs, shares, ratio=1.0):
    """Draw whose each failure is, for `harm_walked`: a share for each failure, in every run alike."""
    for share in shares:
        yield share, rng.random(runs) < share * ratio / (share * ratio + 1 - share)


class Ends(NamedTuple):
    """How many candidates ended where, of those walked all the way up."""

    live: int
    rolled_back: int
    held: int


def whole_way(rng, runs, ratio, *, ratios, alpha, bad_needs, longest):
    """Walk many candidates side by side from 1 % up, failure by failure, until each has come to its end.

    Each step begins its evidence of no harm anew; evidence of harm runs through. Nobody waits for a failure
    longer than `longest` in all.
    """
    shares = np.array([0.01, 0.1, 0.5])
    chances = shares * ratio / (shares * ratio + 1 - shares)
    bad_factors = np.array([mixture.odds_factors(share, risk_ratio.BAD_RATIOS) for share in shares])
    good_factors = np.array(
        [good_table(share, ruled_out) for share, ruled_out in zip(shares, ratios, strict=True)]
    )
    step, starts = np.zeros(runs, int), onset.begin(1)
    bad, good = np.zeros((runs, len(risk_ratio.BAD_RATIOS))), np.tile(risk_ratio.GOOD_WEIGHTS, (runs, 1))
    live = rolled_back = 0
    for _ in range(longest):
        stake = starts[3]
        onset.multiply(starts, [1.0])
        row = 1 - (rng.random(len(step)) < chances[step]).astype(int)
        bad = (bad + stake) * bad_factors[step, row]
        good = good * good_factors[step, row]
        broke = starts[0] + bad @ np.array(risk_ratio.BAD_WEIGHTS) >= bad_needs
        passed = ~broke & (good.sum(axis=1) >= 1 / alpha)
        good[passed] = risk_ratio.GOOD_WEIGHTS
        step = step + passed
        arrived = step == len(shares)
        rolled_back, live = rolled_back + int(broke.sum()), live + int(arrived.sum())
        on = ~broke & ~arrived
        step, bad, good = step[on], bad[on], good[on]
        if not len(step):
            break
    return Ends(live, rolled_back, len(step))


def good_table(share, ruled_out):
    """What `risk_ratio.see_good` multiplies by, read off itself: for a failure of the canary, of control."""
    rows = []
    for in_canary in (True, False):
        values = [1.0] * len(risk_ratio.GOOD_WEIGHTS)
        risk_ratio.see_good(values, in_canary, float(share), ruled_out)
        rows.append(values)
    return rows


def median_of(found):
    """After how many bets at least half have crossed."""
    return int(np.searchsorted(found, 0.5))


@dataclass(frozen=True)
class Step:
    """So many episodes at one share, and the probability that one fails, of all or of each."""

    share: float
    episodes: int
    base: float | np.ndarray


def failures(rng, steps, ratio):
    """Draw episodes one by one; return what failed as `(number of the episode, in canary, share)`."""
    found, before = [], 0
    for step in steps:
        in_canary = rng.random(step.episodes) < step.share
        failed = rng.random(step.episodes) < step.base * np.where(in_canary, ratio, 1.0)
        found += [(before + int(at) + 1, bool(in_canary[at]), step.share) for at in np.flatnonzero(failed)]
        before += step.episodes
    return found


def at_most(count, of, confidence=0.999):
    """The one-sided upper bound for a share that was counted (Clopper and Pearson 1934)."""
    ways = [lgamma(of + 1) - lgamma(k + 1) - lgamma(of - k + 1) for k in range(count + 1)]
    low, high = count / of, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        logs = [way + k * log(middle) + (of - k) * log1p(-middle) for k, way in enumerate(ways)]
        low, high = (middle, high) if np.logaddexp.reduce(logs) > log(1 - confidence) else (low, middle)
    return high
