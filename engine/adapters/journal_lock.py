"""One writer: a lock that the operating system takes back when its holder dies, however it dies."""

import contextlib
import fcntl
import os
import weakref
from pathlib import Path

from engine.adapters.files import storage_errors
from engine.errors import JournalBusy


class WriterLock:
    """The right to write one journal, held through an advisory lock on the file beside it (`<path>.lock`).

    The file itself stays: removing it would let two processes hold locks on two files of one name. Not on
    the journal's own file, because closing any handle of that would drop SQLite's locks on it.
    """

    def __init__(self, journal: str) -> None:
        """Take the lock. Raises `JournalBusy` when somebody has it, `StorageError` when it cannot be made."""
        path = Path(f"{journal}.lock")
        with storage_errors(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with storage_errors(path):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(handle, 0)
                os.write(handle, b"%d\n" % os.getpid())
        except BlockingIOError:
            holder = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise JournalBusy(
                f"process {holder} is writing this journal",
                place=journal,
                cure="hand it your facts, or stop it first; reading needs no lock",
            ) from None
        except BaseException:
            os.close(handle)
            raise
        self._handle: int | None = handle
        _held.add(self)

    @property
    def held(self) -> bool:
        """Whether this process still has the lock: a forked child never does."""
        return self._handle is not None

    def release(self) -> None:
        """Give the lock back. Releasing twice is harmless."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
            _held.discard(self)


_held: "weakref.WeakSet[WriterLock]" = weakref.WeakSet()


def _forget_in_child() -> None:
    """Let go of inherited handles: a forked child would keep the lock alive after its parent died."""
    for lock in list(_held):
        with contextlib.suppress(OSError):
            lock.release()


os.register_at_fork(after_in_child=_forget_in_child)
