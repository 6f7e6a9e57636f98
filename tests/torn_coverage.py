"""Coverage data of processes that were killed while they wrote it."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import psutil


def drop_torn(folder: Path) -> list[Path]:
    """Delete the data files in `folder` that a process left half written, and return those.

    A file whose process still runs stays: it may only be unfinished.
    """
    torn = [
        path
        for path in sorted(folder.glob(".coverage.*.pid*"))
        if not path.name.endswith("-journal") and not _readable(path) and not _being_written(path)
    ]
    for path in torn:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    return torn


def _readable(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("select version from coverage_schema").fetchone() is not None
    except sqlite3.DatabaseError:
        return False


def _being_written(path: Path) -> bool:
    named = re.search(r"\.pid(\d+)\.", path.name)
    return named is not None and psutil.pid_exists(int(named[1]))
