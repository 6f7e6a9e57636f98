"""The cases of the study: what is sent up, by which rule, and what is counted."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.study import clusters, exact, lateness, peers, points, shadow
from benchmarks.study.bounds import upper
from benchmarks.study.ramps import ARRIVED, ROLLED_BACK, Climb, Ends
from benchmarks.study.worlds import Weather

WEATHERS = {
    "0.2 % fail": Weather("constant", 0.002),
    "2 % fail": Weather("constant", 0.02),
    "5 % fail": Weather("constant", 0.05),
    "drifts from 1 to 5 %": Weather("drift", 0.01, 0.05, change_at=30_000),
    "outages, clustered": Weather("outages", 0.01, 0.15),
}
TRUTHS = {"as good": 1.0, "a quarter worse": 1.25}


@dataclass(frozen=True)
class Case:
    """One question to one rule."""

    name: str
    kind: str
    words: tuple[Any, ...]
    count: int


def cases(count: int, peer_count: int) -> list[Case]:
    """List every case, the quick ones first."""
    found = [Case("equality", "exact", (), 40)]
    found += [Case(f"harm {ratio:g} times", "hold", ("ours", ratio), count) for ratio in (2.0, 5.0)]
    found += [Case("harm 5 times, later", "late", (5.0,), count // 4)]
    found += [Case("pairs", "pairs", (0.04, 0.02, overlap), count) for overlap in (0.0, 0.5, 1.0)]
    found += [Case(f"agreement {agrees:g}", "agreement", (agrees,), count) for agrees in _AGREEMENTS]
    found += [Case("guardrail", "points", (after,), peer_count) for after in (0.02, 0.06, 0.10, 0.30)]
    found += [
        Case(f"{counted} by {assigned}", "clusters", (ratio, counted, assigned), peer_count)
        for counted, assigned in clusters.WAYS
        for ratio in (1.0, 2.0)
    ]
    found += [
        Case(f"{way} at {share:g}", "lateness", (share, way), peer_count)
        for share in (0.01, 0.1, 0.5)
        for way in lateness.WAYS
    ]
    for rule in peers.RULES:
        found += [
            Case(f"{rule}, harm {ratio:g} times", "hold", (rule, ratio), peer_count) for ratio in (2.0, 5.0)
        ]
        found += [
            Case(f"{rule}, {truth}", "climb", (rule, "2 % fail", truth), peer_count) for truth in TRUTHS
        ]
    return found + [
        Case(f"ours, {weather}, {truth}", "climb", ("ours", weather, truth), count)
        for weather in WEATHERS
        for truth in TRUTHS
    ]


_AGREEMENTS = (0.93, 0.95, 0.97, 0.98, 0.99)


def run(case: Case, seed: np.random.SeedSequence) -> dict[str, Any]:
    """Answer one case."""
    rng = np.random.default_rng(seed)
    return {"name": case.name, "kind": case.kind, "count": case.count} | _KINDS[case.kind](case, rng, seed)


def _rates(ends: Ends, count: int) -> dict[str, Any]:
    back, up = (ends.end == ROLLED_BACK), (ends.end == ARRIVED)
    found: dict[str, Any] = {
        "rolled_back": float(back.mean()),
        "rolled_back_at_most": upper(int(back.sum()), count),
        "arrived": float(up.mean()),
        "arrived_at_most": upper(int(up.sum()), count),
    }
    for name, which in (("back", back), ("up", up)):
        if which.any():
            found[f"{name}_decisions"] = float(np.median(ends.episodes[which]))
            found[f"{name}_failures"] = float(np.median(ends.canary_failures[which]))
    return found


def _climb(case: Case, rng: np.random.Generator, _seed: np.random.SeedSequence) -> dict[str, Any]:
    rule, name, truth = case.words
    weather = Weather(**{**WEATHERS[name].__dict__, "ratio": TRUTHS[truth]})
    if rule == "ours":
        ends = Climb(weather.world(), case.count, rng).run()
    else:
        ends = peers.climb(rule, weather, peers.Schedule(), case.count, rng)
    return {"rule": rule, "weather": name, "truth": truth} | _rates(ends, case.count)


def _hold(case: Case, rng: np.random.Generator, _seed: np.random.SeedSequence) -> dict[str, Any]:
    rule, ratio = case.words
    weather = Weather("constant", 0.02, ratio=ratio)
    if rule == "ours":
        ends = Climb(weather.world(), case.count, rng, hold=True, most_episodes=200_000).run()
    else:
        schedule = peers.Schedule(most_looks=200, hold=True)
        ends = peers.climb(rule, weather, schedule, case.count, rng)
    return {"rule": rule, "ratio": ratio} | _rates(ends, case.count)


def _late(case: Case, rng: np.random.Generator, _seed: np.random.SeedSequence) -> dict[str, Any]:
    (ratio,), begins = case.words, 20_000
    world = Weather("late", 0.02, ratio=ratio, change_at=begins).world()
    ends = Climb(world, case.count, rng, hold=True, most_episodes=200_000).run()
    after = ends.episodes[ends.end == ROLLED_BACK] - begins
    return {"ratio": ratio, "begins": begins, "delay": float(np.median(after))} | _rates(ends, case.count)


def _pairs(case: Case, rng: np.random.Generator, _seed: np.random.SeedSequence) -> dict[str, Any]:
    found, failures = shadow.pairs(rng, case.count, *case.words, episodes=20_000)
    proven = found != shadow.NEVER
    return {
        "overlap": case.words[2],
        "proven": float(proven.mean()),
        "episodes": float(np.median(found[proven])),
        "failures": float(np.median(failures[proven])),
    }


def _agreement(case: Case, rng: np.random.Generator, _seed: np.random.SeedSequence) -> dict[str, Any]:
    found = shadow.certified(rng, case.count, case.words[0])
    out: dict[str, Any] = {"agrees": case.words[0]}
    for rule, when in found.items():
        let = when != shadow.NEVER
        out[rule] = float(let.mean())
        out[f"{rule}_at_most"] = upper(int(let.sum()), case.count)
        out[f"{rule}_episodes"] = float(np.median(when[let])) if let.any() else None
    return out


def _points(case: Case, rng: np.random.Generator, _seed: np.random.SeedSequence) -> dict[str, Any]:
    (after,), change_at = case.words, 1_000
    found = points.alarms(rng, case.count, 0.02, after, change_at, 10_000)
    out: dict[str, Any] = {"after": after}
    for rule, when in found.items():
        false = (when != points.NEVER) & (when <= (10_000 if after <= 0.02 else change_at))
        real = when[when > change_at] - change_at
        out[rule] = float(false.mean())
        out[f"{rule}_delay"] = float(np.median(real)) if real.size and after > 0.02 else None
    return out


def _clusters(case: Case, rng: np.random.Generator, _seed: np.random.SeedSequence) -> dict[str, Any]:
    ratio, counted, assigned = case.words
    end = clusters.judged(rng, case.count, ratio, counted, assigned)
    wrong = end == (ROLLED_BACK if ratio <= 1 else ARRIVED)
    return {
        "ratio": ratio,
        "counted": counted,
        "assigned": assigned,
        "wrong": float(wrong.mean()),
        "wrong_at_most": upper(int(wrong.sum()), case.count),
    }


def _lateness(case: Case, rng: np.random.Generator, _seed: np.random.SeedSequence) -> dict[str, Any]:
    share, way = case.words
    episodes = 60_000 if share < 0.5 else 20_000
    over = lateness.rolled_back(rng, case.count, share, 0.02, (1.0, 500.0), way, episodes)
    return {
        "share": share,
        "way": way,
        "rolled_back": float(over.mean()),
        "rolled_back_at_most": upper(int(over.sum()), case.count),
    }


def _exact(case: Case, _rng: np.random.Generator, seed: np.random.SeedSequence) -> dict[str, Any]:
    found = exact.check(seed, case.count)
    return {**found.__dict__, "complete": found.complete}


_KINDS = {
    "climb": _climb,
    "hold": _hold,
    "late": _late,
    "pairs": _pairs,
    "agreement": _agreement,
    "points": _points,
    "clusters": _clusters,
    "lateness": _lateness,
    "exact": _exact,
}
