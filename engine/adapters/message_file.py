"""What was posted where, in a small SQLite file beside the journal. Losing it costs a repeated message."""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlite_utils import Database

from engine.adapters.files import storage_errors
from engine.errors import StorageError
from engine.ports import Posted

_KEY = ("front", "channel", "about")
_MOST_TEXTS = 10_000


class MessageFile:
    """The port `Messages`, in `messages.db`. One process writes it, from any of its threads."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, made if missing; one that cannot be read is put aside and begun anew.

        Without a path all of it is forgotten with its process.
        """
        self._lock = threading.Lock()
        if path is None:
            self._db = _opened(":memory:")
            return
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = _opened(str(path))
        except sqlite3.DatabaseError:
            with storage_errors(path):
                path.replace(path.with_suffix(".broken"))
            self._db = _opened(str(path))

    def find(self, front: str, channel: str, about: str) -> Posted | None:
        """Return the message about something in a channel."""
        return self._one("front = ? and channel = ? and about = ?", (front, channel, about))

    def root(self, front: str, channel: str, episode: str) -> Posted | None:
        """Return the first message of an episode in a channel."""
        return self._one(
            "front = ? and channel = ? and episode = ? order by rowid", (front, channel, episode)
        )

    def by_ref(self, front: str, ref: str) -> Posted | None:
        """Return a message by what the platform knows it by."""
        return self._one("front = ? and ref = ?", (front, ref))

    def open(self) -> Sequence[Posted]:
        """Return the messages that may still change."""
        with self._asking():
            return [_posted(row) for row in self._db["messages"].rows_where("open = 1", order_by="rowid")]

    def keep(self, posted: Posted) -> None:
        """Remember a message, in the place of the one about the same thing."""
        row = msgspec.to_builtins(posted)
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        changed = ", ".join(f"{name} = excluded.{name}" for name in row if name not in _KEY)
        sql = (
            f"insert into messages ({names}) values ({marks}) "  # noqa: S608 - names of our own columns
            f"on conflict ({', '.join(_KEY)}) do update set {changed}"
        )
        with self._asking():
            self._db.execute(sql, list(row.values()))
            self._db.conn.commit()

    def put_by(self, text: str) -> str:
        """Keep a text that a platform has no room for, and return what `text` knows it by: 24 letters."""
        name = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        with self._asking():
            self._db.execute("insert or replace into texts (name, text) values (?, ?)", [name, text])
            # The oldest go first; one that is put by again is the newest.
            self._db.execute(
                "delete from texts where rowid <= (select max(rowid) from texts) - ?", [_MOST_TEXTS]
            )
            self._db.conn.commit()
        return name

    def text(self, name: str) -> str | None:
        """Return a text that was put by; `None` when it is not known, or was too long ago."""
        with self._asking():
            row = self._db.execute("select text from texts where name = ?", [name]).fetchone()
        return str(row[0]) if row is not None else None

    def seen(self) -> int | None:
        """Return the last record that was looked at; `None` at the very first start."""
        with self._asking():
            row = self._db.execute("select seq from seen").fetchone()
        return int(row[0]) if row is not None else None

    def saw(self, seq: int) -> None:
        """Remember how far the journal was looked at."""
        with self._asking():
            self._db.table("seen").upsert({"id": 1, "seq": seq}, pk="id")
            self._db.conn.commit()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _one(self, where: str, values: tuple[Any, ...]) -> Posted | None:
        with self._asking():
            rows = list(self._db["messages"].rows_where(where, values, limit=1))
        return _posted(rows[0]) if rows else None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Use the file, one at a time. Raises `StorageError`."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as refused:
                raise StorageError(
                    f"messages.db: {refused}", cure="free space, or remove the file"
                ) from refused


def _posted(row: dict[str, Any]) -> Posted:
    return Posted(**{**row, "open": bool(row["open"])})


def _opened(place: str) -> Database:
    db = Database(sqlite3.connect(place, check_same_thread=False))
    db.enable_wal()
    columns: dict[str, type] = dict.fromkeys(Posted.__struct_fields__, str) | {"open": int}
    db.table("messages").create(columns, pk=_KEY, if_not_exists=True)
    db.table("messages").create_index(["front", "ref"], if_not_exists=True)
    db.table("messages").create_index(["open"], if_not_exists=True)
    db.table("texts").create({"name": str, "text": str}, pk="name", if_not_exists=True)
    db.table("seen").create({"id": int, "seq": int}, pk="id", if_not_exists=True)
    return db
