"""What people were told: a line of JSON each, and a plain line for whoever watches.

Telling is the last thing that may fail, so it does not: with the disk full, or the screen gone, everything
goes on without it.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Final, TextIO

import msgspec
from msgspec import Struct

from engine.adapters.redaction import redact

_MOST_BYTES: Final = 4 << 20
_LONGEST_TEXT: Final = 2_000


class Announcement(Struct, frozen=True, kw_only=True):
    """One thing people were told."""

    at_us: int
    kind: str
    """What it is about, for programs: `stopped`, `waiting`, `restarted`, `trouble`, `failsafe`."""
    text: str
    urgent: bool = False
    """Whether somebody should look right now."""


class Announcements:
    """The port `Announcer`, to a file. Any number of processes may add to it."""

    def __init__(
        self, path: str | os.PathLike[str], *, screen: TextIO | None = None, most_bytes: int = _MOST_BYTES
    ) -> None:
        """Use this file, and tell `screen` too if there is one.

        Past `most_bytes` the file moves aside, to the same name with `.1`, and the one before it goes: so the
        newest `most_bytes` at least are always there.
        """
        self._path = Path(path).absolute()
        self._screen = screen
        self._most_bytes = most_bytes

    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        """Say one thing, in one line. Never raises, and never waits for a lock."""
        with contextlib.suppress(Exception):
            text = redact(text)
        plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
        plain = plain.encode(errors="replace").decode()[:_LONGEST_TEXT]
        told = Announcement(at_us=time.time_ns() // 1000, kind=kind, text=plain, urgent=urgent)
        with contextlib.suppress(Exception):
            self._append(msgspec.json.encode(told) + b"\n")
        if self._screen is not None:
            with contextlib.suppress(Exception):
                self._screen.write(f"watchkeeper: {plain}\n")
                self._screen.flush()

    def recent(self, most: int) -> list[Announcement]:
        """Return the newest announcements, the oldest of them first. What cannot be read is left out."""
        lines: list[bytes] = []
        for path in (self._aside, self._path):
            with contextlib.suppress(OSError):
                lines += path.read_bytes().splitlines()
        found: list[Announcement] = []
        for line in reversed(lines):
            if len(found) >= most:
                break
            # A crash may have cut a line, and a full disk several.
            with contextlib.suppress(msgspec.DecodeError):
                found.append(_decode(line))
        return found[::-1]

    @property
    def _aside(self) -> Path:
        return self._path.with_name(self._path.name + ".1")

    def _append(self, line: bytes) -> None:
        # One write at the end of the file is one piece, whoever else writes.
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            status = os.fstat(handle)
            if status.st_size and status.st_size + len(line) > self._most_bytes and self._move_aside(handle):
                os.close(handle)
                handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            os.write(handle, line)
        finally:
            os.close(handle)

    def _move_aside(self, handle: int) -> bool:
        """Rename the file unless another process is just doing so; its line then goes to the old one."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if os.path.samestat(os.fstat(handle), self._path.stat()):
            self._path.replace(self._aside)
        return True


_decode: Final = msgspec.json.Decoder(Announcement).decode
