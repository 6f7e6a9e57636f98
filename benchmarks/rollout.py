"""Rollouts: what evidence costs, as a part of an empty loop and of plain hashing in the same run.

    python -m benchmarks.rollout [--rounds N] [--outcomes N] [--json OUT]

Each row is one call in a loop, best of several rounds, because other programs share the processors; rows
take turns within a round. A whole outcome is timed one by one, in processor time with the clock's own cost in
it: the fold of a reported outcome, the judgement of the episode that is due by then, and the verdict of
everything that watches.
"""

import argparse
import gc
import hashlib
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.core.statistics import agreement, detector, paired, risk_ratio, sample_ratio
from engine.core.vocabulary.facts import OutcomeReported
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, CapabilityName, ProposalId
from engine.core.vocabulary.rollouts import RolloutPlan, RolloutSettings, SeriesLimit
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.rollout import episodes, steps
from engine.core.work.rollout.assignment import in_canary
from engine.core.work.rollout.candidates import Awaited, Candidate, OpenEpisode, Rollouts

_CALLS = 100_000
_LEAST_PER_S = 300_000
_MOST_US = 20.0
_CAPABILITY, _NAME, _AGENT = CapabilityId("heal@2"), CapabilityName("heal"), AgentId("healer")
_SERIES = ("errors", "latency")
_NO_UPDATES = ("empty loop", "blake2b of an id", "an assignment")


def seconds(call: Callable[[], object]) -> float:
    """Return how long so many calls take."""
    again = range(_CALLS)
    began = time.perf_counter()
    for _ in again:
        call()
    return time.perf_counter() - began


def nothing() -> None:
    """Cost what any call costs."""


def hashed() -> int:
    """Hash an id of the usual length to 64 bits, as every assignment does."""
    return int.from_bytes(hashlib.blake2b(b"heal@2|incident-2041-0317", digest_size=8).digest(), "big")


def assigned() -> bool:
    """Say whose an episode is."""
    return in_canary(_CAPABILITY, "incident-2041-0317", 0.1)


def updates() -> dict[str, Callable[[], object]]:
    """Return one update of each process, on state of its own, fed with what a sound rollout gives it."""
    bad, good, ratio = risk_ratio.begin_bad(), risk_ratio.begin_good(), sample_ratio.begin()
    agreed, pairs, level = agreement.begin(), paired.begin(), detector.begin()
    tenth, half, most, few = (_drawn(chance) for chance in (0.1, 0.5, 0.97, 0.02))
    return {
        "evidence of harm": lambda: risk_ratio.see_bad(bad, next(tenth), 0.1),
        "evidence of no harm": lambda: risk_ratio.see_good(good, next(tenth), 0.1, 2.0),
        "agreement": lambda: agreement.see(agreed, next(most), 0.95),
        "discordant pair": lambda: paired.see(pairs, first := next(half), not first),
        "guardrail": lambda: detector.see(level, next(few), 0.03),
        "sample ratio": lambda: sample_ratio.see(ratio, next(tenth), 0.1),
    }


def _drawn(chance: float) -> Iterator[bool]:
    dice = random.Random(2)
    return itertools.cycle([dice.random() < chance for _ in range(4096)])


def loops(rounds: int) -> dict[str, float]:
    """Return the calls a second of every row."""
    rows = {"empty loop": nothing, "blake2b of an id": hashed, "an assignment": assigned, **updates()}
    best = dict.fromkeys(rows, float("inf"))
    for _ in range(rounds):
        for name, call in rows.items():
            best[name] = min(best[name], seconds(call))
    return {name: _CALLS / took for name, took in best.items()}


def outcomes(count: int) -> list[float]:
    """Return how long each of so many outcomes takes from the fact to the verdict, in microseconds."""
    plan = RolloutPlan(
        horizon_us=100 * SECOND_US,
        guardrails=tuple(SeriesLimit(series=each, above=1.0, share=0.03) for each in _SERIES),
    )
    watching = {each: detector.begin() for each in _SERIES}
    candidate = Candidate(capability=_CAPABILITY, stage="canary_10", since_us=0, guardrails=watching)
    rollouts = Rollouts(settings=RolloutSettings(plan=plan), candidates={_NAME: candidate})
    dice, taken = random.Random(1), []
    gc.collect()
    gc.disable()
    for number in range(count):
        at_us, ours = number * SECOND_US, dice.random() < 0.1
        unit, proposal = f"incident-{number}", ProposalId(f"p-{number}")
        candidate.episodes[unit] = OpenEpisode(
            at_us + plan.horizon_us,
            at_us,
            "canary" if ours else "control",
            0.1,
            proposals=[proposal],
            allowed=True,
        )
        candidate.awaited[proposal] = Awaited(unit, "restart", ours, ours)
        fact = OutcomeReported(
            at_us=at_us,
            proposal_id=proposal,
            agent=_AGENT,
            capability=_CAPABILITY,
            action=ActionName("service.restart"),
            ok=dice.random() >= 0.1,
            by="executor" if ours else "incumbent",
        )
        began = time.thread_time_ns()
        episodes.fold_outcome(rollouts, fact)
        steps.after(rollouts, fact, _no_stop)
        taken.append((time.thread_time_ns() - began) / 1000)
    gc.enable()
    return sorted(taken)


def _no_stop(_: CapabilityId) -> str:
    return ""


def show(figures: dict[str, Any]) -> None:
    """Print both tables."""
    per_s = figures["per_s"]
    empty, plain = per_s["empty loop"], per_s["blake2b of an id"]
    print(f"{'one call':<22}{'a second':>12}{'empty loops':>13}{'hashes':>9}")
    for name, rate in per_s.items():
        print(f"{name:<22}{rate:>12,.0f}{empty / rate:>13.1f}{plain / rate:>9.2f}")
    whole = figures["outcome_us"]
    hash_us = 1e6 / plain
    print(f"\n{'a whole outcome':<22}{'µs':>12}{'':>13}{'hashes':>9}")
    for name, took in whole.items():
        print(f"{name:<22}{took:>12.1f}{'':>13}{took / hash_us:>9.1f}")
    slowest = min(rate for name, rate in per_s.items() if name not in _NO_UPDATES)
    print(f"\nslowest update {slowest:,.0f} a second (goal {_LEAST_PER_S:,}); ", end="")
    print(f"an outcome's p99 {whole['p99']:.1f} µs (goal {_MOST_US:.0f})")


def main() -> None:
    """Measure, print, and write JSON if asked."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--outcomes", type=int, default=100_000)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    taken = min((outcomes(given.outcomes) for _ in range(3)), key=lambda each: each[len(each) * 99 // 100])
    figures = {
        "per_s": loops(given.rounds),
        "outcome_us": {
            "p50": taken[len(taken) // 2],
            "p90": taken[len(taken) * 9 // 10],
            "p99": taken[len(taken) * 99 // 100],
        },
    }
    show(figures)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
