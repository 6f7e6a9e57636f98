"""What can be seen of a state folder from outside, with any of its processes dead."""

import asyncio
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from bot.http_api.address import read_address
from engine.adapters.announcements import Announcement, Announcements
from engine.adapters.fence_files import FileFence
from engine.adapters.linux_processes import state_of
from engine.errors import WatchkeeperError
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.client import ask_once
from engine.runtime.layout import Layout
from engine.runtime.processes import ProcessSeen, read_processes, supervisor_pid

_TOLD = 20


class Seen(Struct, frozen=True, kw_only=True):
    """One look."""

    home: Path
    supervisor: int | None
    """Its process number; `None` when none runs."""
    processes: tuple[ProcessSeen, ...]
    """As the supervisor last wrote them down."""
    states: dict[str, Literal["running", "still", "gone"]]
    """How each of them is right now, and `supervisor`: a supervisor that stands still writes nothing down."""
    engine: wire.EngineStatus | None
    """`None` when it does not answer."""
    engine_said: str
    """Why it does not."""
    url: str
    """Where the HTTP API listens; empty when it does not."""
    stops: tuple[Stop, ...]
    told: tuple[Announcement, ...]
    """What people were told lately, oldest first."""

    @property
    def is_well(self) -> bool:
        """Whether it runs and nothing is wrong. A stop is no fault."""
        answers = self.engine is not None and not self.engine.troubles and bool(self.url)
        return answers and all(state == "running" for state in self.states.values())

    def plain(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        found: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return found


def look(home: Path, *, patience_s: float) -> Seen:
    """Look at a state folder. Never waits longer than `patience_s` for an engine that does not answer."""
    layout = Layout(home)
    written = read_processes(layout)
    pid = supervisor_pid(layout)
    engine, said = None, ""
    try:
        answer = asyncio.run(ask_once(layout.socket, wire.GetStatus(), timeout_s=patience_s))
        engine = answer if isinstance(answer, wire.EngineStatus) else None
    except WatchkeeperError as error:
        said = error.message.removeprefix("the engine does not answer: ")
    address = read_address(layout.address)
    processes = written.processes if written is not None and pid is not None else ()
    numbers = {"supervisor": pid} | {process.name: process.pid for process in processes}
    return Seen(
        home=home,
        supervisor=pid,
        processes=processes,
        states={name: state_of(number) for name, number in numbers.items() if number is not None},
        engine=engine,
        engine_said=said,
        # One that was killed leaves its address behind.
        url=address.url if address is not None and state_of(address.pid) != "gone" else "",
        stops=FileFence(layout.stops).stops() if layout.stops.exists() else (),
        told=tuple(Announcements(layout.announcements).recent(_TOLD)),
    )
