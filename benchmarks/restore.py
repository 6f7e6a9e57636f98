"""Snapshots and restore at full size: a workspace of 1 GB and a journal of a million records.

    python -m benchmarks.restore [--small] [--dir DIR] [--json OUT]

The limit is five minutes for restoring both, to the byte. The floor is `cp -a` of the same folder and file in
the same run, followed by a sync of the disk, as every restore ends with one.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.journal import fact
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.snapshot_shelf import used_bytes
from engine.adapters.snapshot_store import SnapshotStore
from engine.ports import Durability

_LIMIT_S = 300
_NOW_US = 1_795_000_000_000_000
_GROUP = 1_000
_HOUR_RECORDS = 2_000
_HOUR_FILES = 50

Figures = dict[str, Any]


def workspace(folder: Path, size: int) -> int:
    """Fill a folder with sources, documents, binaries and a few large files; returns how many files.

    Half of the bytes compress well, as text does, and half not at all.
    """
    chance = random.Random(1)
    text = b"".join(
        b"def handler_%d(request):\n    return respond(request, %d)\n" % (n, n * n) for n in range(9_000)
    )
    written = files = 0
    while written < size:
        place = folder / f"package-{files // 400}" / f"part-{files // 40 % 10}"
        place.mkdir(parents=True, exist_ok=True)
        length = min(int(chance.lognormvariate(9.2, 1.8)), 64 << 20)
        start = chance.randrange(len(text) // 2)
        if files % 2:
            content = chance.randbytes(length)
        else:
            content = (b"# %d\n" % files + text[start:]) * (length // len(text) + 1)
        (place / f"file-{files}").write_bytes(content[:length])
        written += length
        files += 1
    return files


def journal(path: Path, records: int, *, start: int = 0) -> None:
    """Append that many facts of about 500 bytes, a thousand a commit."""
    with SqliteJournal(path) as opened:
        for first in range(start, start + records, _GROUP):
            entries = [fact(number) for number in range(first, min(first + _GROUP, start + records))]
            opened.append(entries, durability=Durability.RELAXED)


def seen(folder: Path) -> str:
    """Digest every name, mode, time and byte below a folder."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        known = path.lstat()
        whole.update(
            f"{path.relative_to(folder)} {stat.filemode(known.st_mode)} {known.st_mtime_ns}".encode()
        )
        if stat.S_ISREG(known.st_mode):
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def timed(step: Callable[[], object]) -> float:
    """Run one step on a quiet disk and return how long it took, in seconds."""
    os.sync()
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def copy(source: Path, target: Path) -> None:
    """The floor."""
    subprocess.run(["cp", "-a", source, target], check=True)
    os.sync()


def an_hour_passes(work: Path, path: Path, records: int) -> None:
    """Change a few files and append a few records, as an hour with agents does."""
    for number, file in enumerate(sorted(work.rglob("file-*"))[:_HOUR_FILES]):
        file.write_bytes(b"changed %d" % number)
    journal(path, _HOUR_RECORDS, start=records)


def measure(place: Path, size: int, records: int) -> Figures:
    """Make, copy, restore, compare."""
    work, path, store = place / "workspace", place / "journal.db", SnapshotStore(place / "snapshots")
    work.mkdir()
    files = workspace(work, size)
    journal(path, records)
    figures: Figures = {"files": files, "workspace_bytes": used_bytes(work), "records": records}
    # What was written just now is read again, as it may still change unseen: measure as if an hour old.
    time.sleep(2.1)

    def create(number: int) -> None:
        store.create({"workspace": work}, journal=path, now_us=_NOW_US + number * 1_000_000)

    figures["first_snapshot_s"] = timed(lambda: create(0))
    figures["journal_bytes"] = path.stat().st_size
    figures["stored_bytes"] = used_bytes(place / "snapshots")
    an_hour_passes(work, path, records)
    figures["second_snapshot_s"] = timed(lambda: create(1))
    figures["second_stored_bytes"] = store.list()[-1].stored_bytes
    before = seen(work)
    figures["cp_s"] = timed(lambda: (copy(work, place / "copy"), copy(path, place / "copy.db")))
    shutil.rmtree(place / "copy")
    (place / "copy.db").unlink()
    targets = {"workspace": place / "out", "journal": place / "out.db"}
    figures["restore_s"] = timed(lambda: store.restore("latest", targets))
    figures["exact"] = seen(place / "out") == before
    with SqliteReader(place / "out.db") as restored, SqliteReader(path) as present:
        figures["restored_records"] = restored.head().seq
        figures["exact"] = figures["exact"] and restored.verify() == present.head()
    shutil.rmtree(place / "out")
    (place / "out.db").unlink()
    an_hour_passes(work, path, records + _HOUR_RECORDS)
    both = {"workspace": work, "journal": path}
    figures["in_place_s"] = timed(
        lambda: store.replace(store.list()[1].snapshot_id, both, now_us=_NOW_US + 2_000_000)
    )
    figures["exact"] = figures["exact"] and seen(work) == before
    figures["verify_s"] = timed(lambda: store.verify("latest"))
    figures["trim_s"] = timed(lambda: store.trim(1, 1 << 60))
    return figures


def shown(figures: Figures) -> list[str]:
    """Write the figures for people."""
    restore_s, floor_s = figures["restore_s"], figures["cp_s"]
    times = (
        f"{restore_s / floor_s:.1f} times the floor, {restore_s / _LIMIT_S:.1%} of the limit of {_LIMIT_S} s"
    )
    rows = {
        "first snapshot": ("first_snapshot_s", f"{_mib(figures['stored_bytes'])} stored"),
        "an hour later": ("second_snapshot_s", f"{_mib(figures['second_stored_bytes'])} more"),
        "cp -a, the floor": ("cp_s", ""),
        "restore, verified": ("restore_s", times),
        "restore in place": ("in_place_s", "with a snapshot of the present first"),
        "verify one": ("verify_s", ""),
        "trim to one": ("trim_s", ""),
    }
    exact = "yes" if figures["exact"] else "NO"
    return [
        f"workspace  {figures['files']:,} files, {_mib(figures['workspace_bytes'])}",
        f"journal    {figures['records']:,} records, {_mib(figures['journal_bytes'])}",
        f"an hour    {_HOUR_FILES} files, {_HOUR_RECORDS:,} records",
        *(f"{name:<18} {figures[key]:7.1f} s  {note}".rstrip() for name, (key, note) in rows.items()),
        f"to the byte: {exact}, {figures['restored_records']:,} records",
    ]


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.1f} MiB"


def main() -> int:
    """Measure, print, and fail when a restore is not exact or takes longer than the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="20 MB and 20,000 records")
    parser.add_argument("--dir", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    size, records = (20_000_000, 20_000) if given.small else (1_000_000_000, 1_000_000)
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        figures = measure(Path(name), size, records)
    print("\n".join(shown(figures)))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    slow = max(figures["restore_s"], figures["in_place_s"]) > _LIMIT_S
    return 0 if figures["exact"] and not slow else 1


if __name__ == "__main__":
    raise SystemExit(main())
