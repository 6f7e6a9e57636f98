"""The journal's tables, the triggers and authorizer that keep them append-only, and how a file grows up."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, cast

import apsw

from engine.adapters.journal_chain import broken
from engine.errors import (
    ChainBroken,
    InputError,
    JournalBusy,
    JournalError,
    StorageError,
    WatchkeeperError,
)

APPLICATION_ID: Final = 0x574B4A31
"""`WKJ1`, in the file's header: tells a journal from any other SQLite file."""

# How long to wait for another program that holds SQLite's own lock for a moment, for example a copy being
# made with the sqlite3 shell. Longer would stall the loop; then it is better to say who is in the way.
BUSY_MS: Final = 2_000

# `fact` and `at_us` are computed from the body, so they cannot be altered apart from it; having them also
# makes SQLite refuse incremental writes into a body, which would fire no trigger. They carry no index:
# measured, one costs a quarter of a relaxed append, and the questions people ask may scan the table.
# json_extract rather than `->>`: SQLite older than 3.38 can read the file too. STRICT refuses wrong types.
_CHAIN: Final = """
CREATE TABLE journal(
  seq INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  body TEXT NOT NULL,
  prev BLOB NOT NULL,
  hash BLOB NOT NULL,
  fact ANY GENERATED ALWAYS AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.fact') END) VIRTUAL,
  at_us ANY GENERATED ALWAYS AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.at_us') END) VIRTUAL
) STRICT;

CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- The last test is what stops INSERT OR REPLACE: with recursive_triggers off, which is the default, the rows
-- it replaces never reach the trigger above.
CREATE TRIGGER journal_chain BEFORE INSERT ON journal
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM journal)
  OR NEW.prev IS NOT coalesce((SELECT hash FROM journal ORDER BY seq DESC LIMIT 1), zeroblob(32))
  OR EXISTS (SELECT 1 FROM journal WHERE key = NEW.key)
BEGIN SELECT RAISE(ABORT, 'a record must follow the last one and have a key of its own'); END;
"""

# Apart from the chain, because a snapshot can always be made again; bound to it by record and hash.
_SNAPSHOTS: Final = """
CREATE TABLE snapshot(
  seq INTEGER PRIMARY KEY,
  chain_hash BLOB NOT NULL,
  digest BLOB NOT NULL,
  state BLOB NOT NULL
) STRICT;
"""


# Effects that wait or are under way. `target` is what an undo takes back; `due_us` orders those that wait.
# `fencing` remembers the last token: it outlives the rows, so a token is never given twice. By a trigger, so
# that a lease is one statement, which needs no transaction around it.
_TASKS: Final = """
CREATE TABLE task(
  effect_id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  decision_id TEXT NOT NULL,
  proposal_id TEXT NOT NULL,
  agent TEXT NOT NULL,
  capability TEXT NOT NULL,
  action TEXT NOT NULL,
  priority INTEGER NOT NULL,
  queued_us INTEGER NOT NULL,
  idempotent INTEGER NOT NULL,
  force INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  token INTEGER NOT NULL,
  worker TEXT NOT NULL,
  lease_until_us INTEGER NOT NULL,
  started INTEGER NOT NULL,
  due_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX task_waiting ON task(due_us, effect_id) WHERE worker = '';

CREATE TABLE fencing(token INTEGER NOT NULL) STRICT;
INSERT INTO fencing(token) VALUES (0);
CREATE TRIGGER fencing_token AFTER UPDATE OF token ON task
BEGIN UPDATE fencing SET token = NEW.token; END;
"""


# A body, or a pool of bodies, that performs it; empty for the workers of this machine.
_PLACES: Final = "ALTER TABLE task ADD COLUMN place TEXT NOT NULL DEFAULT ''"


def _create_chain(connection: apsw.Connection) -> None:
    connection.execute(_CHAIN)


def _create_snapshots(connection: apsw.Connection) -> None:
    connection.execute(_SNAPSHOTS)


def _create_tasks(connection: apsw.Connection) -> None:
    connection.execute(_TASKS)


def _add_places(connection: apsw.Connection) -> None:
    connection.execute(_PLACES)


MIGRATIONS: Final[tuple[Callable[[apsw.Connection], None], ...]] = (
    _create_chain,
    _create_snapshots,
    _create_tasks,
    _add_places,
)
"""Step n brings a file from version n to n+1. Append only: a released step never changes."""


