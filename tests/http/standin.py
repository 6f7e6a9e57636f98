"""An engine for the tests of the API: the real loop and a real journal, with hands that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.policy import Policy
from engine.core.vocabulary.actions import Running
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.facts import (
    CapabilityDemoted,
    CapabilityPromoted,
    EffectEnded,
    EffectStarted,
    Fact,
    KillSwitchCleared,
    KillSwitchSet,
    OutcomeReported,
    PersonSeen,
    ProposalReceived,
    SnapshotSaved,
    UndoRequested,
    VerdictReached,
    decode,
)
from engine.core.vocabulary.ids import CapabilityId, EffectId, decision_id, undo_id
from engine.core.vocabulary.verdicts import Verdict
from engine.errors import EffectRefused, InputError, Unreachable
from engine.ports import Entry, Stop, Task
from engine.runtime import wire
from engine.runtime.loop import Loop
from tests.builders import NOON_US, changed, shipped

PERFORMED = "cache.clear"
"""The one action that the stand-in's policy has us perform; agents do all others themselves."""


def policy() -> Policy:
    """The shipped policy, with one action that is performed."""
    actions = dict(shipped().actions)
    running = Running(runner="python", timeout_us=1_000_000)
    actions[PERFORMED] = msgspec.structs.replace(actions[PERFORMED], run=running)
    return changed(actions=actions)


