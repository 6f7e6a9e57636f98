"""The live engine: from proposal to durable verdict, eight agents at once, and leases.

    python -m benchmarks.live [--proposals N] [--agents N] [--dir DIR] [--json OUT]

The engine runs in a process of its own, as in earnest, on the shipped policy with a live capability; agents
ask over its socket from here. The floor is the same bytes appended to a plain file with fdatasync, taking
turns with single proposals, for other programs share the disk. Percentiles are in milliseconds.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from engine.adapters.fence_memory import MemoryFence
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.actions import Running
from engine.core.vocabulary.ids import CapabilityId, EffectId
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.rollouts import RolloutSettings
from engine.ports import Entry, Finished, Task
from engine.runtime import wire
from engine.runtime.client import EngineClient
from engine.runtime.clock import SteadyClock
from engine.runtime.live import Live
from engine.runtime.parts import Parts, SavedSnapshot
from engine.runtime.server import EngineServer
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy
from engine.wiring.privacy import make_scrubber

_RECORD = b"x" * 3_000 + b"\n"
"""About what a proposal and its verdict come to in the journal."""
_PUBLISHED_MS = {"acquire": 0.04, "release": 0.03}


class _Silent:
    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        """Say nothing."""


def _policy() -> Any:
    policy = build_policy(read_policy(SHIPPED_POLICY))
    run = Running(runner="shell", timeout_us=1_000_000, idempotent=True)
    actions = dict(policy.actions)
    actions["cache.clear"] = msgspec.structs.replace(actions["cache.clear"], run=run)
    established = RolloutSettings(established=(CapabilityId("heal@1"),))
    return msgspec.structs.replace(policy, actions=actions, rollouts=established)


async def _nothing_left(_effect_id: EffectId) -> None:
    """No worker of this benchmark leaves anything behind."""


def serve(home: str) -> None:
    """Run an engine until killed."""

    async def run() -> None:
        folder = Path(home)
        live = Live(
            Parts(
                policy=_policy(),
                open_journal=lambda: SqliteJournal(folder / "journal.db"),
                fence=MemoryFence(),
                clock=SteadyClock(),
                announcer=_Silent(),
                scrubber=make_scrubber(),
                home=folder,
                version="benchmark",
                lease_s=15.0,
                start_within_s=3600.0,
                end_leftovers=_nothing_left,
                save_snapshot=lambda: SavedSnapshot(snapshot_id="", journal_seq=0, files=0, size_bytes=0),
            )
        )
        await EngineServer(live, folder / "engine.sock").open()
        while True:
            await asyncio.sleep(0.2)
            live.intake.journal.maintain()

    uvloop.run(run())


def asked(agent: int, number: int) -> Proposal:
    """A proposal that is allowed, or now and then held."""
    return Proposal(
        proposal_id=f"a{agent}-{number}",
        agent=f"agent-{agent}",
        capability="heal@1",
        action="service.restart",
        args={"service": f"web-{number % 50}"},
        episode=f"task-{agent}-{number // 8}",
        environment="staging",
        impact=Impact(cost_usd=Decimal("0.000001"), files=0, api_calls=0),
        confidence=0.6 if number % 10 == 0 else 0.9,
        rationale="the health check failed twice in a row",
    )


def percentiles(taken: list[float]) -> dict[str, float]:
    """Give p50, p99 and the worst, in milliseconds."""
    ordered = sorted(taken)
    return {
        "p50_ms": statistics.median(ordered) * 1e3,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
        "worst_ms": ordered[-1] * 1e3,
    }


async def one_by_one(home: Path, count: int) -> tuple[dict[str, float], dict[str, float]]:
    """Propose one after the other, taking turns with the floor."""
    client = EngineClient(home / "engine.sock")
    handle = os.open(home / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    verdicts, floor = [], []
    for number in range(count):
        began = time.perf_counter()
        await client.ask(wire.Propose(proposal=asked(99, number)))
        verdicts.append(time.perf_counter() - began)
        began = time.perf_counter()
        os.write(handle, _RECORD)
        os.fdatasync(handle)
        floor.append(time.perf_counter() - began)
    os.close(handle)
    await client.close()
    return percentiles(verdicts), percentiles(floor)


async def saturating(home: Path, agents: int, each: int, at_once: int) -> dict[str, Any]:
    """Have agents propose as fast as they are answered, each with some proposals under way at once."""
    taken: list[float] = []
    errors = 0

    async def agent(which: int) -> None:
        nonlocal errors
        client = EngineClient(home / "engine.sock")
        numbers = iter(range(each))

        async def ask() -> None:
            nonlocal errors
            for number in numbers:
                began = time.perf_counter()
                try:
                    await client.ask(wire.Propose(proposal=asked(which * 100 + at_once, number)))
                except Exception:  # noqa: BLE001 - every failure counts, whatever it is
                    errors += 1
                taken.append(time.perf_counter() - began)

        await asyncio.gather(*(ask() for _ in range(at_once)))
        await client.close()

    began = time.perf_counter()
    await asyncio.gather(*(agent(which) for which in range(agents)))
    seconds = time.perf_counter() - began
    return {"per_s": agents * each / seconds, "errors": errors} | percentiles(taken)


def leases(home: Path, count: int) -> dict[str, dict[str, float]]:
    """Measure the task table alone: a lease with a fencing token, and its return."""
    journal = SqliteJournal(home / "leases.db")
    tasks = [
        Task(
            effect_id=f"d_{n}", kind="perform", of=f"d_{n}", decision_id=f"d_{n}", proposal_id=f"p-{n}",
            agent="a", capability="c@1", action="cache.clear", priority=0, queued_us=n, idempotent=True,
        )
        for n in range(1_000)
    ]  # fmt: skip
    journal.append([Entry("tasks", b"{}")], tasks=tasks)
    acquire, release, enqueue, complete = [], [], [], []
    for number in range(count):
        began = time.perf_counter()
        (leased,) = journal.tasks.claim("w", now_us=number, lease_us=10, most=1)
        acquired = time.perf_counter()
        journal.tasks.give_back(leased.effect_id, leased.token)
        released = time.perf_counter()
        extra = msgspec.structs.replace(tasks[0], effect_id=f"x_{number}")
        journal.append([Entry(f"e-{number}", b"{}")], tasks=[extra])
        enqueued = time.perf_counter()
        journal.append([Entry(f"f-{number}", b"{}")], tasks=[Finished(effect_id=extra.effect_id)])
        completed = time.perf_counter()
        acquire.append(acquired - began)
        release.append(released - acquired)
        enqueue.append(enqueued - released)
        complete.append(completed - enqueued)
        journal.maintain()
    journal.close()
    return {
        "acquire": percentiles(acquire),
        "release": percentiles(release),
        "enqueue with its fact, synced": percentiles(enqueue),
        "complete with its fact, synced": percentiles(complete),
    }


def main() -> None:
    """Measure, print, and write JSON if asked."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--proposals", type=int, default=4_000)
    options.add_argument("--agents", type=int, default=8)
    options.add_argument("--dir", type=Path)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as folder:
        home = Path(folder)
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(folder,), daemon=True)
        process.start()
        while not (home / "engine.sock").exists():
            time.sleep(0.01)
        verdict, floor = asyncio.run(one_by_one(home, given.proposals))
        print("proposal to durable verdict, over the engine's socket, synced")
        print(f"  {'':<36}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}")
        for name, row in (("floor: append and fdatasync", floor), ("one agent", verdict)):
            print(f"  {name:<36}{row['p50_ms']:>9.3f}{row['p99_ms']:>9.3f}{row['worst_ms']:>10.2f}")
        ratio = verdict["p50_ms"] / floor["p50_ms"], verdict["p99_ms"] / floor["p99_ms"]
        print(f"  of the floor: p50 {ratio[0]:.2f} times, p99 {ratio[1]:.2f} times (aim: 1 ms and 5 ms)")
        found: dict[str, Any] = {"floor": floor, "one agent": verdict}
        for at_once in (1, 8):
            row = asyncio.run(
                saturating(home, given.agents, given.proposals // given.agents * at_once, at_once)
            )
            name = f"{given.agents} agents, {at_once} under way each"
            found[name] = row
            print(
                f"  {name:<36}{row['p50_ms']:>9.3f}{row['p99_ms']:>9.3f}{row['worst_ms']:>10.2f}"
                f"   {row['per_s']:,.0f} verdicts/s, {row['errors']} errors (aim: 2,000)"
            )
        process.kill()
        process.join()
        found["leases"] = leases(home, given.proposals)
        print("leases, of 1,000 tasks that wait")
        for name, row in found["leases"].items():
            published = f"   published: {_PUBLISHED_MS[name]} ms" if name in _PUBLISHED_MS else ""
            print(
                f"  {name:<36}{row['p50_ms']:>9.3f}{row['p99_ms']:>9.3f}{row['worst_ms']:>10.2f}{published}"
            )
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
