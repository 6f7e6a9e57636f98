"""Which files are opened, which are refused and how they grow up."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from engine.adapters import journal_schema
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_schema import APPLICATION_ID, MIGRATIONS, explained
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.chain import GENESIS, Record, link
from engine.errors import (
    ChainBroken,
    InputError,
    JournalBusy,
    JournalError,
    StorageError,
)
from engine.ports import Snapshot
from tests.journal.making import entries, fill, plain


def version_1(path: Path) -> list[Record]:
    """Make a file as version 1 left it: the chain, and no snapshots yet."""
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    MIGRATIONS[0](connection)
    connection.pragma("application_id", APPLICATION_ID)
    connection.pragma("user_version", 1)
    last, records = GENESIS, []
    for seq, entry in enumerate(entries(30), 1):
        own = link(last, seq, entry.key, entry.body)
        connection.execute(
            "INSERT INTO journal(seq, key, body, prev, hash) VALUES (?, ?, ?, ?, ?)",
            (seq, entry.key, entry.body.decode(), last, own),
        )
        records.append(Record(seq, entry.key, entry.body, last, own))
        last = own
    connection.close()
    return records


def test_a_new_file_says_what_it_is(tmp_path: Path) -> None:
    fill(tmp_path / "deep" / "er" / "journal.db", 1)
    with plain(tmp_path / "deep" / "er" / "journal.db") as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_of_version_1_is_migrated_and_keeps_its_records(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    records = version_1(path)
    with SqliteJournal(path) as journal:
        assert list(journal.read()) == records
        assert journal.verify().seq == 30
        journal.save_snapshot(Snapshot(30, records[-1].hash, b"state"))
        assert journal.append(entries(31))[-1].seq == 31
    with SqliteJournal(path) as journal:
        assert journal.latest_snapshot() == Snapshot(30, records[-1].hash, b"state")


def test_a_file_of_version_1_can_be_read_and_verified_as_it_is(tmp_path: Path) -> None:
    records = version_1(tmp_path / "journal.db")
    before = (tmp_path / "journal.db").read_bytes()
    with SqliteReader(tmp_path / "journal.db") as reader:
        assert list(reader.read()) == records
        assert reader.latest_snapshot() is None
        assert reader.verify().seq == 30
    assert (tmp_path / "journal.db").read_bytes() == before


def test_a_tampered_file_is_not_migrated(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    version_1(path)
    with plain(path) as connection:
        connection.execute("DROP TRIGGER journal_chain")
    with pytest.raises(ChainBroken, match="journal_chain"):
        SqliteJournal(path)
    with plain(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_migration_that_fails_leaves_the_old_version_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    records = version_1(path)
    before = path.read_bytes()

    def breaks(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE half_made(x)")
        raise apsw.FullError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(journal_schema, "MIGRATIONS", (*MIGRATIONS, breaks))
        with pytest.raises(StorageError, match="full"):
            SqliteJournal(path)
    assert path.read_bytes() == before
    with SqliteJournal(path) as journal:
        assert list(journal.read()) == records


@pytest.mark.parametrize("kind", [SqliteJournal, SqliteReader])
def test_a_newer_file_is_refused_and_not_touched(
    tmp_path: Path, kind: type[SqliteReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    fill(path, 3)
    with plain(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(
        JournalError,
        match=rf"newer Watchkeeper: version 99, .* knows {len(MIGRATIONS)} \(upgrade Watchkeeper\)",
    ):
        kind(path)
    assert path.read_bytes() == before


def foreign_database(path: Path) -> None:
    """Make somebody else's SQLite file."""
    with plain(path) as connection:
        connection.execute("CREATE TABLE bookmarks(url)")


def foreign_empty_database(path: Path) -> None:
    """Make a SQLite file of another application with nothing in it yet."""
    with plain(path) as connection:
        connection.execute("PRAGMA user_version = 3")


