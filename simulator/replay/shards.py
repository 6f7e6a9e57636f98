"""Shards: lane workers in this process, or in others that run ahead while the results are settled here."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, cast

import msgspec
from msgspec import Raw, Struct

from engine.core.policy import Weighed
from engine.core.vocabulary.actions import RiskLevel
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.verdicts import Assessment, Objection, Ruling, Wait
from engine.errors import RecordingError, StorageError, WatchkeeperError
from engine.wiring import PolicySource, build_policy
from simulator.recording import LANES, Recording
from simulator.replay.lanes import Batch, LaneWorker, Span

# How many groups a worker may be ahead: enough never to wait for the settling, few enough for flat memory.
_AHEAD = 3
# How far workers stand back, in steps of `nice`, where there are fewer processors than processes.
_POLITENESS = 5


class Shards(Protocol):
    """All lane workers of one replay."""

    def ask(self, group: int, *, with_keyed: bool) -> None:
        """Ask every worker for its lanes of one group."""

    def answers(self) -> list[Batch]:
        """Return the batches of the earliest group asked for. Raises what a worker raised."""

    @property
    def ahead(self) -> int:
        """How many groups to ask for before taking the first answer."""


class _Here:
    """One worker, in this process."""

    ahead = 1

    def __init__(self, worker: LaneWorker) -> None:
        self._worker = worker
        self._asked: deque[tuple[int, bool]] = deque()

    def ask(self, group: int, *, with_keyed: bool) -> None:
        self._asked.append((group, with_keyed))

    def answers(self) -> list[Batch]:
        group, with_keyed = self._asked.popleft()
        return [self._worker.batch(group, with_keyed=with_keyed)]


class _Apart:
    """Several workers, each in a process of its own."""

    ahead = _AHEAD

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections

    def ask(self, group: int, *, with_keyed: bool) -> None:
        for connection in self._connections:
            # Who no longer listens may have said why: that lies among the answers.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.send((group, with_keyed))

    def answers(self) -> list[Batch]:
        batches = []
        for connection in self._connections:
            with _alive():
                answer = connection.recv_bytes()
            if answer[:1] == b"!":
                message, place, cure = msgspec.msgpack.decode(answer[1:])
                raise RecordingError(message, place=place, cure=cure)
            batches.append(_unpacked(answer))
        return batches


_Row = tuple[bytes, Impact, RiskLevel, int, Ruling, tuple[Wait, ...], tuple[Objection, ...]]
"""The fields of `Weighed`, the assessment as bytes."""


class _Packed(Struct, array_like=True):
    """A batch between two processes. What proposals share of how they were weighed travels once."""

    batch: Batch
    weighed: list[_Row]
    positions: list[int]
    """Where those of one proposal after another lie among them."""


_PACKED = msgspec.msgpack.Decoder(_Packed)


def _packed(batch: Batch) -> _Packed:
    distinct = {id(each): each for item in batch.assessed for each in item.weighed}
    places = {which: place for place, which in enumerate(distinct)}
    positions = [places[id(each)] for item in batch.assessed for each in item.weighed]
    for item in batch.assessed:
        item.weighed = []
    rows = [msgspec.structs.astuple(each) for each in distinct.values()]
    return _Packed(batch, [(bytes(each[0]), *each[1:]) for each in rows], positions)


def _unpacked(answer: bytes) -> Batch:
    packed = _PACKED.decode(answer)
    distinct = [Weighed(cast("Assessment", Raw(each[0])), *each[1:]) for each in packed.weighed]
    following = iter(packed.positions)
    for item in packed.batch.assessed:
        item.weighed = [distinct[place] for place in islice(following, len(item.claims))]
    return packed.batch


class Work(Struct, frozen=True):
    """What every worker must know; it travels to their processes."""

    recording: Recording
    sources: list[PolicySource]
    span: Span
    keyed: list[bytes] | None
    """The states to go on from, one for each policy; `None` at the beginning."""
    with_lines: bool
    """Whether somebody keeps the proposals as they were recorded."""


@contextmanager
def open_shards(work: Work, shards: int) -> Iterator[Shards]:
    """Start the workers and stop them at the end, however it comes."""
    if shards == 1:
        yield _Here(_worker(work, 0, 1))
        return
    # A fork starts in milliseconds where a new interpreter takes half a second, but only a process without
    # other threads may safely fork.
    forks = sys.platform == "linux" and threading.active_count() == 1
    context: Any = multiprocessing.get_context("fork" if forks else "spawn")
    workers: list[BaseProcess] = []
    connections: list[Connection] = []
    try:
        for shard in range(shards):
            ours, theirs = context.Pipe()
            connections.append(ours)
            # A fork inherits our ends of the pipes; while it holds one, nobody would see that we are gone.
            inherited = tuple(connections) if forks else ()
            worker = context.Process(
                target=_serve, args=(theirs, work, shard, shards, inherited), daemon=True
            )
            worker.start()
            theirs.close()
            workers.append(worker)
        yield _Apart(connections)
    finally:
        for connection in connections:
            connection.close()
        for worker in workers:
            worker.join(timeout=5)
            if worker.is_alive():
                worker.kill()
                worker.join()


def _worker(work: Work, shard: int, shards: int) -> LaneWorker:
    """Build the worker that owns every `shards`-th lane, in whichever process this runs."""
    return LaneWorker(
        work.recording,
        frozenset(range(shard, LANES, shards)),
        [build_policy(source) for source in work.sources],
        work.span,
        keyed=work.keyed,
        with_lines=work.with_lines,
    )


def _serve(
    connection: Connection, work: Work, shard: int, shards: int, inherited: tuple[Connection, ...]
) -> None:
    for end in inherited:
        end.close()
    # Ctrl-C reaches every process of a terminal; only the one that settles decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Settling cannot be shared out, so it goes first: workers that ran ahead would only wait for it later.
    if hasattr(os, "nice"):
        os.nice(_POLITENESS)
    gc.disable()
    encoder = msgspec.msgpack.Encoder()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            worker = _worker(work, shard, shards)
            while True:
                group, with_keyed = connection.recv()
                connection.send_bytes(encoder.encode(_packed(worker.batch(group, with_keyed=with_keyed))))
        except WatchkeeperError as failure:
            connection.send_bytes(b"!" + encoder.encode((failure.message, failure.place, failure.cure)))


@contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except (EOFError, BrokenPipeError, ConnectionResetError) as gone:
        raise StorageError(
            "a replay worker ended without a word", cure="it may have run out of memory: use fewer shards"
        ) from gone
