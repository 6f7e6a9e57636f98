"""Programs, and the sandboxes they run in."""

from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from engine.core.vocabulary.ids import EffectId
from engine.ports.effects import Watch


class Limits(Struct, frozen=True, kw_only=True):
    """The most that one program may use, together with everything it starts."""

    memory_mib: int
    pids: int
    """Processes and threads."""
    cpus: float
    """Cores, over time."""
    output_kib: int
    """Of what it prints is kept, and as much again of what it prints as errors."""
    disk_mib: int
    """The largest file it may write, and the room in its temporary folder."""
    wall_us: int
    """When it is ended by force."""


class Program(Struct, frozen=True, kw_only=True):
    """One program to run within a sandbox."""

    effect_id: EffectId
    argv: tuple[str, ...]
    environment: dict[str, str] = {}
    """On top of the few variables every program gets. Nothing of our own environment is passed on."""
    stdin: bytes = b""
    workspace: Path
    """The folder it works in and may change, seen as `/workspace` from within."""
    read_only_workspace: bool = False
    """Whether it may only look at that, for a dry run."""
    read_only: tuple[Path, ...] = ()
    """Further files and folders it may read, seen under their own paths."""
    network: tuple[str, ...] = ()
    """The hosts it may reach, `name:port`; none when empty."""
    limits: Limits


class Ended(Struct, frozen=True, kw_only=True):
    """How a program ended. Nothing that it started is left."""

    why: Literal["exited", "timed out", "out of memory", "too much output", "killed"]
    """`killed`: ended by a signal that was not ours to send."""
    status: int | None
    """Its exit status; a signal's number below zero; `None` when we ended it."""
    output: str
    errors: str
    cut_bytes: int = 0
    """How much of both was not kept; a note stands where it was."""
    execution_time_s: float


class SandboxState(Struct, frozen=True, kw_only=True):
    """How a sandbox is doing, for `watchkeeper doctor`."""

    backend: str
    """`docker`, `bubblewrap`, `none`; `refusing` when there is no way to run programs."""
    working: bool
    why: str
    """What it is, or why it does not work."""
    cure: str = ""
    not_limited: tuple[str, ...] = ()
    """What this backend does not limit on this machine, a sentence each."""


class Sandbox(Protocol):
    """Something that runs programs and keeps them from everything that is not theirs."""

    @property
    def workspace(self) -> str:
        """Where a program finds its workspace; empty when it is where it is."""

    @property
    def python(self) -> str:
        """The Python 3 that a program finds within."""

    def describe(self) -> SandboxState:
        """Try it and say how it is doing. Takes up to a few seconds the first time."""

    async def run(self, program: Program, watch: Watch) -> Ended:
        """Run a program to its end. Cancelling this ends everything it started before it returns.

        Raises `Stopped` behind a stop, and `EffectRefused` when it cannot be run as asked; nothing ran then.
        Raises `StorageError` when something it started would not end.
        """

    def close(self) -> None:
        """Let go of what the sandbox itself holds. Closing twice is harmless."""
