"""One process under the supervisor: how it is started, signalled and found to have ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.runtime import tied

_LONGEST_LINE: Final = 500


class Pace(Struct, frozen=True, kw_only=True):
    """How long the supervisor waits for what, in seconds."""

    first_wait_s: float = 0.1
    """Before a process that ended is started again; doubled each time it ends early."""
    longest_wait_s: float = 30.0
    steady_s: float = 60.0
    """A process that ran this long has not ended early."""
    front_s: float = 5.0
    """How long the front has to answer what it was asked, in a clean stop."""
    drain_s: float = 30.0
    """How long the workers have to finish what is under way."""
    engine_s: float = 10.0
    """How long the engine has to write down what it knows."""
    hurry_s: float = 1.0
    """How long everybody has, together, once somebody is in a hurry."""
    look_s: float = 0.02
    """Between two looks at the fence. See `Supervisor`."""
    between_restarts_s: float = 0.5
    """Between two processes when all are started again one after the other."""


class Child:
    """One process under the supervisor, over all its lives."""

    def __init__(self, name: str, argv: list[str], *, logs: Path | None) -> None:
        """Name a process; nothing is started. Its output goes to `<logs>/<name>.log`, or where ours goes."""
        self.name = name
        self.kind = name.partition("-")[0]
        self.argv = argv
        self.restarts = 0
        self.started_us: int | None = None
        self.last_exit = ""
        self.due: float | None = None
        """When it is to be started, by the steady clock; `None` when it runs or shall not."""
        self._log = logs / f"{name}.log" if logs else None
        self._log_before = 0
        self._started = 0.0
        self._wait_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The number of the running process, or `None`."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it in a session of its own, tied to this thread: call from the one that lives longest."""
        self.due = None
        with contextlib.ExitStack() as stack:
            output = None
            if self._log is not None:
                self._log.parent.mkdir(exist_ok=True)
                output = stack.enter_context(self._log.open("ab"))
                self._log_before = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - the commands are the product's own
                [sys.executable, "-P", tied.__file__, str(os.getpid()), *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=output or sys.__stderr__,
                stderr=output,
                start_new_session=True,
            )
        self._started = time.monotonic()
        self.started_us = time.time_ns() // 1000

    def signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL it and whatever is left in its group."""
        if self._process is not None:
            # It has not been asked how it ended yet, so its number is still its own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()

    def ended(self) -> int | None:
        """Return its exit status if it has ended since it was last asked, as `subprocess` has it."""
        status = self._process.poll() if self._process else None
        if status is not None:
            self._process = None
            self.last_exit = _said(status)
        return status

    def wait_longer(self, pace: Pace) -> float:
        """Plan the next start, and return in how many seconds that is."""
        if not self._wait_s or time.monotonic() - self._started >= pace.steady_s:
            self._wait_s = pace.first_wait_s
        else:
            self._wait_s = min(self._wait_s * 2, pace.longest_wait_s)
        self.due = time.monotonic() + self._wait_s
        self.restarts += 1
        return self._wait_s

    def last_words(self) -> str:
        """Return the last line of what it wrote in this life, or where to look for it."""
        if self._log is None:
            return "see what it wrote above"
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(max(self._log_before, file.seek(0, os.SEEK_END) - (1 << 16)))
            lines = file.read().decode(errors="replace").split("\n")
            if said := [line.strip() for line in lines if line.strip()]:
                return said[-1][-_LONGEST_LINE:]
        return f"see {self._log}"


def _said(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
