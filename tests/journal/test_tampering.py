"""Attempts to change history: through our own connection each is refused, through any other each is found."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.chain import GENESIS, Head, link
from engine.errors import ChainBroken, JournalBusy, JournalError
from engine.ports import Durability, Entry
from tests.journal.making import entries, fill, plain, unguarded

COUNT = 50

REFUSED = {
    "update": "UPDATE journal SET body = '{}' WHERE seq = 3",
    "update of nothing": "UPDATE journal SET body = body WHERE 0",
    "delete": "DELETE FROM journal WHERE seq = 50",
    "delete all": "DELETE FROM journal",
    "replace a record": (
        "INSERT OR REPLACE INTO journal(seq, key, body, prev, hash) VALUES (3, 'x', '{}', x'', x'')"
    ),
    "replace through the key": (
        "INSERT OR REPLACE INTO journal(seq, key, body, prev, hash)"
        " SELECT 51, key, '{}', (SELECT hash FROM journal WHERE seq = 50), hash FROM journal WHERE seq = 3"
    ),
    "replace": (
        "REPLACE INTO journal(seq, key, body, prev, hash) SELECT seq, key, '{}', prev, hash FROM journal"
    ),
    "upsert": (
        "INSERT INTO journal(seq, key, body, prev, hash) SELECT * FROM (SELECT seq, key, '{}', prev, hash"
        " FROM journal WHERE seq = 3) WHERE 1 ON CONFLICT(key) DO UPDATE SET body = '{}'"
    ),
    "insert or ignore out of turn": (
        "INSERT OR IGNORE INTO journal(seq, key, body, prev, hash) VALUES (99, 'x', '{}', zeroblob(32), x'')"
    ),
    "insert with another link": (
        "INSERT INTO journal(seq, key, body, prev, hash) VALUES (51, 'x', '{}', zeroblob(32), x'')"
    ),
    "insert before the first": (
        "INSERT INTO journal(seq, key, body, prev, hash) VALUES (0, 'x', '{}', zeroblob(32), x'')"
    ),
    "insert without a number": "INSERT INTO journal(key, body, prev, hash) VALUES ('x', '{}', x'', x'')",
    "drop trigger": "DROP TRIGGER journal_no_update",
    "drop table": "DROP TABLE journal",
    "rename": "ALTER TABLE journal RENAME TO diary",
    "add a column": "ALTER TABLE journal ADD COLUMN note TEXT",
    "drop a column": "ALTER TABLE journal DROP COLUMN prev",
    "writable_schema": "PRAGMA writable_schema = ON",
    "edit the schema": "UPDATE sqlite_schema SET sql = '' WHERE name = 'journal_no_update'",
    "delete from the schema": "DELETE FROM sqlite_schema WHERE type = 'trigger'",
    "recursive_triggers": "PRAGMA recursive_triggers = OFF",
    "ignore checks": "PRAGMA ignore_check_constraints = ON",
    "journal mode": "PRAGMA journal_mode = DELETE",
    "journal off": "PRAGMA journal_mode = OFF",
    "no syncs": "PRAGMA synchronous = OFF",
    "user_version": "PRAGMA user_version = 9",
    "application_id": "PRAGMA application_id = 1",
    "attach": "ATTACH ':memory:' AS other",
    "vacuum": "VACUUM",
    "vacuum into": "VACUUM INTO 'copy.db'",
    "reindex": "REINDEX",
    "trigger of one's own": (
        "CREATE TRIGGER mine AFTER INSERT ON journal BEGIN UPDATE journal SET body = '{}' WHERE seq = 1; END"
    ),
    "temporary trigger": (
        "CREATE TEMP TRIGGER mine BEFORE INSERT ON main.journal BEGIN SELECT RAISE(IGNORE); END"
    ),
    "temporary table in its place": "CREATE TEMP TABLE journal(seq, key, body, prev, hash)",
    "view": "CREATE VIEW mine AS SELECT 1",
    "index": "CREATE INDEX mine ON journal(hash)",
    "update a snapshot": "UPDATE snapshot SET state = x''",
    "update inside a select": "WITH x AS (SELECT 1) UPDATE journal SET body = '{}'",
}


_REFUSAL = "not authorized|authorization denied|must follow the last|append-only|may not be modified"


@pytest.mark.parametrize("sql", REFUSED.values(), ids=REFUSED.keys())
def test_our_own_connection_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    monkeypatch.chdir(tmp_path)
    with SqliteJournal(tmp_path / "journal.db") as journal:
        records = journal.append(entries(COUNT), durability=Durability.RELAXED)
        with pytest.raises((apsw.AuthError, apsw.ConstraintError, apsw.SQLError), match=_REFUSAL):
            journal._writer.execute(sql)
        assert list(journal.read()) == records
        assert journal.append(entries(1, start=COUNT))[0].seq == COUNT + 1
        assert journal.verify().seq == COUNT + 1
    assert {path.name for path in tmp_path.iterdir()} == {"journal.db", "journal.db.lock"}


def test_an_insert_that_is_ignored_is_still_no_insert(tmp_path: Path) -> None:
    """OR IGNORE swallows a broken constraint, but not a trigger that aborts."""
    fill(tmp_path / "journal.db", 3)
    with plain(tmp_path / "journal.db") as connection, pytest.raises(sqlite3.IntegrityError, match="follow"):
        connection.execute(
            "INSERT OR IGNORE INTO journal(seq, key, body, prev, hash) VALUES (1, 'x', '{}', x'', x'')"
        )


GUARDED = [name for name in REFUSED if name.startswith(("update", "delete", "replace", "upsert", "insert"))]


@pytest.mark.parametrize(
    "sql",
    [
        REFUSED[name]
        for name in GUARDED
        if not any(word in name for word in ("snapshot", "nothing", "schema"))
    ],
)
@pytest.mark.parametrize("recursive", ["OFF", "ON"])
def test_the_triggers_alone_refuse_careless_changes_by_other_programs(
    tmp_path: Path, sql: str, recursive: str
) -> None:
    records = fill(tmp_path / "journal.db", COUNT)
    with plain(tmp_path / "journal.db") as connection:
        connection.execute(f"PRAGMA recursive_triggers = {recursive}")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(sql)
    with SqliteReader(tmp_path / "journal.db") as reader:
        assert list(reader.read()) == records
        assert reader.verify().seq == COUNT


# ---------------------------------------------------------------- determined attempts from outside

Attack = Callable[[Path], None]


def run(*statements: str) -> Attack:
    """Run statements as another program would."""

    def attack(path: Path) -> None:
        with plain(path) as connection:
            for sql in statements:
                connection.execute(sql)

    return attack


def run_unguarded(*statements: str) -> Attack:
    """Run statements with the triggers taken off, and put them back so that nothing shows."""

    def attack(path: Path) -> None:
        with unguarded(path) as connection:
            for sql in statements:
                connection.execute(sql)

    return attack


def rewrite_schema(path: Path) -> None:
    """Turn a trigger into one that does nothing, behind the parser's back."""
    with plain(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'RAISE(ABORT, ''the journal is append-only'')', '1')"
            " WHERE name = 'journal_no_delete'"
        )


