"""A body as people run it, the cable between it and its engine, and a hand on that cable."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.http_api.address import read_address
from engine.adapters.body_notes import FolderNotes
from engine.adapters.linux_processes import environment, look_at_all
from engine.adapters.marks import HOME_VARIABLE, home_id
from engine.adapters.token_file import TokenFile
from engine.runtime.layout import Layout
from engine.runtime.processes import read_processes
from tests.fence.stopping import gone, until
from tests.patience import PATIENCE_S
from tests.service.services import ACTIONS, ROOT, Service

PLACED = ("file.write", "note.append", "note.put", "shell.run")


def placed(on: str, *, without: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """The registry of these tests, with what a body can do on one."""
    return {
        name: entry | {"run": entry["run"] | {"on": on}} if name in PLACED and name not in without else entry
        for name, entry in ACTIONS.items()
    }


class Cable:
    """A TCP proxy that can be cut: then nothing passes, and nobody is told."""

    def __init__(self, url: str) -> None:
        """Listen; whoever connects is passed on to that address."""
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._passes = asyncio.Event()
        self._server = self._do(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.join()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def cut(self) -> None:
        """Let nothing pass."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def join(self) -> None:
        """Let everything pass again, and what was sent meanwhile, too."""
        self._loop.call_soon_threadsafe(self._passes.set)

    def close(self) -> None:
        """Pass nothing on any more."""

        async def end() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    async def _connected(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        ends = [to_near]
        try:
            await self._passes.wait()
            far, to_far = await asyncio.open_connection(*self._target)
            ends.append(to_far)
            pumps = [asyncio.create_task(self._pump(*pair)) for pair in ((near, to_far), (far, to_near))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in ends:
                end.transport.abort()

    async def _pump(self, one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
        while data := await one.read(1 << 16):
            await self._passes.wait()
            other.write(data)
            await other.drain()


class Body:
    """One body on a folder of its own, running or not."""

    def __init__(
        self, folder: Path, service: Service, url: str, *, name: str, pools: tuple[str, ...]
    ) -> None:
        """Make its token; nothing runs yet."""
        self.folder, self.url, self.name = folder, url, name
        self.layout = Layout(folder)
        self.workspace = folder / "workspace"
        self.output = folder.with_suffix(".output")
        self.token = TokenFile(service.layout.tokens).create(kind="body", name=name, pools=pools)[1]
        self.process: subprocess.Popen[bytes] | None = None

    def cli(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `watchkeeper body` with these words."""
        return subprocess.run(
            [*self._command, *words],
            cwd=ROOT,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    @property
    def _command(self) -> list[str]:
        return [
            sys.executable, "-m", "watchkeeper", "body", "--folder", str(self.folder), "--engine", self.url,
        ]  # fmt: skip

    def init(self, *accepted: str) -> None:
        """Set it up as its owner would."""
        words = [word for name in accepted for word in ("--accept", name)]
        made = self.cli("init", *words, WATCHKEEPER_TOKEN=self.token)
        assert made.returncode == 0, made.stderr

    def start(self) -> None:
        """Start it."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def hands(self) -> int:
        """Give the process that performs."""
        found: list[int] = []

        def runs() -> bool:
            noted = read_processes(self.layout)
            found[:] = [
                one.pid for one in (noted.processes if noted else ()) if one.pid and not gone(one.pid)
            ]
            return bool(found)

        assert until(runs, within_s=PATIENCE_S), self.output.read_text()
        return found[0]

    def kill(self) -> None:
        """End all of it at once, as a power cut would, but for what works for effects."""
        assert self.process is not None
        hands = self.hands()
        for pid in (self.process.pid, hands):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        assert until(lambda: gone(hands))

    def stop(self) -> int:
        """Stop it cleanly; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def effect_processes(self) -> list[int]:
        """Give every process that works for an effect of this body, by the mark it bears."""
        mark = home_id(self.folder).encode()
        return [
            pid
            for pid, seen in look_at_all().items()
            if environment(pid).get(HOME_VARIABLE.encode()) == mark and not seen.is_over
        ]

    def untold(self) -> list[str]:
        """Give the effects of which the engine has not heard the end."""
        return [f"{one.effect_id} {one.stage}" for one in FolderNotes(self.folder / "notes").unfinished()]

    def end(self) -> None:
        """End whatever is left of it, however."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        noted = read_processes(self.layout)
        for one in noted.processes if noted else ():
            if one.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGCONT)
                    os.kill(one.pid, signal.SIGKILL)
        for pid in self.effect_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def bodied(
    folder: Path, *, on: str = "dev", without: tuple[str, ...] = (), **changes: Any
) -> Iterator[Homes]:
    """Run a service whose actions are for a body, and end whatever bodies come of it."""
    homes = Homes(folder, on, without, **changes)
    try:
        homes.service.start()
        address = read_address(homes.service.layout.address)
        assert address is not None
        homes.cable = Cable(address.url)
        yield homes
    except BaseException:
        for path in (homes.service.output, *(body.output for body in homes.bodies)):
            sys.stderr.write(path.read_text()[-8_000:] if path.exists() else "")
        raise
    finally:
        for body in homes.bodies:
            body.end()
        homes.service.end()
        if homes.cable is not None:
            homes.cable.close()


class Homes:
    """A service, its bodies, and the cable between."""

    def __init__(self, folder: Path, on: str, without: tuple[str, ...], **changes: Any) -> None:
        self.folder = folder
        self.service = Service(folder, actions=placed(on, without=without), **changes)
        self.bodies: list[Body] = []
        self.cable: Cable | None = None

    def body(
        self, name: str = "lap", *, pools: tuple[str, ...] = ("dev",), accepts: tuple[str, ...] = PLACED
    ) -> Body:
        """Set a body up and start it."""
        assert self.cable is not None
        made = Body(self.folder / name, self.service, self.cable.url, name=name, pools=pools)
        self.bodies.append(made)
        made.init(*accepts)
        made.start()
        return made
