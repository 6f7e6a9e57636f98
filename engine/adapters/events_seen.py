"""Which events of systems outside were taken, so that one that comes again does nothing again.

A file of its own, which can be thrown away: what was proposed or noted is known by its key in the journal as
well; only pages that were over since could then be raised, or ended, by an old event.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from engine.adapters.files import storage_errors
from engine.core.vocabulary.units import DAY_US
from engine.errors import StorageError

_KEPT_US: Final = 30 * DAY_US
_SCHEMA: Final = """
create table if not exists seen (source text, event_id text, at_us integer, primary key (source, event_id))
without rowid
"""


class EventsSeen:
    """The ids of a month. Threads may share one."""

    def __init__(self, path: Path) -> None:
        """Open it when it is first needed."""
        self._path, self._lock = path, threading.Lock()
        self._db: sqlite3.Connection | None = None

    def new(self, source: str, ids: Iterable[str]) -> set[str]:
        """Return those that were not taken yet. Raises `StorageError`."""
        with self._open() as db:
            known = "select 1 from seen where source = ? and event_id = ?"
            return {each for each in ids if db.execute(known, (source, each)).fetchone() is None}

    def note(self, source: str, ids: Iterable[str], now_us: int) -> None:
        """Note that these are taken, and forget what is older than a month. Raises `StorageError`."""
        with self._open() as db, db:
            db.execute("delete from seen where at_us < ?", (now_us - _KEPT_US,))
            db.executemany(
                "insert or ignore into seen values (?, ?, ?)", [(source, each, now_us) for each in ids]
            )

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock, storage_errors(self._path):
            try:
                if self._db is None:
                    self._db = sqlite3.connect(self._path, timeout=5, check_same_thread=False)
                    self._db.execute("pragma journal_mode = wal")
                    self._db.execute(_SCHEMA)
                yield self._db
            except sqlite3.Error as wrong:
                raise StorageError(
                    str(wrong), place=str(self._path), cure="remove it; it can be thrown away"
                ) from wrong
