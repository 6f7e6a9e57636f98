"""Mutants: ways to lose determinism that have happened to real programs. The gate must report every one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from engine.core import decide, state
from engine.core.signals import Signal
from engine.core.vocabulary.facts import MetricObserved
from simulator.replay import driver, lanes, track


def _hash_of_strings() -> None:
    """An id from `hash()`, which differs in every process unless somebody fixes the seed."""
    decide.decision_id = lambda proposal_id: f"d_{hash(proposal_id) & 0xFFFFFFFFFFFF:x}"


def _wall_clock() -> None:
    """A verdict that carries the time at which it was computed."""
    settle = decide.settle

    def late(*args: Any) -> Any:
        verdict, against = settle(*args)
        return msgspec.structs.replace(verdict, at_us=time.time_ns() // 1000), against

    decide.settle = track.settle = late


def _set_in_state() -> None:
    """State written with its sets and maps in whatever order memory has them."""
    state._ENCODER = msgspec.json.Encoder(enc_hook=state._plain)


def _set_in_verdict() -> None:
    """What a verdict waits for, named in the order of a set of texts."""
    weigh = decide.weigh

    def unordered(answers: Any) -> Any:
        ruling, waits, against = weigh(answers)
        by_name = {f"{wait.kind} of {wait.role}": wait for wait in waits}
        return ruling, tuple(by_name[name] for name in {*by_name}), against

    decide.weigh = unordered


def _limit_in_each_shard() -> None:
    """A limit counted by each worker for itself."""
    assess = lanes.LaneWorker._assess

    def counting(worker: Any, seq: int, line: bytes, fact: Any) -> Any:
        worker.seen = getattr(worker, "seen", 0) + 1
        found = assess(worker, seq, line, fact)
        if worker.seen > 100:
            found.weighed = [msgspec.structs.replace(each, ruling="deny") for each in found.weighed]
        return found

    lanes.LaneWorker._assess = counting


def _order_of_arrival() -> None:
    """Proposals settled worker by worker instead of in the order in which they were made."""
    driver.attrgetter = lambda _: lambda _: 0


def _forgotten_on_resume() -> None:
    """A checkpoint that comes back without what was used."""
    resume = track.Track.resume

    def forgetful(self: Any, state: bytes, chain: bytes) -> None:
        resume(self, state, chain)
        self.state.usage.live.clear()
        self.state.usage.shadow.clear()

    track.Track.resume = forgetful


def _another_mean() -> None:
    """A fast path in replay that sums in another order than the live fold, one rounding apart."""

    def fold(signals: Any, fact: MetricObserved) -> None:
        signal = signals.by_series.get(fact.series)
        if signal is None:
            signals.by_series[fact.series] = Signal(1, fact.value, fact.at_us, fact.value, 0.0)
            return
        mean = (signal.mean * signal.count + fact.value) / (signal.count + 1)
        signal.squares += (fact.value - signal.mean) * (fact.value - mean)
        signal.count, signal.mean = signal.count + 1, mean
        signal.last, signal.last_us = fact.value, fact.at_us

    lanes.fold_metric = fold


MUTANTS: dict[str, Callable[[], None]] = {
    "hash-of-strings": _hash_of_strings,
    "wall-clock": _wall_clock,
    "set-in-state": _set_in_state,
    "set-in-verdict": _set_in_verdict,
    "limit-in-each-shard": _limit_in_each_shard,
    "order-of-arrival": _order_of_arrival,
    "forgotten-on-resume": _forgotten_on_resume,
    "another-mean": _another_mean,
}