def open_writer(path: str) -> apsw.Connection:
    """Open the one write connection, creating or migrating the file. The caller holds the writer lock.

    Raises `JournalError` when the file is not ours or newer than this code, `ChainBroken` when its triggers
    or tables were altered, `StorageError` when the machine refuses; a file made here is then removed again.
    """
    fresh = not Path(path).exists()
    connection: apsw.Connection | None = None
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        connection.set_busy_timeout(BUSY_MS)
        _prepare(connection, path)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if fresh:
            for tail in ("", "-journal", "-wal", "-shm"):
                Path(path + tail).unlink(missing_ok=True)
        if isinstance(error, apsw.Error):
            raise explained(error, path) from error
        raise
    return connection


# SQLite takes anything shorter than its smallest page for an empty database, and would write over it.
_SMALLEST_BYTES: Final = 512


def open_reader(path: str, *, empty_ok: bool = False) -> apsw.Connection:
    """Open a read-only connection. It never blocks the writer, and works on read-only media too.

    `empty_ok` lets a database pass in which nothing was made yet.

    Raises `InputError` when there is no such file, otherwise as `open_writer` does.
    """
    file = Path(path)
    if not file.exists():
        raise InputError("no such journal", place=path, cure="check the path, or let the engine make it")
    if file.is_dir():
        raise InputError("is a folder, and a journal is a file", place=path, cure="name the file in it")
    if 0 < file.stat().st_size < _SMALLEST_BYTES:
        raise JournalError("is not a Watchkeeper journal", place=path, cure="check the path")
    try:
        return _reader(path, path, empty_ok=empty_ok)
    except apsw.CantOpenError as error:
        # Readers share a small file with the writer, which cannot be made on read-only media. Nobody can be
        # writing there; a log that was never folded in, though, would be left out unseen.
        log = file.with_name(f"{file.name}-wal")
        if log.exists() and log.stat().st_size > 0:
            raise explained(error, path) from error
        quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        try:
            return _reader(f"file:{quoted}?immutable=1", path, empty_ok=empty_ok)
        except apsw.Error as second:
            raise explained(second, path) from second
    except apsw.Error as error:
        raise explained(error, path) from error


def _reader(name: str, path: str, *, empty_ok: bool) -> apsw.Connection:
    connection = apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.set_busy_timeout(BUSY_MS)
        _harden(connection)
        _identify(connection, path, empty_ok=empty_ok)
    except BaseException:
        connection.close()
        raise
    return connection


def schema_version(connection: apsw.Connection) -> int:
    """Return how many migrations the file has behind it; 0 for an empty file."""
    return int(connection.pragma("user_version"))


def _identify(connection: apsw.Connection, path: str, *, empty_ok: bool) -> int:
    """Return the version of the file. Raises `JournalError` when it is none of ours or from the future."""
    version = schema_version(connection)
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    mine = connection.pragma("application_id") == APPLICATION_ID
    if not mine and (tables or version or not empty_ok):
        raise JournalError("is not a Watchkeeper journal", place=path, cure="check the path")
    if version > len(MIGRATIONS):
        message = f"comes from a newer Watchkeeper: version {version}, and this one knows {len(MIGRATIONS)}"
        raise JournalError(message, place=path, cure="upgrade Watchkeeper")
    return version


def _prepare(connection: apsw.Connection, path: str) -> None:
    version = _identify(connection, path, empty_ok=True)
    mode = connection.pragma("journal_mode", "wal")
    if mode != "wal":
        raise StorageError(
            "this file system cannot hold a write-ahead log", place=path, cure="use a local disk"
        )
    # Checkpoints own the slow end of the latency curve, so the journal chooses their moment itself.
    connection.wal_autocheckpoint(0)
    if version < len(MIGRATIONS):
        if version:
            check_schema(connection, path)
        with transaction(connection):
            for step in MIGRATIONS[version:]:
                step(connection)
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", len(MIGRATIONS))
    check_schema(connection, path)
    _harden(connection)
    connection.authorizer = _authorize


@contextlib.contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Commit what the block did, or nothing of it. A full disk may already have rolled it back by itself."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _harden(connection: apsw.Connection) -> None:
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1)
    connection.pragma("cell_size_check", "ON")


_READING: Final = {
    apsw.SQLITE_SELECT,
    apsw.SQLITE_READ,
    apsw.SQLITE_FUNCTION,
    apsw.SQLITE_TRANSACTION,
    apsw.SQLITE_SAVEPOINT,
}


