"""What sandbox tests share: a place to run in, a watch that takes notes, eyes for what is left over."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from engine.adapters.marks import HOME_LABEL, home_id
from engine.adapters.sandbox_bubblewrap import BubblewrapSandbox
from engine.adapters.sandbox_docker import DockerSandbox
from engine.adapters.sandbox_none import NoSandbox
from engine.adapters.sandbox_processes import marked_processes
from engine.errors import Stopped
from engine.ports import Ended, Limits, Program, Sandbox
from tests.needs import need
from tests.patience import PATIENCE_S

LIMITS = Limits(memory_mib=96, pids=32, cpus=1.0, output_kib=64, disk_mib=8, wall_us=20_000_000)


@dataclass
class NotedWatch:
    """A watch that lets everything begin, or nothing, and remembers what it was told."""

    stopped: bool = False
    notes: list[str] = field(default_factory=list)
    open: bool = False

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Take note of the block, or raise as behind a stop."""
        if self.stopped:
            raise Stopped("a stop stands in the way")
        self.notes.append("starting")
        self.open = True
        yield
        self.open = False
        self.notes.append("started")

    async def begun(self) -> None:
        """Wait until the block has been left."""
        async with asyncio.timeout(PATIENCE_S):
            while "started" not in self.notes:
                await asyncio.sleep(0.01)

    def process(self, pid: int) -> None:
        """Take note of a process, which is the first of its group."""
        self.notes.append(f"process {pid} {os.getpgid(pid) == pid} {self.open}")
        self.pid = pid

    def container(self, container_id: str) -> None:
        """Take note of a container."""
        self.notes.append(f"container {container_id} {self.open}")
        self.name = container_id


@dataclass(frozen=True)
class Machine:
    """One sandbox and the folders around it."""

    kind: str
    sandbox: Sandbox
    home: Path
    workspace: Path
    client: object | None = None
    """The Docker engine's, for the Docker sandbox."""

    async def run(self, *argv: str, watch: NotedWatch | None = None, **changes: object) -> Ended:
        """Run a program with the tests' limits, some changed, and see that nothing of it is left."""
        limits = {name: changes.pop(name) for name in list(changes) if name in LIMITS.__struct_fields__}
        program = Program(
            effect_id="effect-1",
            argv=argv,
            workspace=self.workspace,
            limits=msgspec.structs.replace(LIMITS, **limits),
            **changes,
        )
        ended = await self.sandbox.run(program, watch or NotedWatch())
        assert self.left() == []
        return ended

    async def sh(self, script: str, **changes: object) -> Ended:
        """Run a shell script."""
        return await self.run("/bin/sh", "-c", script, **changes)

    async def python(self, script: str, **changes: object) -> Ended:
        """Run a Python script."""
        return await self.run(self.sandbox.python, "-I", "-c", script, **changes)

    def left(self) -> list[str]:
        """Name what is still there of anything run here."""
        found = [f"process {pid}" for pid in marked_processes(home_id(self.home))]
        if self.client is not None:
            label = f"{HOME_LABEL}={os.path.realpath(self.home)}"
            found += [c.name for c in self.client.containers.list(all=True, filters={"label": label})]
        return found


def made(kind: str, folder: Path, request: pytest.FixtureRequest) -> Machine:
    """Make one backend with folders of its own."""
    home, workspace = folder / "home", folder / "workspace"
    home.mkdir()
    workspace.mkdir()
    client = None
    if kind == "docker":
        engine = request.getfixturevalue("docker_engine")
        sandbox = DockerSandbox(home=home, image=engine.python_image, url=engine.url)
        client = engine.client
    elif kind == "bubblewrap":
        need(shutil.which("bwrap"), "bubblewrap is not installed")
        sandbox = BubblewrapSandbox(home=home)
    else:
        sandbox = NoSandbox(home=home)
    state = sandbox.describe()
    need(state.working, f"{kind} does not work here: {state.why}")
    return Machine(kind=kind, sandbox=sandbox, home=home, workspace=workspace, client=client)


def command_lines() -> list[bytes]:
    """Return the command line of every process on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return found
