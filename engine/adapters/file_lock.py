"""One at a time: changing a small file that is replaced whole each time."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from engine.adapters.files import storage_errors


@contextlib.contextmanager
def changing_alone(path: Path) -> Iterator[None]:
    """Keep every other process and thread from changing a file meanwhile. Raises `StorageError`.

    The lock is a file of its own: the file itself is replaced, and a lock on it with it.
    """
    lock = path.with_name(f"{path.name}.lock")
    with storage_errors(lock):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with storage_errors(lock):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