_CHANGING: Final = {apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE}


# The token rises with a lease and in no other way.
_TOKEN: Final = ("fencing", "token", "main", "fencing_token")


def _authorize(action: int, name: str | None, detail: str | None, schema: str | None, by: str | None) -> int:
    """Let the write connection do what a journal does, and nothing else.

    Triggers do not see DROP, ALTER, ATTACH or PRAGMA; SQLite asks here while it compiles a statement.
    """
    allowed = (
        action in _READING
        or (action == apsw.SQLITE_INSERT and name in {"journal", "snapshot"} and schema == "main")
        or (action == apsw.SQLITE_DELETE and name == "snapshot" and schema == "main")
        or (action in _CHANGING and name == "task" and schema == "main")
        or (action == apsw.SQLITE_UPDATE and (name, detail, schema, by) == _TOKEN)
        or (action == apsw.SQLITE_PRAGMA and name == "synchronous" and detail in {"FULL", "NORMAL"})
    )
    return apsw.SQLITE_OK if allowed else apsw.SQLITE_DENY


def check_schema(connection: apsw.Connection, path: str) -> None:
    """Raise `ChainBroken` when a table or trigger is missing, altered or one too many."""
    version = schema_version(connection)
    expected = _schema_of(version)
    try:
        found = _objects(connection)
    except UnicodeError as error:
        raise broken("the description of its tables was altered beyond reading", path) from error
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise broken(f"{name}, which protects the chain, is missing", path)
        if name not in expected:
            raise broken(f"{name} does not belong in a journal", path)
        if found[name] != expected[name]:
            raise broken(f"{name} was altered", path)


# Statistics that somebody's ANALYZE left there change no answer.
_OBJECTS: Final = """
SELECT coalesce(type || ' ' || name, '?'), sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'
"""


@functools.cache
def _schema_of(version: int) -> dict[str, str | None]:
    """Say what a file of this version holds, by making one in memory."""
    connection = apsw.Connection(":memory:")
    for step in MIGRATIONS[:version]:
        step(connection)
    return _objects(connection)


def _objects(connection: apsw.Connection) -> dict[str, str | None]:
    rows = cast("list[tuple[str, str | None]]", connection.execute(_OBJECTS).fetchall())
    return dict(rows)


def explained(error: apsw.Error, path: str) -> WatchkeeperError:
    """Say in our words what SQLite reported, with the file as the place and what to do next."""
    kind, message, cure = next(
        (answer for raised, answer in _MEANINGS if isinstance(error, raised)),
        (JournalError, f"SQLite reports: {error}", "keep the file and report this"),
    )
    name = apsw.mapping_extended_result_codes.get(getattr(error, "extendedresult", -1), "")
    if isinstance(error, apsw.IOError) and isinstance(name, str):
        message = f"{message} ({name})"
    return kind(message, place=path, cure=cure)


_HELD: Final = (JournalBusy, "another program holds the journal's file", "close it there, then try again")
_KEPT: Final = (JournalError, "refused: a journal is only appended to", "append a fact instead")
_DAMAGED: Final = (
    ChainBroken,
    "the file is damaged",
    "keep it as evidence and go back to a copy that verifies",
)
_REFUSED: Final = (
    StorageError,
    "the disk refused",
    "check space, quotas, size limits and the disk, then retry",
)
_MEANINGS: Final[tuple[tuple[type[apsw.Error], tuple[type[WatchkeeperError], str, str]], ...]] = (
    (apsw.FullError, (StorageError, "the disk is full", "free space, then try again")),
    (apsw.IOError, _REFUSED),
    (apsw.ReadOnlyError, (StorageError, "may not be written", "allow it, or choose another place")),
    (apsw.CantOpenError, (StorageError, "cannot be opened", "check that the folder is there and permitted")),
    (apsw.NoMemError, (StorageError, "there is not enough memory", "free some, then try again")),
    (apsw.NotADBError, (JournalError, "is not a Watchkeeper journal", "check the path")),
    (apsw.CorruptError, _DAMAGED),
    (apsw.BusyError, _HELD),
    (apsw.LockedError, _HELD),
    (apsw.AuthError, _KEPT),
    (apsw.ConstraintError, _KEPT),
    (apsw.TooBigError, (InputError, "a record is too large", "keep it elsewhere and append its digest")),
)
