"""Answers: how each kind of case is worked out, a block at a time, and what is told of it."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.study import clusters, exact, lateness, machine, peers, points, shadow
from benchmarks.study.bounds import upper
from benchmarks.study.cases import MANY, Case
from benchmarks.study.product import RAMP, Array
from benchmarks.study.ramps import ARRIVED, ROLLED_BACK, UNDECIDED, Climb, Ends

Arrays = dict[str, Array]
Told = dict[str, Any]

LOOKED_AT = 200_000
"""Decisions during which a canary is held at its share."""
GRID = np.unique(np.round(np.logspace(2.4, np.log10(LOOKED_AT), 60)).astype(np.int64))
"""Where the curves of harm found are read off."""


def block(case: Case, count: int, seed: np.random.SeedSequence) -> Arrays:
    """Work out so many canaries of a case."""
    return _KINDS[case.kind][0](case, count, seed)


def told(case: Case, blocks: list[Arrays], root: int) -> Told:
    """Put the blocks of a case together, and say what came out."""
    whole = {name: np.concatenate([each[name] for each in blocks]) for name in blocks[0]}
    return {"kind": case.kind, **case.words, "count": case.count, "seed": case.seed(root)} | _KINDS[
        case.kind
    ][1](case, whole)


def share(hits: Array, name: str) -> Told:
    """Tell how often something happened, and the upper bound of that."""
    of = len(hits)
    return {name: float(hits.mean()), f"{name}_at_most": upper(int(hits.sum()), of)}


def spread(values: Array, name: str) -> Told:
    """Tell the median and the tenths on either side; `None` when nothing is there."""
    if not values.size:
        return {name: None}
    low, middle, high = (float(each) for each in np.quantile(values, [0.1, 0.5, 0.9]))
    return {name: middle, f"{name}_10": low, f"{name}_90": high}


# ---------------------------------------------------------------- canaries


def _schedule(case: Case, share_of: tuple[float, ...], *, hold: bool) -> peers.Schedule:
    window = 100_000 if case.words.get("traffic") == MANY else 1_000
    looks = (60 if window > 1_000 else LOOKED_AT // window) if hold else 60
    return peers.Schedule(window=window, most_looks=looks, shares=share_of, hold=hold)


def _canaries(case: Case, count: int, seed: np.random.SeedSequence) -> Arrays:
    rng, weather, rule = np.random.default_rng(seed), case.weather, case.words["rule"]
    if weather is None:
        raise TypeError(case)
    hold = case.kind != "climb"
    shares = (case.words["share"],) if hold else RAMP
    if rule in {"ours", "plain"}:
        # Who looks at a hundred times the traffic has a hundred times the decisions, and so have we.
        most = 6_000_000 if hold and case.words["base"] < 0.01 else LOOKED_AT if hold else 10**9
        climb = Climb(
            weather.world(shares),
            count,
            rng,
            hold=hold,
            late=rule == "ours",
            shares=shares,
            most_episodes=most,
        )
        ends = climb.run()
    else:
        ends = peers.climb(rule, weather, _schedule(case, shares, hold=hold), count, rng)
        return _of(ends, 1.0)
    return _of(ends, weather.decisions_an_episode)


def _of(ends: Ends, decisions_an_episode: float) -> Arrays:
    return {
        "end": ends.end,
        "decisions": ends.episodes * decisions_an_episode,
        "failures": ends.canary_failures,
        "by_limit": ends.by_limit,
    }


def _climbed(case: Case, whole: Arrays) -> Told:
    back, up = whole["end"] == ROLLED_BACK, whole["end"] == ARRIVED
    found = share(back, "rolled_back") | share(up, "arrived") | share(whole["end"] == UNDECIDED, "undecided")
    found["by_limit"] = float(whole["by_limit"].mean())
    found |= spread(whole["decisions"][back], "back_decisions") | spread(
        whole["failures"][back], "back_failures"
    )
    found |= spread(whole["decisions"][up], "up_decisions")
    # Of the canary's failures, those that would not have been in the incumbent's hands.
    found["excess_failures"] = float(whole["failures"].mean() * (1 - 1 / case.words["ratio"]))
    return found


def _held(case: Case, whole: Arrays) -> Told:
    back = whole["end"] == ROLLED_BACK
    when = np.where(back, whole["decisions"], np.inf)
    curve = [[int(at), round(float((when <= at).mean()), 5)] for at in GRID]
    found = share(back, "found") | {"curve": curve}
    found |= spread(whole["decisions"][back], "decisions") | spread(whole["failures"][back], "failures")
    # Over all canaries, found or not: who never finds it would look good otherwise.
    found["median_decisions"] = float(np.median(when)) if back.mean() > 0.5 else None
    found["excess_failures"] = float(whole["failures"].mean() * (1 - 1 / case.words["ratio"]))
    return found


def _found_late(case: Case, whole: Arrays) -> Told:
    back, begins = whole["end"] == ROLLED_BACK, case.words["begins"]
    early = back & (whole["decisions"] <= begins)
    delays = np.where(back, whole["decisions"] - begins, np.inf)[~early]
    found = share(early, "false") | {"found": float(np.isfinite(delays).mean()) if delays.size else None}
    median = float(np.median(delays)) if delays.size else np.inf
    return found | {"delay": median if np.isfinite(median) else None}


# ---------------------------------------------------------------- the rest


def _exact(_case: Case, count: int, seed: np.random.SeedSequence) -> Arrays:
    return {name: np.array([value]) for name, value in asdict(exact.check(seed, count)).items()}


def _exactly(_case: Case, whole: Arrays) -> Told:
    sums = {name: int(values.sum()) for name, values in whole.items() if name != "largest_gap"}
    found = exact.Agreement(**sums, largest_gap=float(whole["largest_gap"].max()))
    return asdict(found) | {"complete": found.complete}


def _machine(_case: Case, count: int, seed: np.random.SeedSequence) -> Arrays:
    return {name: np.array([value]) for name, value in asdict(machine.compare(seed, count)).items()}


def _machines(_case: Case, whole: Arrays) -> Told:
    found = machine.Compared(**{name: int(values.sum()) for name, values in whole.items()})
    return asdict(found) | {"complete": found.complete}


def _pairs(case: Case, count: int, seed: np.random.SeedSequence) -> Arrays:
    found, failures = shadow.pairs(np.random.default_rng(seed), count, **case.words, episodes=20_000)
    return {"found": found, "failures": failures}


def _paired(_case: Case, whole: Arrays) -> Told:
    proven = whole["found"] != shadow.NEVER
    return share(proven, "proven") | spread(whole["found"][proven], "episodes")


def _agreement(case: Case, count: int, seed: np.random.SeedSequence) -> Arrays:
    return shadow.certified(np.random.default_rng(seed), count, **case.words)


def _points(case: Case, count: int, seed: np.random.SeedSequence) -> Arrays:
    return points.alarms(np.random.default_rng(seed), count, **case.words)


def _by_rule(case: Case, whole: Arrays) -> Told:
    """Tell of each rule how often and when; of a change on the way, how often before and how long after."""
    change_at, found = case.words.get("change_at", 0), {}
    if case.words.get("before") == case.words.get("after"):
        change_at = 0
    for rule, when in whole.items():
        let = when != shadow.NEVER
        found[rule] = share(let & (when <= change_at) if change_at else let, "share") | spread(
            when[let & (when > change_at)] - change_at, "after"
        )
    return {"rules": found}


def _clusters(case: Case, count: int, seed: np.random.SeedSequence) -> Arrays:
    return {"end": clusters.judged(np.random.default_rng(seed), count, **case.words)}


def _clustered(case: Case, whole: Arrays) -> Told:
    return share(whole["end"] == (ROLLED_BACK if case.words["ratio"] <= 1 else ARRIVED), "wrong")


def _lateness(case: Case, count: int, seed: np.random.SeedSequence) -> Arrays:
    words = case.words
    over = lateness.rolled_back(
        np.random.default_rng(seed), count, words["share"], words["delay"], words["way"]
    )
    return {"over": over}


def _lately(_case: Case, whole: Arrays) -> Told:
    return share(whole["over"], "rolled_back")


_KINDS: dict[
    str, tuple[Callable[[Case, int, np.random.SeedSequence], Arrays], Callable[[Case, Arrays], Told]]
] = {
    "climb": (_canaries, _climbed),
    "hold": (_canaries, _held),
    "late": (_canaries, _found_late),
    "exact": (_exact, _exactly),
    "machine": (_machine, _machines),
    "pairs": (_pairs, _paired),
    "agreement": (_agreement, _by_rule),
    "points": (_points, _by_rule),
    "clusters": (_clusters, _clustered),
    "lateness": (_lateness, _lately),
}