class StandIn:
    """Answers as the engine does. Effects wait until the test says `start` and `end`."""

    def __init__(self, path: Path) -> None:
        self.journal = SqliteJournal(path)
        self.loop = Loop(policy(), self.journal)
        self.loop.adopt(NOON_US)
        self.loop.feed(
            [("p", CapabilityPromoted(at_us=NOON_US, capability=CapabilityId("heal@1"), by="ann"))]
        )
        self.now_us = NOON_US
        self.tasks: dict[str, Task] = {}
        self.listeners: set[asyncio.Queue[wire.Happened | None]] = set()
        self.asked: list[wire.AnyRequest] = []
        self.away = False
        """Whether it answers nobody."""
        self._said = self.journal.head().seq
        self._keys = 0

    def close(self) -> None:
        self.journal.close()

    # ------------------------------------------------------------ the client's side

    async def ask(self, request: wire.AnyRequest, *, timeout_s: float | None = None) -> wire.AnyAnswer:
        if self.away:
            raise Unreachable("the engine does not answer", cure="watchkeeper status")
        self.asked.append(request)
        answer = self._answer(request)
        self._spread()
        return answer

    async def subscribe(self) -> AsyncIterator[wire.Happened]:
        if self.away:
            raise Unreachable("the engine does not answer")
        queue: asyncio.Queue[wire.Happened | None] = asyncio.Queue()
        self.listeners.add(queue)
        try:
            while (happened := await queue.get()) is not None:
                yield happened
        finally:
            self.listeners.discard(queue)

    # ------------------------------------------------------------ the hands

    def start(self, effect: str, token: int = 1) -> None:
        task = self.tasks[effect]
        self.tasks[effect] = msgspec.structs.replace(task, worker="w", started=True, token=token)
        self._append(
            f"started:{effect}:{token}",
            EffectStarted(
                at_us=self._tick(),
                effect_id=EffectId(effect),
                decision_id=task.decision_id,
                kind=task.kind,
                worker="w",
                token=token,
                attempt=1,
            ),
        )
        self._spread()

    def end(self, effect: str, status: EffectStatus = "done", output: str = "") -> None:
        task = self.tasks.pop(effect)
        ok = status == "done"
        self._append(
            f"ended:{effect}",
            EffectEnded(
                at_us=self._tick(),
                effect_id=EffectId(effect),
                decision_id=task.decision_id,
                kind=task.kind,
                proposal_id=task.proposal_id,
                agent=task.agent,
                capability=task.capability,
                action=task.action,
                token=1,
                status=status,
                result=Result(success=ok, output=output, error="" if ok else "no", execution_time_s=0.1),
            ),
        )
        self._spread()

    def task_of(self, effect: EffectId) -> Task | None:
        return self.tasks.get(effect)

    # ------------------------------------------------------------ inside

    def _tick(self) -> int:
        self.now_us += 1_000_000
        return self.now_us

    def _append(self, key: str, fact: Fact) -> None:
        self.loop.feed([(key, fact)])

    def _spread(self) -> None:
        for record in self.journal.read(after=self._said):
            self._said = record.seq
            for queue in self.listeners:
                queue.put_nowait(wire.Happened(seq=record.seq, fact=decode(record.body)))

    def _answer(self, request: wire.AnyRequest) -> wire.AnyAnswer:
        now_us = self._tick()
        match request:
            case wire.Propose(proposal=proposal):
                decided = decision_id(proposal.proposal_id)
                fresh = self.journal.find(f"verdict:{decided}") is None
                self.loop.feed([("", ProposalReceived(at_us=now_us, proposal=proposal))])
                record = self.journal.find(f"verdict:{decided}")
                assert record is not None
                verdict = _verdict(record)
                if fresh and self._performs(verdict):
                    self.tasks[decided] = self._task(verdict, EffectId(decided), "perform")
                return wire.Decided(verdict=verdict, status=self._status(verdict), seq=record.seq)
            case wire.ReportOutcome():
                self._append(
                    f"outcome:{request.proposal_id}",
                    OutcomeReported(
                        at_us=now_us,
                        proposal_id=request.proposal_id,
                        agent=request.agent,
                        capability=CapabilityId("heal@1"),
                        action="file.write",
                        ok=request.ok,
                        by="incumbent",
                        detail=request.detail,
                    ),
                )
            case wire.SeePerson():
                self._append(self._key(), PersonSeen(at_us=now_us, person=request.person, role=request.role))
            case wire.SetStop():
                self._append(
                    self._key(),
                    KillSwitchSet(at_us=now_us, scope=request.scope, by=request.by, reason=request.reason),
                )
            case wire.LiftStop():
                self._append(self._key(), KillSwitchCleared(at_us=now_us, scope=request.scope, by=request.by))
            case wire.Promote():
                self._append(
                    self._key(),
                    CapabilityPromoted(at_us=now_us, capability=request.capability, by=request.by),
                )
            case wire.Demote():
                self._append(
                    self._key(), CapabilityDemoted(at_us=now_us, capability=request.capability, by=request.by)
                )
            case wire.RequestUndo():
                return self._undo(request, now_us)
            case wire.RequestPreview():
                result = Result(success=True, output="would clear", execution_time_s=0.0)
                return wire.Previewed(result=result)
            case wire.TakeSnapshot():
                seq = self.journal.head().seq
                saved = SnapshotSaved(
                    at_us=now_us, snapshot_id=f"s-{seq}", journal_seq=seq, files=1, size_bytes=2
                )
                self._append(self._key(), saved)
                return wire.Saved(snapshot_id=saved.snapshot_id, files=1, size_bytes=2)
            case wire.GetStatus():
                return self._engine_status()
            case wire.Beat():
                pass
            case _:
                raise InputError(f"the stand-in does not know {type(request).__name__}")
        return wire.Done()

    def _undo(self, request: wire.RequestUndo, now_us: int) -> wire.Queued:
        ended = self.journal.find(f"ended:{request.of}")
        if ended is None:
            raise EffectRefused("there is nothing to take back", place=request.of, cure="wait for its end")
        fact = decode(ended.body)
        assert isinstance(fact, EffectEnded)
        effect = undo_id(request.of, 1)
        self._append(
            f"undo:{effect}",
            UndoRequested(
                at_us=now_us,
                effect_id=effect,
                of=request.of,
                decision_id=fact.decision_id,
                by=request.by,
                reason=request.reason,
                force=request.force,
            ),
        )
        record = self.journal.find(f"verdict:{fact.decision_id}")
        assert record is not None
        self.tasks[effect] = self._task(_verdict(record), effect, "undo", of=request.of)
        return wire.Queued(effect_id=effect)

    def _key(self) -> str:
        self._keys += 1
        return f"standin:{self._keys}"

    @staticmethod
    def _performs(verdict: Verdict) -> bool:
        return verdict.word == "allow" and not verdict.shadowed and verdict.action == PERFORMED

    def _status(self, verdict: Verdict) -> wire.DecisionStatus:
        if verdict.word != "allow":
            return "denied" if verdict.word == "deny" else "held"
        if verdict.shadowed:
            return "shadowed"
        ended = self.journal.find(f"ended:{verdict.decision_id}")
        if ended is not None:
            fact = decode(ended.body)
            assert isinstance(fact, EffectEnded)
            return fact.status
        task = self.tasks.get(verdict.decision_id)
        return "granted" if task is None else "running" if task.started else "queued"

    def _task(self, verdict: Verdict, effect: EffectId, kind: Any, of: EffectId | None = None) -> Task:
        return Task(
            effect_id=effect,
            kind=kind,
            of=of or effect,
            decision_id=verdict.decision_id,
            proposal_id=verdict.proposal_id,
            agent=verdict.agent,
            capability=verdict.capability,
            action=verdict.action,
            priority=0,
            queued_us=self.now_us,
            idempotent=True,
        )

    def _engine_status(self) -> wire.EngineStatus:
        return wire.EngineStatus(
            pid=os.getpid(),
            version="0",
            policy_hash=self.loop.state.policy_hash,
            started_us=NOON_US,
            now_us=self.now_us,
            journal_seq=self.journal.head().seq,
            stops=(),
            troubles={},
            draining=False,
            queued=len(self.tasks),
            running=0,
            holds=0,
            live={},
            agents=(),
            actions=(),
            unsandboxed=(),
        )


def _verdict(record: Record) -> Verdict:
    fact = decode(record.body)
    assert isinstance(fact, VerdictReached)
    return fact.verdict


class FolderFence:
    """A fence of files, each on disk before `set` returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.order: list[str] = []
        self._setting = threading.Lock()
        self._stops: dict[str, Stop] = {}

    def stops(self) -> tuple[Stop, ...]:
        return tuple(self._stops.values())

    def set(self, stop: Stop) -> None:
        with self._setting:
            self.folder.mkdir(exist_ok=True)
            path = self.folder / str(stop.scope).replace("/", "%")
            with path.open("wb") as file:
                file.write(msgspec.json.encode(stop))
                file.flush()
                os.fsync(file.fileno())
            self._stops.setdefault(str(stop.scope), stop)
            self.order.append("fence")

    def clear(self, scope: Any) -> None:
        self._stops.pop(str(scope), None)

    @contextlib.contextmanager
    def starting(self, agent: Any, capability: Any, action: Any) -> Any:
        yield
