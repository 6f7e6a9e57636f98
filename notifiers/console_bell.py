"""A line and a bell on the terminal of `watchkeeper up`. It never waits, and never fails.

Where there is no terminal, as under systemd, the line goes to what the process logs to.
"""

import contextlib
import os
import select
import signal
from pathlib import Path
from typing import Final

from engine.core.plain_text import shortened
from notifiers.channel import Capabilities, Message, Sent
from notifiers.wording import lines_of, title_of

_LONGEST: Final = 400
_STDERR: Final = 2
_BELL: Final = "\a"


class ConsoleBell:
    """The channel `console`."""

    name = "console"
    capabilities = Capabilities(
        loud=False, personal=False, receipt=False, acknowledge=False, latency_s=60, cost_usd=0
    )

    def __init__(self, *, bell: bool = True, terminal: Path | None = None) -> None:
        """Write to `terminal`; `None` means the one of this process, or else of the one that started it."""
        self._bell, self._terminal = bell, terminal

    async def send(self, message: Message) -> Sent:
        """Write the line. Only what is urgent rings."""
        line = f"watchkeeper: {title_of(message, _LONGEST)}"
        if more := "; ".join(lines_of(message)):
            line = f"{line} ({shortened(more, _LONGEST)})"
        ring = self._bell and message.purpose in {"wake", "again"}
        self._write(line, ring=ring)
        return Sent(delivery="accepted")

    async def reconcile(self, message: Message) -> Sent | None:
        """Nobody can say."""
        return None

    async def check(self, address: str) -> str:
        """Find nothing wrong: without a terminal, the log is where the line goes."""
        return ""

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _write(self, line: str, *, ring: bool) -> None:
        terminal = self._terminal or own_terminal()
        text = line.encode(errors="replace")
        if terminal is None or not _to_terminal(terminal, text + (_BELL if ring else "").encode() + b"\r\n"):
            _to_log(text + b"\n")


def own_terminal() -> Path | None:
    """Return the terminal this process writes to, or else the one its parent does; `None` for neither."""
    for process in ("self", str(os.getppid())):
        for number in (2, 1, 0):
            with contextlib.suppress(OSError):
                place = Path(f"/proc/{process}/fd/{number}").readlink()
                if place.is_relative_to("/dev") and _is_terminal(place):
                    return place
    return None


def _is_terminal(place: Path) -> bool:
    handle = os.open(place, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return os.isatty(handle)
    finally:
        os.close(handle)


def _to_terminal(terminal: Path, text: bytes) -> bool:
    """Write what a terminal takes at once: one that was stopped with Ctrl-S takes nothing."""
    # A terminal may stop a background process that writes to it; not this one.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        handle = os.open(terminal, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            return os.write(handle, text) > 0
        finally:
            os.close(handle)
    except OSError:
        return False
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _to_log(text: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):
        _, ready, _ = select.select([], [_STDERR], [], 0)
        if ready:
            # A pipe that is ready takes this much in one piece, without waiting.
            os.write(_STDERR, text[: select.PIPE_BUF])
