"""A state folder on which the real engine and the real API run; the tests are its only worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
from fastapi import FastAPI

from bot.http_api.address import Address, read_address
from bot.http_api.app import make_app
from bot.http_api.serving import PLAIN, Encryption, serve
from engine.adapters.counts_view import CountsView
from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.fence_memory import MemoryFence
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.kpi_view import KpiView
from engine.adapters.token_file import TokenFile
from engine.adapters.totp_file import TotpFile
from engine.core.policy import Policy
from engine.core.vocabulary.captaincy import CaptaincySettings
from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.ids import CapabilityId, EffectId
from engine.core.vocabulary.rollouts import RolloutSettings
from engine.core.vocabulary.voting import VotingSettings
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.client import EngineClient
from engine.runtime.clock import SteadyClock
from engine.runtime.layout import Layout
from engine.runtime.live import Live
from engine.runtime.parts import Ladders, Parts, SavedSnapshot
from engine.runtime.server import EngineServer
from engine.wiring import SHIPPED_CONFIG
from engine.wiring.kpis import read_kpis
from engine.wiring.privacy import make_scrubber
from tests.builders import changed, performing
from tests.patience import PATIENCE_S

CAPTAINCY = CaptaincySettings(captain="una", deputy="sam", vetoers=("warden",))
PERFORMED = "cache.clear"
"""The one action that the engine performs here; agents do all others themselves."""

ALLOWED = {
    "action": "cache.clear",
    "args": {"service": "web"},
    "capability": "heal@1",
    "confidence": 0.9,
}
GRANTED = {
    "action": "ticket.create",
    "args": {"title": "a", "body": "b"},
    "capability": "heal@1",
    "confidence": 0.9,
}
DENIED = {"action": "no.such", "capability": "heal@1", "confidence": 0.9}
HELD = ALLOWED | {"confidence": 0.5}
SHADOWED = ALLOWED | {"capability": "edit@1"}


class Quiet:
    """Tells nobody."""

    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        pass


class OrderedFence(MemoryFence):
    """A fence that notes when it was set, beside what else the test notes."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []

    def set(self, stop: Stop) -> None:
        super().set(stop)
        self.order.append("fence")


