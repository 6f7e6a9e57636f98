"""The demo's world in this process: its configuration, a real engine, front and worker, and its agents."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
from fastapi import FastAPI

from bot.front_process import front_app
from bot.http_api.address import read_address
from engine.adapters.fence_files import FileFence
from engine.adapters.inflight import InFlight
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.sandbox_choice import Sandboxes
from engine.adapters.token_file import TokenFile
from engine.adapters.undo_log import FolderUndoLog
from engine.runtime.client import EngineClient
from engine.runtime.clock import SteadyClock
from engine.runtime.executor import Executor
from engine.runtime.live import Live
from engine.runtime.parts import Ladders, Parts
from engine.runtime.server import EngineServer
from engine.wiring.ladders import read_waking
from engine.wiring.privacy import make_scrubber
from engine.wiring.service import ladders_of, make_folders, make_runners, open_service
from notifiers.pager_process import ladder_channels
from simulator.living.agent_client import AgentClient
from simulator.living.agents import Agent
from simulator.living.fleet import Fleet
from simulator.living.running import CAPABILITIES
from tests.http.placing import Place, Quiet
from tests.patience import PATIENCE_S
from watchkeeper.demo_service import write_config

RATE = 40.0
"""How much faster than outside time runs here."""


class Settled(Random):
    """Chance that is none: always the last choice, and the middle of every range."""

    def choice(self, seq: Any) -> Any:
        return seq[-1]

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2

    def random(self) -> float:
        return 0.5


class Town(Place):
    """A state folder as `watchkeeper demo` makes it, and everything that runs on it."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, TokenFile(home / "tokens.json"))
        home.mkdir(exist_ok=True)
        self.service = open_service(home, write_config(home / "config"))
        make_folders(self.service)
        self.fence = FileFence(self.layout.stops)  # type: ignore[assignment]  # the real one
        self.token["cat"] = self.tokens.create(kind="person", name="cat", role="captain")[1]
        for agent, capabilities in CAPABILITIES.items():
            self.token[agent] = self.tokens.create(kind="agent", name=agent, capabilities=capabilities)[1]
        self.fleet = Fleet(self.service.workspace, seed=1)

    def address(self) -> str | None:
        """Where the API is now."""
        found = read_address(self.layout.address)
        return found.url if found is not None else None

    def app(self, **values: Any) -> FastAPI:
        assert not values
        return front_app(self.service, version="1.2.3")()

    @contextlib.asynccontextmanager
    async def engine(self, *, ladders: Ladders | None = None, **values: Any) -> AsyncIterator[Live]:
        """The live engine under the demo's policy, with a worker."""
        service, channels = self.service, ladder_channels(self.service)

        async def ended(effect_id: object) -> None:
            pass

        def no_snapshot() -> Any:
            raise AssertionError

        live = Live(
            Parts(
                policy=service.policy(),
                open_journal=lambda: SqliteJournal(self.layout.journal),
                fence=self.fence,
                clock=SteadyClock(),
                announcer=Quiet(),
                scrubber=make_scrubber(),
                home=self.layout.home,
                version="1.2.3",
                lease_s=15,
                start_within_s=3600,
                end_leftovers=ended,
                save_snapshot=no_snapshot,
                ladders=ladders_of(service, read_waking(service.config, channels), channels),
            )
        )
        server, client = EngineServer(live, self.layout.socket), EngineClient(self.layout.socket)
        await live.begin()
        await server.open()
        sandboxes, inflight = Sandboxes(home=self.layout.home, image="none"), InFlight(self.layout.inflight)
        executor = Executor(
            client,
            make_runners(service, sandboxes),
            self.fence,
            FolderUndoLog(self.layout.undo),
            worker="w",
            slots=4,
            lease_s=15,
            workspace=service.workspace,
            watching=lambda task: inflight.watching(self.fence, task),
        )
        works = [asyncio.create_task(executor.run()), asyncio.create_task(live.wake_people())]
        try:
            yield live
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            sandboxes.close()
            await client.close()
            await server.close()
            live.intake.close()

    @contextlib.contextmanager
    def client(self, who: str = "cat") -> Iterator[httpx.Client]:
        """Somebody who speaks HTTP."""
        with httpx.Client(
            base_url=self.address() or "", headers=self.bearer(who), trust_env=False, timeout=PATIENCE_S
        ) as client:
            yield client

    def decisions(self, agent: str, **wanted: Any) -> list[dict[str, Any]]:
        """The decisions of an agent so far, the newest first, that have these values."""
        with self.client() as client:
            answer = client.get("/v1/decisions", params={"agent": agent, "limit": 200})
        answer.raise_for_status()
        found = answer.json()["decisions"]
        return [each for each in found if all(each[name] == value for name, value in wanted.items())]

    def say(self, path: str, **body: Any) -> dict[str, Any]:
        """The captain says something."""
        with self.client() as client:
            answer = client.post(f"/v1/{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def agent_client(self, name: str) -> AgentClient:
        """The client of one agent, for which time runs fast."""
        return AgentClient(name, self.token[name], address=self.address, rate=RATE)


@contextlib.asynccontextmanager
async def alive(*agents: Agent) -> AsyncIterator[None]:
    """Let agents live meanwhile; a defect in one of them fails the test, and so does a wrong request."""
    tasks = [asyncio.create_task(agent.live()) for agent in agents]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for agent in agents:
            await agent.client.close()
    assert [agent.faults for agent in agents] == [[] for _ in agents]


async def become(look: Callable[[], Any]) -> Any:
    """Wait until something is so; return it."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE_S
    while not (found := await asyncio.to_thread(look)):
        assert loop.time() < until, "it never became so"
        await asyncio.sleep(0.05)
    return found
