"""A whole live engine in this process: real journal, socket and leases, and a runner that does as told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.adapters.fence_memory import MemoryFence
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.policy import Policy
from engine.core.vocabulary.actions import Action, Running
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId, decision_id
from engine.core.vocabulary.proposals import Proposal
from engine.ports import Job, Task
from engine.runtime import wire
from engine.runtime.client import EngineClient
from engine.runtime.clock import SteadyClock
from engine.runtime.executor import Executor
from engine.runtime.live import Live
from engine.runtime.outbox import status_of, verdict_of
from engine.runtime.parts import Parts, SavedSnapshot
from engine.runtime.server import EngineServer
from engine.runtime.watch import Watch as Looking
from engine.wiring.privacy import make_scrubber
from tests.builders import changed, proposal, shipped
from tests.patience import PATIENCE_S

ONCE = Running(runner="shell", timeout_us=30_000_000)
AGAIN = Running(runner="shell", timeout_us=30_000_000, idempotent=True)


def performing(**runs: Running) -> Policy:
    """The shipped policy without limits, under which we perform these (`cache_clear` is cache.clear)."""
    actions = dict(shipped().actions)
    for word, run in runs.items():
        name = word.replace("_", ".")
        actions[name] = msgspec.structs.replace(actions[name], run=run)
    return changed(actions=actions, limits=())


class Told:
    """An announcer that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.urgent: list[str] = []

    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        self.said.append((kind, text))
        if urgent:
            self.urgent.append(text)

    def of(self, kind: str) -> list[str]:
        return [text for said, text in self.said if said == kind]


class SetClock(SteadyClock):
    """A clock whose both hands a test can move."""

    def __init__(self, wall_us: int = 1_800_000_000_000_000) -> None:
        self.wall, self.steady = wall_us, 1_000_000
        super().__init__(lambda: self.wall, lambda: self.steady)

    def pass_us(self, us: int) -> None:
        """Let time pass, for both."""
        self.wall += us
        self.steady += us


class Runner:
    """Performs by noting it. A test says how each turns out, and may hold one up."""

    def __init__(self) -> None:
        self.performed: list[str] = []
        self.undone: list[str] = []
        self.cancelled: list[str] = []
        self.result = Result(success=True, output="ok", execution_time_s=0.0)
        self.failure: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()
        self.running = 0
        self.most_running = 0

    def check(self, action: Action) -> None:
        """Anything goes."""

    async def preview(self, job: Job) -> Result:
        return Result(success=True, output=f"would do {job.action.name}", execution_time_s=0.0)

    async def perform(self, job: Job) -> Result:
        if self.failure is not None:
            raise self.failure
        with job.watch.starting():
            self.performed.append(str(job.args.get("service", job.effect_id)))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job.effect_id)
            raise
        finally:
            self.running -= 1
        return self.result

    async def undo(self, job: Job, of: EffectId, *, force: bool) -> Result:
        with job.watch.starting():
            self.undone.append(of)
        return self.result


class Beside:
    """A watch over one effect, on a fence in memory."""

    def __init__(self, fence: MemoryFence, task: Task) -> None:
        self._fence, self._task = fence, task

    def starting(self) -> Any:
        return self._fence.starting(self._task.agent, self._task.capability, self._task.action)

    def process(self, pid: int) -> None:
        raise AssertionError("this runner starts no process")

    def container(self, container_id: str) -> None:
        raise AssertionError("this runner starts no container")


class Engine:
    """One live engine and what a test wants to touch of it."""

    def __init__(
        self, home: Path, policy: Policy, *, established: tuple[str, ...] = ("heal@1",), **given: Any
    ) -> None:
        """Under a policy in which these held authority before; what must earn it is any other version."""
        policy = changed(policy, rollouts=msgspec.structs.replace(policy.rollouts, established=established))
        self.home, self.fence, self.told, self.clock = home, MemoryFence(), Told(), SetClock()
        self.runner = Runner()
        self.ended_leftovers: list[str] = []
        self.free_bytes = 1 << 40
        self.journal_path = home / "journal.db"
        parts = {
            "policy": policy,
            "open_journal": lambda: SqliteJournal(self.journal_path),
            "fence": self.fence,
            "clock": self.clock,
            "announcer": self.told,
            "scrubber": make_scrubber(),
            "home": home,
            "version": "0",
            "lease_s": 5.0,
            "start_within_s": 3600.0,
            "end_leftovers": self._end_leftovers,
            "save_snapshot": lambda: SavedSnapshot(snapshot_id="s-1", journal_seq=1, files=2, size_bytes=3),
        }
        self.live = Live(Parts(**parts | given))
        self.looking = Looking(
            self.live, self.told, home, clock_slack_s=5.0, free_bytes=lambda _: self.free_bytes
        )
        self.server = EngineServer(self.live, home / "engine.sock")
        self.client = EngineClient(home / "engine.sock")

    async def _end_leftovers(self, effect_id: EffectId) -> None:
        self.ended_leftovers.append(effect_id)

    async def ask(self, request: wire.AnyRequest, **given: Any) -> Any:
        return await self.client.ask(request, **given)

    async def propose(self, number: int = 1, **values: Any) -> wire.Decided:
        return await self.ask(wire.Propose(proposal=asked(number, **values)))

    async def lease(self, worker: str = "w-1:1", most: int = 1, wait_s: float = 0.0) -> Any:
        return (await self.ask(wire.Lease(worker=worker, most=most, wait_s=wait_s))).effects

    def executor(self, worker: str = "w-1:1", slots: int = 4) -> Executor:
        return Executor(
            self.client,
            {"shell": self.runner},
            self.fence,
            None,  # type: ignore[arg-type]  # this runner keeps nothing
            worker=worker,
            slots=slots,
            lease_s=5.0,
            workspace=self.home,
            watching=self._watching,
        )

    @contextlib.contextmanager
    def _watching(self, task: Task) -> Iterator[Beside]:
        yield Beside(self.fence, task)

    @contextlib.asynccontextmanager
    async def working(self, **given: Any) -> AsyncIterator[Executor]:
        """A worker that performs until the block ends."""
        executor = self.executor(**given)
        work = asyncio.create_task(executor.run())
        try:
            yield executor
        finally:
            self.runner.go.set()
            executor.drain()
            await asyncio.wait_for(work, PATIENCE_S)

    def status_of(self, number: int = 1) -> str:
        """Say where a proposal's decision stands."""
        journal = self.live.intake.journal
        return status_of(journal, verdict_of(journal, decision_id(f"p-{number}")))

    async def until(self, status: str, number: int = 1) -> None:
        """Wait until a proposal's decision stands there."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := self.status_of(number)) != status:
                assert found in {"queued", "running"}, found
                await asyncio.sleep(0.01)


def asked(number: int, **values: Any) -> Proposal:
    return proposal(**{"proposal_id": f"p-{number}", "args": {"service": f"web-{number}"}} | values)


@contextlib.asynccontextmanager
async def engine(home: Path, policy: Policy | None = None, **given: Any) -> AsyncIterator[Engine]:
    """Open an engine that serves, and close it in the end."""
    made = Engine(home, policy or performing(cache_clear=AGAIN), **given)
    await made.server.open()
    try:
        yield made
    finally:
        await made.client.close()
        await made.server.close()
        made.live.intake.close()


async def eventually(true: Any) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.005)