def forge(path: Path) -> None:
    """Change one record and compute every later hash anew: a chain that is right in itself."""
    with unguarded(path) as connection:
        rows = connection.execute("SELECT seq, key, body FROM journal ORDER BY seq").fetchall()
        last = GENESIS
        for seq, key, body in rows:
            text = body.replace("ada", "eve")
            own = link(last, seq, key, text.encode())
            connection.execute(
                "UPDATE journal SET body = ?, prev = ?, hash = ? WHERE seq = ?", (text, last, own, seq)
            )
            last = own


def append_wrong_hash(path: Path) -> None:
    """Append a record that the triggers let through, but whose hash is made up."""
    with plain(path) as connection:
        connection.execute(
            "INSERT INTO journal(seq, key, body, prev, hash)"
            " SELECT seq + 1, 'forged', '{}', hash, randomblob(32) FROM journal ORDER BY seq DESC LIMIT 1"
        )


FOUND: dict[str, tuple[Attack, str]] = {
    "update": (run_unguarded("UPDATE journal SET body = '{}' WHERE seq = 7"), "record 7 was altered"),
    "update of a key": (run_unguarded("UPDATE journal SET key = 'x' WHERE seq = 7"), "record 7 was altered"),
    "delete in the middle": (run_unguarded("DELETE FROM journal WHERE seq = 7"), "record 7 is missing"),
    "delete at the start": (run_unguarded("DELETE FROM journal WHERE seq = 1"), "record 1 is missing"),
    "type": (run_unguarded("UPDATE journal SET hash = zeroblob(31) WHERE seq = 7"), "record 7 was altered"),
    "replace with the check off": (
        run(
            "DROP TRIGGER journal_chain",
            "REPLACE INTO journal(seq, key, body, prev, hash) VALUES (7,'x','{}',x'',x'')",
        ),
        "trigger journal_chain, which protects the chain, is missing",
    ),
    "drop a trigger": (run("DROP TRIGGER journal_no_delete"), "trigger journal_no_delete"),
    "rewrite the schema": (rewrite_schema, "trigger journal_no_delete was altered"),
    "a trigger more": (
        run("CREATE TRIGGER mine AFTER INSERT ON journal BEGIN SELECT 1; END"),
        "trigger mine does not belong",
    ),
    "a table more": (run("CREATE TABLE mine(x)"), "table mine does not belong"),
    "rename": (run("ALTER TABLE journal RENAME TO diary"), "is missing|does not belong|was altered"),
    "another column": (run("ALTER TABLE journal ADD COLUMN note TEXT"), "table journal was altered"),
    "another version": (run("PRAGMA user_version = 1"), "(table|index) \\w+ does not belong"),
    "wrong hash at the end": (append_wrong_hash, "record 51 was altered"),
    "not text": (
        run_unguarded("UPDATE journal SET key = CAST(x'ff' AS TEXT) WHERE seq = 7"),
        "key of record 7 was altered beyond reading",
    ),
}