FOREIGN = {
    "text": lambda path: path.write_text("dear diary\n" * 500),
    "short text": lambda path: path.write_text("x"),
    "another database": foreign_database,
    "another, empty": foreign_empty_database,
    "header only": lambda path: path.write_bytes(b"SQLite format 3\0"),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize("kind", [SqliteJournal, SqliteReader])
def test_what_is_no_journal_is_refused_and_nothing_is_left_beside_it(
    tmp_path: Path, kind: type[SqliteReader], make: "type[object]"
) -> None:
    path = tmp_path / "notes"
    make(path)  # type: ignore[call-arg]  # a function of one path
    before = path.read_bytes()
    with pytest.raises(JournalError, match="not a Watchkeeper journal"):
        kind(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["notes"]


def test_an_empty_file_becomes_a_journal_but_cannot_be_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    with pytest.raises(JournalError, match="not a Watchkeeper journal"):
        SqliteReader(path)
    with SqliteJournal(path) as journal:
        assert journal.append(entries(1))[0].seq == 1


def test_a_creation_that_was_killed_half_way_is_finished(tmp_path: Path) -> None:
    """After the switch to the write-ahead log and before the first table, a file is nobody's database."""
    path = tmp_path / "journal.db"
    with plain(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    with SqliteJournal(path) as journal:
        assert journal.append(entries(1))[0].seq == 1


def test_reading_what_is_not_there_says_so_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such journal"):
        SqliteReader(tmp_path / "journal.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    for kind in (SqliteJournal, SqliteReader):
        with pytest.raises(InputError, match="is a folder"):
            kind(tmp_path)


def test_names_that_mean_something_in_an_address_are_only_names(tmp_path: Path) -> None:
    path = tmp_path / "50%41?mode=memory#x & é.db"
    records = fill(path, 3)
    with SqliteReader(path) as reader:
        assert list(reader.read()) == records
    assert path.exists()


@pytest.mark.parametrize("log_left", [False, True])
def test_on_read_only_media_only_a_finished_journal_is_read(tmp_path: Path, log_left: bool) -> None:
    """A log that was never folded in would be left out unseen, so such a copy is refused."""
    records = fill(tmp_path / "journal?.db", 5)
    if log_left:
        (tmp_path / "journal?.db-wal").write_bytes(b"x" * 100)
    keys = _without_shared_memory(tmp_path / "journal?.db")
    assert keys == ([] if log_left else [record.key for record in records])


def _without_shared_memory(path: Path) -> list[str]:
    """Read the keys in a process that can make no file beside the journal: permissions do not bind root."""
    script = """
import sys, apsw
class Media(apsw.VFS):
    def __init__(self):
        super().__init__("media", "unix", makedefault=True)
    def xOpen(self, name, flags):
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        if text and text.endswith("-wal"):
            raise apsw.CantOpenError("read-only file system")
        return apsw.VFSFile("unix", name, flags)
media = Media()
from engine.adapters.journal_reader import SqliteReader
from engine.errors import StorageError
try:
    with SqliteReader(sys.argv[1]) as reader:
        reader.verify()
        print(*(record.key for record in reader.read()))
except StorageError as error:
    assert "cannot be opened" in str(error)
"""
    root = Path(__file__).resolve().parents[2]
    output = subprocess.run(
        [sys.executable, "-c", script, path], cwd=root, capture_output=True, text=True, check=True
    )
    return output.stdout.split()


def test_every_error_of_the_library_has_our_words() -> None:
    for number, kind in (
        (apsw.SQLITE_FULL, StorageError),
        (apsw.SQLITE_IOERR, StorageError),
        (apsw.SQLITE_IOERR_WRITE, StorageError),
        (apsw.SQLITE_READONLY, StorageError),
        (apsw.SQLITE_CANTOPEN, StorageError),
        (apsw.SQLITE_NOMEM, StorageError),
        (apsw.SQLITE_CORRUPT, ChainBroken),
        (apsw.SQLITE_NOTADB, JournalError),
        (apsw.SQLITE_BUSY, JournalBusy),
        (apsw.SQLITE_LOCKED, JournalBusy),
        (apsw.SQLITE_AUTH, JournalError),
        (apsw.SQLITE_CONSTRAINT_TRIGGER, JournalError),
        (apsw.SQLITE_TOOBIG, InputError),
        (apsw.SQLITE_INTERNAL, JournalError),
    ):
        ours = explained(apsw.exception_for(number), "journal.db")
        assert type(ours) is kind
        assert ours.place == "journal.db"
        assert ours.cure
        assert "\n" not in str(ours)


def test_the_schema_can_be_read_by_a_sqlite_without_arrows() -> None:
    """`->>` came with SQLite 3.38; a file whose schema has it cannot be opened at all by an older one."""
    assert sqlite3.sqlite_version_info >= (3, 37)
    assert not any("->" in str(sql) for sql in journal_schema._schema_of(len(MIGRATIONS)).values())
