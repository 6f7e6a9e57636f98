"""A process that uses a store, for other tests to watch or to kill.

    python store_process.py hold read|write STORE      hold the store's lock until standard input ends
    python store_process.py create|replace|trim NTH STORE WORK JOURNAL

does it, and is killed at the NTH thing it asks of the system. With NTH 0 it lives, and prints how many those
were.
"""

import os
import signal
import sys
from pathlib import Path

from engine.adapters.snapshot_store import SnapshotStore
from tests.snapshots.making import ALWAYS, NOW_US, SECOND_US

# What changes names or files, as Python's audit hooks call it. Each is heard just before it is done.
CHANGES = {
    "open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.utime",
    "os.chown", "os.truncate", "shutil.rmtree", "fcntl.flock", "sqlite3.connect", "ctypes.call_function",
}  # fmt: skip


def hold(kind: str, store: Path) -> None:
    """Hold the lock."""
    shelf = SnapshotStore(store)._shelf
    with shelf.writing() if kind == "write" else shelf.reading():
        print("held", flush=True)
        sys.stdin.read()


def do(what: str, nth: int, store: Path, work: Path, journal: Path) -> None:
    """Do one thing, and count."""
    asked = 0

    def listen(name: str, _arguments: object) -> None:
        nonlocal asked
        if name in CHANGES:
            asked += 1
            if asked == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    snapshots = SnapshotStore(store)
    sys.addaudithook(listen)
    now_us = NOW_US + 1_000 * SECOND_US
    if what == "create":
        snapshots.create({"workspace": work}, journal=journal, now_us=now_us)
    elif what == "replace":
        oldest = snapshots.list()[0].snapshot_id
        snapshots.replace(oldest, {"workspace": work, "journal": journal}, now_us=now_us)
    else:
        snapshots.trim(1, ALWAYS)
    print(asked)


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        hold(sys.argv[2], Path(sys.argv[3]))
    else:
        do(sys.argv[1], int(sys.argv[2]), *map(Path, sys.argv[3:]))
