"""What the tests of snapshots are made of: folders with everything in them, and a way to compare them."""

import contextlib
import os
import random
import stat
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from engine.adapters.snapshot_store import SnapshotStore
from tests.house.tree import ROOT

NOW_US = 1_795_000_000_000_000
SECOND_US = 1_000_000
LONG_AGO_NS = 1_600_000_000_123_456_789
ALWAYS = 1 << 60
"""More bytes than any store takes."""


def sample(folder: Path) -> Path:
    """Make a small workspace with one of everything that a snapshot must hold."""
    folder.mkdir()
    (folder / "src" / "empty").mkdir(parents=True)
    (folder / "src" / "main.py").write_text("print('hello')\n")
    (folder / "src" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "src" / "run.sh").chmod(0o755)
    (folder / "nothing").touch()
    (folder / "key").write_text("secret")
    (folder / "key").chmod(0o400)
    os.link(folder / "key", folder / "src" / "key-too")
    (folder / "there").symlink_to("src/main.py")
    (folder / "nowhere").symlink_to("../gone")
    (folder / "outside").symlink_to("/etc")
    (folder / os.fsdecode(b"odd \xff\n%41")).write_bytes(b"\0\xff")
    (folder / "large").write_bytes(random.Random(1).randbytes(1 << 16) * 150)
    with (folder / "holes").open("wb") as file:
        file.seek(9 << 20)
        file.write(b"end")
        file.truncate(20 << 20)
    for path in sorted(folder.rglob("*")):
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS), follow_symlinks=False)
    os.utime(folder, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return folder


def seen(folder: Path) -> dict[str, tuple[object, ...]]:
    """Describe every name below a folder, to the byte: two folders are alike when this is equal."""
    first: dict[tuple[int, int], str] = {}
    found: dict[str, tuple[object, ...]] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        known, name = path.lstat(), str(path.relative_to(folder))
        common = (stat.filemode(known.st_mode), known.st_mtime_ns, known.st_uid, known.st_gid)
        if stat.S_ISREG(known.st_mode):
            twin = first.setdefault((known.st_dev, known.st_ino), name)
            found[name] = (*common, sha256(path.read_bytes()).hexdigest(), known.st_size, twin)
        else:
            found[name] = (*common, path.readlink() if path.is_symlink() else None)
    return found


def loose_chunks(store: SnapshotStore) -> set[str]:
    """Return the chunks that are there and that no snapshot names."""
    shelf = store._shelf
    return set(shelf.chunks.sizes()).difference(*shelf.references().values())


def chunk_files(store: SnapshotStore) -> list[Path]:
    """Return every chunk's file."""
    return [store._shelf.chunks.path(name) for name in sorted(store._shelf.chunks.sizes())]


def environment() -> dict[str, str]:
    """The environment for a process that runs one of our scripts by its path."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of this size in memory, where this user may; skips the test where not."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "watchkeeper-tests", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as missing:
        pytest.skip(f"nothing to mount with: {missing}")
    if done.returncode != 0:
        pytest.skip("this user may not mount")
    try:
        yield folder
    finally:
        # Lazily: a test that fails keeps its files open, and should not fail twice.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
