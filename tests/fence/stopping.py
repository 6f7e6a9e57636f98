"""What the tests of fence and sweep share: a state folder, stops, and effects that are only processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from engine.adapters.inflight import InFlight, Underway
from engine.adapters.linux_processes import look, look_at_all
from engine.adapters.marks import process_marks
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EffectId
from engine.ports import Stop
from tests.patience import PATIENCE_S

HERE = Path(__file__).parent
AGENT, CAPABILITY, ACTION = AgentId("coder-1"), CapabilityId("restart@3"), ActionName("service.restart")
ALL = Scope("all")


def stop(scope: Scope = ALL, *, by: str = "kim", reason: str = "it smells of smoke") -> Stop:
    """Make a stop."""
    return Stop(scope=scope, by=by, reason=reason, at_us=1_700_000_000_000_000)


def until(true: Callable[[], object], *, within_s: float = PATIENCE_S) -> bool:
    """Wait until something holds; whether it did in time. It is only ever late when broken."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def gone(pid: int) -> bool:
    """Whether a process has ended, asked for or not."""
    seen = look(pid)
    return seen is None or seen.is_over


@contextlib.contextmanager
def running(*words: object, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for as long as the block lasts, then end it and its group."""
    own_group = {"start_new_session": True} | options
    with subprocess.Popen([str(word) for word in words], **own_group) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()


@contextlib.contextmanager
def helper(name: str, *words: object, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of the programs beside this file; its output can be read, unless it goes into a file."""
    with running(sys.executable, HERE / name, *words, **{"stdout": subprocess.PIPE, **options}) as process:
        yield process


class Hands:
    """A worker and its effects, each a process tree. All of it is ended at the end of the block."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.inflight = InFlight(home / "inflight")
        self._open = contextlib.ExitStack()
        self.worker = self._open.enter_context(running("sleep", "1000"))
        self.started: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for pid, seen in look_at_all().items():
            if pid in self.started and not seen.is_over:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        self._open.close()

    def begin(self, effect: str, *, agent: str = AGENT, worker_pid: int | None = None) -> Underway:
        """Write an effect down, without a process yet."""
        return self.inflight.begin(
            EffectId(effect),
            agent=AgentId(agent),
            capability=CAPABILITY,
            action=ACTION,
            worker_pid=worker_pid or self.worker.pid,
        )

    def perform(
        self, effect: str, script: str = "exec sleep 1000", *, agent: str = AGENT
    ) -> tuple[Underway, int]:
        """Begin an effect that is a shell script, and give its record and its process."""
        underway = self.begin(effect, agent=agent)
        pid = self.marked(effect, script)
        underway.process(pid)
        return underway, pid

    def marked(self, effect: str, script: str = "exec sleep 1000") -> int:
        """Start a script that bears an effect's mark, whether there is a record or not."""
        environment = {**os.environ, **process_marks(self.home, EffectId(effect))}
        process = self._open.enter_context(running("sh", "-c", script, env=environment))
        self.started.append(process.pid)
        return process.pid


def children_written(path: Path, count: int) -> list[int]:
    """Wait for a script to write down so many process numbers, and give them."""
    assert until(lambda: path.exists() and len(path.read_text().split()) == count), path
    return [int(word) for word in path.read_text().split()]
