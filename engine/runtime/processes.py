"""What the supervisor writes down for others: how its processes are, and that it is the only one."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from engine.errors import JournalBusy, StorageError
from engine.runtime.layout import Layout

LOCK: Final = "supervisor.lock"
"""Held, in the state folder, by the one supervisor."""

_ATTEMPTS: Final = 10
_POLL_S: Final = 0.01


class ProcessSeen(Struct, frozen=True, kw_only=True):
    """One process of the product."""

    name: str
    pid: int | None
    """`None` while it does not run."""
    started_us: int | None
    restarts: int
    """How often it was started again because it had ended."""
    last_exit: str
    """How its last life ended; empty in the first."""


class ProcessesFile(Struct, frozen=True, kw_only=True):
    """`processes.json`: what the supervisor knows of its processes."""

    supervisor: int | None
    """Its process number; `None` once it has stopped. One that was killed is still named here, but not by
    `supervisor_pid`."""
    started_us: int
    is_stopping: bool
    processes: tuple[ProcessSeen, ...]


def read_processes(layout: Layout) -> ProcessesFile | None:
    """Return what the supervisor last wrote down, or `None` when there never was one or it cannot be read."""
    try:
        return msgspec.json.decode(layout.processes.read_bytes(), type=ProcessesFile)
    except (OSError, msgspec.DecodeError):
        return None


def supervisor_pid(layout: Layout) -> int | None:
    """Return the process number of the supervisor that runs right now, or `None`."""
    try:
        with (layout.home / LOCK).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read(20))
    except (OSError, ValueError):
        return None
    return None


def write_processes(layout: Layout, seen: ProcessesFile) -> None:
    """Replace the file as a whole. Raises `OSError` when the machine refuses."""
    path = layout.processes
    temporary = path.with_name(f".watchkeeper-{path.name}.tmp")
    temporary.write_bytes(msgspec.json.encode(seen) + b"\n")
    temporary.replace(path)


@contextlib.contextmanager
def only_supervisor(layout: Layout) -> Iterator[None]:
    """Be the one supervisor of a state folder for as long as the block lasts.

    The lock's file stays: two files of one name would be two locks. Raises `JournalBusy` when another one
    runs and `StorageError` when the machine refuses.
    """
    path = layout.home / LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        raise StorageError(text, place=str(path), cure="make the state folder writable") from error
    try:
        if not _locked(handle):
            holder = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
            raise JournalBusy(
                f"process {holder} runs Watchkeeper on this state folder already",
                place=str(layout.home),
                cure=f"use that one, stop it with `kill {holder}`, or choose another folder",
            )
        # A full disk must not keep it from starting; then `supervisor_pid` cannot name it.
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)
            os.write(handle, b"%d\n" % os.getpid())
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    """Take the lock. Whoever only asks, as `supervisor_pid` does, holds it for a moment too."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_POLL_S)
    return False
