"""The reading side of the SQLite journal, and its verification."""

import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Final, Self, cast

import apsw

from engine.adapters.journal_chain import Row, broken, closed, verify_rows
from engine.adapters.journal_schema import check_schema, explained, open_reader, schema_version
from engine.adapters.journal_snapshots import newest
from engine.adapters.journal_tasks import SqliteTaskReader
from engine.core.vocabulary.chain import GENESIS, Head, Record
from engine.ports import Snapshot

# The cast hands the body's bytes over as they are stored, also when they are no longer valid text.
_FIELDS: Final = "SELECT seq, key, CAST(body AS BLOB), prev, hash FROM journal"
LAST: Final = "SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1"
ONE_BY_KEY: Final = f"{_FIELDS} WHERE key = ?"
_PAGE: Final = f"{_FIELDS} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1000"
_ALL: Final = f"{_FIELDS} ORDER BY seq"
_BY_KEY: Final = "SELECT key, seq FROM journal INDEXED BY sqlite_autoindex_journal_1 ORDER BY key"

_open: "weakref.WeakSet[SqliteReader]" = weakref.WeakSet()


class SqliteReader:
    """A journal opened for reading only, beside the writer or without one. Safe from many threads."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open an existing journal.

        Raises `InputError` when there is none and `JournalError` when the file is not ours or too new.
        """
        self._place = os.path.realpath(path)
        self._reader = open_reader(self._place)
        self._reading = threading.Lock()
        self._closed = False
        _open.add(self)

    def __enter__(self) -> Self:
        """Use as a context that closes at its end."""
        return self

    def __exit__(self, *_raised: object) -> None:
        """Close."""
        self.close()

    @property
    def tasks(self) -> SqliteTaskReader:
        """The effects that wait or are under way, to look at."""
        return SqliteTaskReader(self._ask)

    @property
    def place(self) -> str:
        """The file, as messages name it."""
        return self._place

    def head(self) -> Head:
        """Return the last record's sequence number and hash."""
        rows = self._ask(LAST)
        return Head(*rows[0]) if rows else Head()

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[Record]:
        """Yield records with `after < seq <= until` in order; `until=None` means to the head at the call.

        Reads a thousand at a time, so memory stays flat and no checkpoint waits for a slow caller. Raises
        `ChainBroken` where the file is damaged beyond reading; hashes are `verify`'s business.
        """
        head = self.head().seq
        return self._pages(max(after, 0), head if until is None else min(until, head))

    def _pages(self, after: int, until: int) -> Iterator[Record]:
        while after < until:
            rows = self._ask(_PAGE, (after, until))
            if not rows:
                raise broken(f"record {after + 1} is missing", self._place)
            for row in rows:
                yield Record(*row)
            after = rows[-1][0]

    def find(self, key: str) -> Record | None:
        """Return the record with this idempotency key, or `None`."""
        try:
            rows = self._ask(ONE_BY_KEY, (key,))
        except UnicodeEncodeError:
            return None  # no key of ours has a lone surrogate in it
        return Record(*rows[0]) if rows else None

    def latest_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot whose bytes and place in the chain check out, or `None`."""
        with self._reading:
            self._require_open()
            try:
                if schema_version(self._reader) < 2:  # made before there were snapshots
                    return None
                return newest(self._reader, lambda seq: chain_hash_at(self._reader, seq))
            except apsw.Error as error:
                raise explained(error, self._place) from error

    def verify(self, *, anchor: Head | None = None) -> Head:
        """Recompute every hash from the stored bytes and return the head; a million records take seconds.

        Also compares tables and triggers with what this code makes, the index of keys with the records, and
        has SQLite check the file's structure. Works on one consistent view while appends go on. Raises
        `ChainBroken` naming the first record that does not fit.
        """
        self._require_open()
        # A connection of its own: a long scan must not keep other readers of this object waiting.
        connection = open_reader(self._place)
        try:
            connection.execute("BEGIN")
            check_schema(connection, self._place)
            head = self._verify_chain(connection, anchor)
            self._verify_structure(connection)
        except apsw.Error as error:
            raise explained(error, self._place) from error
        finally:
            connection.close(force=True)
        return head

    def _verify_chain(self, connection: apsw.Connection, anchor: Head | None) -> Head:
        """Walk the records, then the index of keys: it must hold the same pairs, in order, each key once.

        A damaged index would let a known key pass as new, and then something is done twice.
        """
        records = _Sum()
        head = verify_rows(
            records.over(cast("Iterator[Row]", connection.execute(_ALL))), anchor=anchor, place=self._place
        )
        index, previous = _Sum(), ""
        try:
            for key, seq in cast("Iterator[tuple[str, int]]", connection.execute(_BY_KEY)):
                # Code points sort as their UTF-8 bytes do, and those are what SQLite compares.
                if key <= previous:
                    raise broken(f"the index of keys is out of order at {key!r}", self._place)
                previous = key
                index.add(key, seq)
        except (UnicodeError, TypeError) as error:
            raise broken("the index of keys was altered beyond reading", self._place) from error
        if (index.count, index.total) != (records.count, records.total):
            raise broken("the index of keys does not fit the records", self._place)
        return head

    def _verify_structure(self, connection: apsw.Connection) -> None:
        answer = connection.execute("PRAGMA quick_check(1)").get
        if answer != "ok":
            raise broken(f"the file's structure is damaged: {answer}", self._place)

    def close(self) -> None:
        """Release the file. Closing twice is harmless."""
        with self._reading:
            if not self._closed:
                self._closed = True
                self._reader.close(force=True)
                _open.discard(self)

    def _ask(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._reading:
            self._require_open()
            try:
                return self._reader.execute(sql, values).fetchall()
            except apsw.Error as error:
                raise explained(error, self._place) from error
            except UnicodeDecodeError as error:
                raise broken("a key was altered beyond reading", self._place) from error

    def _require_open(self) -> None:
        if self._closed:
            raise closed(self._place)


class _Sum:
    """An order-free digest of pairs of key and sequence number, for comparing an index with its table."""

    def __init__(self) -> None:
        self.count = self.total = 0

    def add(self, key: str, seq: int) -> None:
        self.count += 1
        self.total += hash((key, seq))

    def over(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Pass rows on, adding each."""
        for row in rows:
            self.add(row[1], row[0])
            yield row


def chain_hash_at(connection: apsw.Connection, seq: int) -> bytes | None:
    """Return the hash of a record, of what stands before the first for 0, or `None` when there is no such."""
    if seq == 0:
        return GENESIS
    found: bytes | None = connection.execute("SELECT hash FROM journal WHERE seq = ?", (seq,)).get
    return found


def is_open_here(path: str | os.PathLike[str]) -> bool:
    """Whether this process has the journal open.

    Another copy of SQLite must then stay away from the file: when it closes, the system drops every lock this
    process holds on it, ours included, and the next program to come could damage the journal.
    """
    place = os.path.realpath(path)
    return any(journal.place == place for journal in list(_open))