class Place:
    """One state folder and what runs on it."""

    def __init__(self, home: Path, tokens: TokenFile) -> None:
        self.layout, self.tokens = Layout(home), tokens
        self.fence = OrderedFence()
        self.token: dict[str, str] = {}
        self.journal = Current(self.layout.journal, DecisionsView)
        self.looking = Current(self.layout.journal, DecisionsView)

    def close(self) -> None:
        self.journal.close()
        self.looking.close()

    def bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token[who]}"}

    def save_snapshot(self) -> SavedSnapshot:
        return SavedSnapshot(snapshot_id="s-1", journal_seq=1, files=2, size_bytes=3)

    def sweep(self) -> None:
        self.fence.order.append("sweep")

    def app(self, **values: Any) -> FastAPI:
        """The application, whose engine is at the socket of this folder, or not there."""
        given: dict[str, Any] = {
            "engine": EngineClient(self.layout.socket),
            "journal": self.journal,
            "looking": self.looking,
            "tokens": self.tokens,
            "step_up": TotpFile(self.layout.totp),
            "fence": self.fence,
            "sweep": self.sweep,
            "counting": KpiView(read_kpis(SHIPPED_CONFIG), self.looking, self.layout.kpis).look,
            "tallying": CountsView(self.looking, self.layout.journal, self.layout.counts).look,
            "version": "1.2.3",
            "most_body_bytes": 4096,
            "requests_per_s": 10_000,
        }
        return make_app(**given | values)

    @contextlib.asynccontextmanager
    async def engine(
        self,
        *,
        policy: Policy | None = None,
        voting: VotingSettings | None = None,
        ladders: Ladders | None = None,
        **rollouts: Any,
    ) -> AsyncIterator[Live]:
        """The live engine at its socket, with `heal@1` established; other settings of rollouts as given.

        It performs one action, unless `policy` says otherwise, and wakes people only where it gets `ladders`.
        """

        async def ended(effect_id: EffectId) -> None:
            pass

        established = RolloutSettings(established=(CapabilityId("heal@1"),), **rollouts)
        live = Live(
            Parts(
                policy=changed(
                    policy or performing(PERFORMED),
                    rollouts=established,
                    captaincy=CAPTAINCY,
                    voting=voting or VotingSettings(),
                ),
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
                save_snapshot=self.save_snapshot,
                ladders=ladders,
            )
        )
        server = EngineServer(live, self.layout.socket)
        await server.open()
        waking = asyncio.create_task(live.wake_people())
        try:
            yield live
        finally:
            waking.cancel()
            await asyncio.gather(waking, return_exceptions=True)
            await server.close()
            live.intake.close()

    @contextlib.asynccontextmanager
    async def talking(self, who: str | None = None, **values: Any) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the application in this process, speaking as somebody, while both run."""
        async with calling(self.app(**values), self.bearer(who) if who else {}) as client:
            yield client

    @contextlib.contextmanager
    def served(
        self,
        *,
        engine: bool = True,
        ladders: Ladders | None = None,
        port: int = 0,
        encryption: Encryption = PLAIN,
        **values: Any,
    ) -> Iterator[str]:
        """Engine and API in a thread of their own, on a real socket; gives the URL."""
        address_file = self.layout.home / "http.json"
        stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        failed: list[BaseException] = []

        async def run() -> None:
            stop = asyncio.Event()
            stopping.append((asyncio.get_running_loop(), stop))
            async with self.engine(ladders=ladders) if engine else contextlib.nullcontext():
                await serve(
                    self.app(**values),
                    host="127.0.0.1",
                    port=port,
                    address_file=address_file,
                    drain_s=2,
                    stop=stop,
                    encryption=encryption,
                )

        def main() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:  # noqa: BLE001 - handed to the thread that asks
                failed.append(error)

        thread = threading.Thread(target=main)
        thread.start()
        try:
            yield waited(address_file, failed).url
        finally:
            loop, stop = stopping[0]
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)
            thread.join(PATIENCE_S)
        assert not failed, failed
        assert not thread.is_alive()


def waited(address_file: Path, failed: list[BaseException]) -> Address:
    """Wait until the API says where it listens, and does."""
    while True:
        assert not failed, failed
        address = read_address(address_file)
        if address is not None:
            with contextlib.suppress(OSError), socket.create_connection((address.host, address.port), 1):
                return address
        threading.Event().wait(0.01)


@contextlib.asynccontextmanager
async def calling(app: FastAPI, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in this process, while the application runs."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            yield client
    await app.state.front.engine.close()


async def perform(live: Live, effect: str, status: EffectStatus = "done", output: str = "") -> None:
    """Do what a worker does: lease an effect, begin it and end it."""
    token = await begin(live, effect)
    ok = status == "done"
    result = Result(success=ok, output=output, error="" if ok else "no", execution_time_s=0.1)
    await live.leases.end(wire.End(effect_id=EffectId(effect), token=token, status=status, result=result))


def worker(place: Place, status: EffectStatus = "done", effects: int = 1) -> None:
    """Lease effects and end them, through the engine's socket, in this thread."""

    async def work() -> None:
        client = EngineClient(place.layout.socket)
        done = 0
        while done < effects:
            leased = await client.get(wire.Leased, wire.Lease(worker="w", most=4, wait_s=5))
            for one in leased.effects:
                key = {"effect_id": one.task.effect_id, "token": one.task.token}
                await client.ask(wire.Start(**key))
                result = Result(success=status == "done", output="ok", execution_time_s=0.0)
                await client.ask(wire.End(**key, status=status, result=result))
                done += 1
        await client.close()

    asyncio.run(work())


async def begin(live: Live, effect: str) -> int:
    """Lease one effect and begin it; returns the token of its lease."""
    leased = await live.leases.lease(wire.Lease(worker=f"w-{os.getpid()}", most=10, wait_s=5))
    (found,) = [one for one in leased.effects if one.task.effect_id == effect]
    await live.leases.start(wire.Start(effect_id=found.task.effect_id, token=found.task.token))
    return found.task.token


class Silent:
    """A socket that takes every connection and never says a word: an engine stopped with SIGSTOP."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._listener.close()
