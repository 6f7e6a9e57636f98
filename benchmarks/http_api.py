"""The HTTP API: from proposal to durable verdict, eight agents at once, and health while they are at it.

    python -m benchmarks.http_api [--proposals N] [--agents N] [--dir DIR] [--json OUT]

A whole service, with supervisor, engine, front and a worker in processes of their own; the agents are
connections of this process, which shares the machine's cores with it. The floor is the least the front can
be asked, /v1/health over the same connection, taking turns with single proposals. Percentiles are in
milliseconds.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from benchmarks.live import percentiles
from bot.http_api.address import read_address
from tests.service.services import CAPABILITY, Service, service

_HEALTH_EVERY_S: Final = 0.01


class Connection:
    """One connection that is kept: a client of general use would cost more than what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader, self._writer, self._head = reader, writer, head

    @classmethod
    @asynccontextmanager
    async def to(cls, running: Service, who: str | None) -> AsyncIterator[Self]:
        """Connect, as an agent or as nobody."""
        address = read_address(running.layout.address)
        assert address is not None
        where = urlsplit(address.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        token = f"Authorization: Bearer {running.token(who)}\r\n" if who else ""
        try:
            yield cls(reader, writer, f"Host: {where.netloc}\r\n{token}")
        finally:
            writer.close()
            await writer.wait_closed()

    async def ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, bytes]:
        """Ask, and return status and body."""
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\n{self._head}{kind}{headers}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        said = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(said.partition("content-length: ")[2].partition("\r\n")[0])
        return int(said.split()[1]), await self._reader.readexactly(length)


def _proposal(number: int) -> bytes:
    """A proposal that is decided and not performed: the effect is another measurement."""
    body = {
        "action": "file.write",
        "args": {"path": f"notes/{number % 50}.md", "content": "milk\n" * 20},
        "capability": CAPABILITY.replace("work", "shadowed"),
        "episode": f"task-{number // 8}",
        "environment": "staging",
        "impact": {"cost_usd": "0.000001", "files": 1},
        "confidence": 0.93,
        "rationale": "the shopping list lacked milk",
    }
    return json.dumps(body).encode()


async def _propose(connection: Connection, name: str, number: int) -> float:
    began = time.perf_counter()
    status, said = await connection.ask(
        "POST", "/v1/proposals", _proposal(number), f"Idempotency-Key: {name}-{number}\r\n"
    )
    taken = time.perf_counter() - began
    if status not in {200, 202} or b'"allow"' not in said:
        raise AssertionError(f"{status} {said.decode()}")
    return taken


async def one_by_one(running: Service, count: int) -> tuple[dict[str, float], dict[str, float]]:
    """Propose one after the other, taking turns with the floor."""
    verdicts, floor = [], []
    async with Connection.to(running, "agent-0") as connection:
        for number in range(count):
            verdicts.append(await _propose(connection, "single", number))
            began = time.perf_counter()
            await connection.ask("GET", "/v1/health")
            floor.append(time.perf_counter() - began)
    return percentiles(verdicts), percentiles(floor)


async def saturating(
    running: Service, agents: int, each: int, at_once: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Have agents propose as fast as they are answered; ask how the front is meanwhile."""
    taken: list[float] = []
    health: list[float] = []

    async def agent(which: int, hand: int) -> None:
        async with Connection.to(running, f"agent-{which}") as connection:
            name = f"{at_once}-{hand}"
            taken.extend([await _propose(connection, name, number) for number in range(each // at_once)])

    async def look() -> None:
        async with Connection.to(running, None) as connection:
            while True:
                began = time.perf_counter()
                status, _ = await connection.ask("GET", "/v1/health")
                health.append(time.perf_counter() - began)
                assert status == 200, status
                await asyncio.sleep(_HEALTH_EVERY_S)

    looking = asyncio.create_task(look())
    began = time.perf_counter()
    await asyncio.gather(*(agent(which, hand) for which in range(agents) for hand in range(at_once)))
    seconds = time.perf_counter() - began
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    return {"per_s": len(taken) / seconds} | percentiles(taken), percentiles(health)


def _print(name: str, row: dict[str, float], said: str = "") -> None:
    print(f"  {name:<36}{row['p50_ms']:>9.3f}{row['p99_ms']:>9.3f}{row['worst_ms']:>10.2f}   {said}".rstrip())


def main() -> None:
    """Measure, print, and write JSON if asked."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--proposals", type=int, default=2_000)
    options.add_argument("--agents", type=int, default=8)
    options.add_argument("--dir", type=Path)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=given.dir) as folder,
        service(Path(folder), http__requests_per_s=100_000) as running,
    ):
        for which in range(given.agents):
            running.token(f"agent-{which}")
        print("proposal to durable verdict, over HTTP, synced")
        print(f"  {'':<36}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}")
        verdict, floor = asyncio.run(one_by_one(running, given.proposals))
        _print("floor: /v1/health", floor)
        _print("one agent", verdict, f"of the floor: p50 {verdict['p50_ms'] / floor['p50_ms']:.2f} times")
        found: dict[str, Any] = {"floor": floor, "one agent": verdict}
        for at_once in (1, 4):
            each = given.proposals * at_once // given.agents
            row, health = asyncio.run(saturating(running, given.agents, each, at_once))
            name = f"{given.agents} agents, {at_once} under way each"
            _print(name, row, f"{row['per_s']:,.0f} verdicts/s")
            _print("  /v1/health meanwhile", health, "aim: 100 ms")
            found |= {name: row, f"{name}: health": health}
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
