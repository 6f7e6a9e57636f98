"""Votes: five agents over HTTP, from a proposal that is held for votes to its verdict.

    python -m benchmarks.votes [--rounds N] [--dir DIR] [--json OUT]

A whole service, with supervisor, engine, front and a worker in processes of their own; the agents are
connections of this process, which shares the machine's cores with it. One proposes, and waits in a request of
its own for what becomes of it; the moment it is held the other four vote, all at once and without a thought,
so that what is measured is ours alone. A round ends when the proposer has read the final answer. Every step
is durable before it is answered. Percentiles are in milliseconds; aim: p99 50 ms.
"""

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.http_api import Connection
from benchmarks.live import percentiles
from tests.service.services import CAPABILITY, Service, service

_VOTERS: Final = ("agent-1", "agent-2", "agent-3", "agent-4")
_WARM: Final = 20
_AIM_MS: Final = 50.0


def _proposal(number: int) -> bytes:
    """A proposal of which the agent says that it touches enough files to be voted on."""
    body = {
        "action": "file.restore",
        "args": {"path": f"notes/{number % 50}.md"},
        "capability": CAPABILITY,
        "episode": f"task-{number // 8}",
        "impact": {"files": 6},
        "confidence": 0.93,
    }
    return json.dumps(body).encode()


class Round:
    """One proposal, and its vote."""

    def __init__(self, proposer: Connection, waiter: Connection, voters: list[Connection]) -> None:
        """Take the connections of everybody."""
        self.proposer, self.waiter, self.voters = proposer, waiter, voters

    async def run(self, number: int, choice: str) -> dict[str, float]:
        """Propose, vote, and wait until the proposer knows; return how long each part took, in seconds."""
        key = f"Idempotency-Key: {choice}-{number}\r\n"
        began = time.perf_counter()
        status, said = await self.proposer.ask("POST", "/v1/proposals", _proposal(number), key)
        held = time.perf_counter()
        if status != 202 or b'"held"' not in said:
            raise AssertionError(f"{status} {said.decode()}")
        decision = json.loads(said)["decision_id"]
        # The same proposal again, to wait for what becomes of it.
        waiting = asyncio.create_task(
            self.waiter.ask("POST", "/v1/proposals?wait_s=20", _proposal(number), key)
        )
        taken = await asyncio.gather(*(self._vote(voter, decision, choice) for voter in self.voters))
        status, said = await waiting
        over = time.perf_counter()
        answer = json.loads(said)
        wanted = "approved" if choice == "for" else "denied"
        if not answer["final"] or answer["answered"]["how"] != wanted:
            raise AssertionError(f"{status} {said.decode()}")
        return {"whole": over - began, "held": held - began, "vote": max(taken)}

    @staticmethod
    async def _vote(voter: Connection, decision: str, choice: str) -> float:
        body = json.dumps({"choice": choice, "rationale": "six files, all of them listed"}).encode()
        began = time.perf_counter()
        status, said = await voter.ask("POST", f"/v1/decisions/{decision}/vote", body)
        # Of four who vote at once the last may find it decided.
        if status not in {200, 409}:
            raise AssertionError(f"{status} {said.decode()}")
        return time.perf_counter() - began


async def measure(running: Service, rounds: int) -> dict[str, dict[str, float]]:
    """Measure votes that carry and votes that fail, taking turns."""
    found: dict[str, list[float]] = {"whole": [], "held": [], "vote": []}
    async with AsyncExitStack() as stack:

        async def connected(who: str) -> Connection:
            return await stack.enter_async_context(Connection.to(running, who))

        one = Round(
            await connected("agent-0"), await connected("agent-0"), [await connected(who) for who in _VOTERS]
        )
        for number in range(rounds + _WARM):
            taken = await one.run(number, "for" if number % 2 else "against")
            if number >= _WARM:
                for name, seconds in taken.items():
                    found[name].append(seconds)
    return {name: percentiles(seconds) for name, seconds in found.items()}


def main() -> None:
    """Measure, print, and write JSON if asked."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=1_000)
    options.add_argument("--dir", type=Path)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=given.dir) as folder,
        service(Path(folder), http__requests_per_s=100_000) as running,
    ):
        for which in range(len(_VOTERS) + 1):
            running.token(f"agent-{which}")
        found: dict[str, Any] = asyncio.run(measure(running, given.rounds))
    print("five agents, one of whom proposes: over HTTP, synced")
    print(f"  {'':<36}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}")
    for name, said in (
        ("held", "the proposal is held"),
        ("vote", "the slowest of four votes at once"),
        ("whole", "from proposal to verdict"),
    ):
        row = found[name]
        aim = f"   aim: p99 {_AIM_MS:.0f} ms" if name == "whole" else ""
        print(f"  {said:<36}{row['p50_ms']:>9.3f}{row['p99_ms']:>9.3f}{row['worst_ms']:>10.2f}{aim}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