@pytest.mark.parametrize(("attack", "said"), FOUND.values(), ids=FOUND.keys())
def test_verification_finds_it_and_says_what(tmp_path: Path, attack: Attack, said: str) -> None:
    path = tmp_path / "journal.db"
    fill(path, COUNT)
    attack(path)
    with SqliteReader(path) as reader, pytest.raises(ChainBroken, match=said):
        reader.verify()


@pytest.mark.parametrize(
    "name",
    ["drop a trigger", "rewrite the schema", "a trigger more", "rename", "another column", "another version"],
)
def test_a_file_without_its_protection_is_not_opened_for_writing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "journal.db"
    fill(path, COUNT)
    FOUND[name][0](path)
    with pytest.raises(ChainBroken):
        SqliteJournal(path)
    # Whoever looks into it can still read it.
    with SqliteReader(path) as reader:
        assert reader.place == str(path)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (run_unguarded("DELETE FROM journal WHERE seq > 40"), "cut off after record 40"),
        (run_unguarded("DELETE FROM journal"), "cut off after record 0"),
        (forge, "record 50 is not the one in the anchor"),
    ],
    ids=["truncation", "emptied", "forged"],
)
def test_an_anchor_finds_what_the_chain_cannot_show(tmp_path: Path, attack: Attack, said: str) -> None:
    path = tmp_path / "journal.db"
    last = fill(path, COUNT)[-1]
    attack(path)
    with SqliteReader(path) as reader:
        reader.verify()
        with pytest.raises(ChainBroken, match=said):
            reader.verify(anchor=Head(last.seq, last.hash))


def test_changing_only_the_journal_mode_or_vacuuming_does_no_harm(tmp_path: Path) -> None:
    """Another program may do both while we are away: it is the same history, and nothing to cry about."""
    path = tmp_path / "journal.db"
    records = fill(path, COUNT)
    run("PRAGMA journal_mode = DELETE", "VACUUM", "ANALYZE", f"VACUUM INTO '{tmp_path / 'copy.db'}'")(path)
    for file in (path, tmp_path / "copy.db"):
        with SqliteJournal(file) as journal:
            assert list(journal.read()) == records
            assert journal.verify() == Head(COUNT, records[-1].hash)


def test_no_connection_can_write_into_a_body_in_place(tmp_path: Path) -> None:
    """Incremental writes fire no trigger; the generated columns make SQLite refuse them for this table."""
    fill(tmp_path / "journal.db", COUNT)
    with closing(apsw.Connection(str(tmp_path / "journal.db"))) as connection, pytest.raises(apsw.SQLError):
        connection.blob_open("main", "journal", "body", 7, True)


def test_a_foreign_record_under_the_writers_hands_stops_it(tmp_path: Path) -> None:
    """Another process ignored the lock and appended a valid record: our cached head must not win."""
    path = tmp_path / "journal.db"
    with SqliteJournal(path) as journal:
        journal.append(entries(3))
        other = apsw.Connection(str(path))
        row = other.execute("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
        assert row is not None
        own = link(row[1], 4, "foreign", b"{}")
        other.execute(
            "INSERT INTO journal(seq, key, body, prev, hash) VALUES (4,'foreign','{}',?,?)", (row[1], own)
        )
        other.close()
        with pytest.raises(JournalError, match="changed under the writer's hands"):
            journal.append([Entry("mine", b"{}")])
        assert journal.find("mine") is None
        assert journal.head() == Head(4, own) == journal.verify()


def test_another_program_holding_the_file_is_named_after_a_short_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    monkeypatch.setattr("engine.adapters.journal_schema.BUSY_MS", 20)
    with SqliteJournal(path) as journal:
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBusy, match="another program holds"):
            journal.append(entries(1))
        other.execute("ROLLBACK")
        other.close()
        assert journal.append(entries(1))[0].seq == 1


def test_sqlites_own_defence_stands_behind_the_authorizer(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db") as journal:
        journal._writer.authorizer = None
        journal._writer.execute("PRAGMA writable_schema = ON")
        with pytest.raises(apsw.SQLError, match="may not be modified"):
            journal._writer.execute("DELETE FROM sqlite_schema")
