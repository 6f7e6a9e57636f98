"""The journal in a snapshot: copied beside a writer, checked, and put back without losing the present one."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.adapters.journal_lock import WriterLock
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.snapshot_journal import check_copy
from engine.adapters.snapshot_store import SnapshotStore
from engine.core.vocabulary.chain import Head
from engine.errors import ChainBroken, InputError, JournalBusy, JournalError
from engine.ports import Entry
from tests.house.tree import ROOT
from tests.journal.making import entries, fill, plain, unguarded
from tests.snapshots.making import NOW_US, SECOND_US, chunk_files, environment

LATER_US = NOW_US + 60 * SECOND_US


@pytest.fixture
def journal(tmp_path):
    """A journal of 200 records."""
    fill(tmp_path / "journal.db", 200)
    return tmp_path / "journal.db"


@pytest.fixture
def store(tmp_path):
    return SnapshotStore(tmp_path / "store", wait_s=10)


def more(journal, start, count):
    with SqliteJournal(journal) as opened:
        opened.append(entries(count, start))


def records(path):
    with SqliteReader(path) as reader:
        return list(reader.read())


@contextmanager
def engine(journal):
    """Have another process append for ever; gives a way to read the keys that it was promised."""
    script = ROOT / "tests" / "journal" / "writer_process.py"
    process = subprocess.Popen(
        [sys.executable, script, journal, "2"],
        stdout=subprocess.PIPE,
        env=environment(),
    )
    with process:
        try:
            yield lambda count: {process.stdout.readline().decode().strip() for _ in range(count)}
        finally:
            process.kill()


def test_the_copy_has_every_record_task_and_trigger(tmp_path, journal, store):
    info = store.create({}, journal=journal, now_us=NOW_US)
    store.restore("latest", {"journal": tmp_path / "out.db"})
    assert records(tmp_path / "out.db") == records(journal)
    with SqliteReader(journal) as reader:
        head = reader.verify()
    assert (info.journal_seq, info.head) == (200, head)
    with plain(journal) as one, plain(tmp_path / "out.db") as other:
        for question in (
            "SELECT type, name, sql FROM sqlite_schema ORDER BY name",
            "PRAGMA user_version",
            "PRAGMA application_id",
        ):
            assert one.execute(question).fetchall() == other.execute(question).fetchall()
        tables = [name for (name,) in one.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            assert (
                one.execute(f"SELECT * FROM {table}").fetchall()
                == other.execute(f"SELECT * FROM {table}").fetchall()
            )


def test_an_engine_can_go_on_from_the_copy(tmp_path, journal, store):
    store.create({}, journal=journal, now_us=NOW_US)
    store.restore("latest", {"journal": tmp_path / "out.db"})
    more(tmp_path / "out.db", 200, 10)
    with SqliteReader(tmp_path / "out.db") as reader:
        assert reader.verify().seq == 210


def test_records_that_lie_in_the_log_only_are_copied_too(tmp_path, store):
    with SqliteJournal(tmp_path / "journal.db") as opened:
        opened.append(entries(20))
        assert (tmp_path / "journal.db-wal").stat().st_size > 0
        assert store.create({}, journal=tmp_path / "journal.db", now_us=NOW_US).journal_seq == 20


def test_a_copy_beside_a_writer_has_all_that_was_promised_before_it_began(tmp_path, store):
    with engine(tmp_path / "journal.db") as promised:
        acknowledged = promised(300)
        for turn in range(4):
            info = store.create({}, journal=tmp_path / "journal.db", now_us=NOW_US + turn * SECOND_US)
            out = tmp_path / f"out-{turn}.db"
            store.restore("latest", {"journal": out})
            copied = records(out)
            assert acknowledged <= {record.key for record in copied}
            assert len(copied) == info.journal_seq
            assert info.journal_continues
            acknowledged |= promised(300)
    assert store.verify().damage == ()


def test_nothing_is_put_back_while_an_engine_runs(tmp_path, store):
    with engine(tmp_path / "journal.db") as promised:
        promised(50)
        store.create({}, journal=tmp_path / "journal.db", now_us=NOW_US)
        with pytest.raises(JournalBusy, match="is writing this journal"):
            store.replace("latest", {"journal": tmp_path / "journal.db"}, now_us=LATER_US)
        promised(50)
    assert len(store.list()) == 1


def test_nothing_is_put_back_while_another_program_has_it_open(tmp_path, journal, store):
    store.create({}, journal=journal, now_us=NOW_US)
    before = journal.read_bytes()
    with SqliteReader(journal), pytest.raises(JournalBusy, match="another program has this journal open"):
        store.replace("latest", {"journal": journal}, now_us=LATER_US)
    assert journal.read_bytes() == before
    assert not list(tmp_path.glob(".journal*"))


def test_putting_an_older_one_back_keeps_the_newer_beside_it(tmp_path, journal, store):
    store.create({}, journal=journal, now_us=NOW_US)
    older = records(journal)
    more(journal, 200, 30)
    newer = records(journal)
    done = store.replace("latest", {"journal": journal}, now_us=LATER_US)
    kept = tmp_path / "journal-before-20261118T110740Z.db"
    assert done.kept == {"journal": kept}
    assert records(journal) == older
    assert records(kept) == newer
    assert store.find(done.safety_id).journal_seq == 230
    store.restore(done.safety_id, {"journal": tmp_path / "out.db"})
    assert records(tmp_path / "out.db") == newer


def test_a_log_of_the_old_journal_is_never_read_into_the_new_one(tmp_path, journal, store):
    store.create({}, journal=journal, now_us=NOW_US)
    script = "import sys; from tests.snapshots.test_journal_part import more_and_die as it; it(sys.argv[1])"
    died = subprocess.run([sys.executable, "-c", script, journal], cwd=ROOT, check=False)
    assert died.returncode == -9
    assert (tmp_path / "journal.db-wal").stat().st_size > 0
    store.replace(store.list()[0].snapshot_id, {"journal": journal}, now_us=LATER_US)
    assert len(records(journal)) == 200
    assert len(records(tmp_path / "journal-before-20261118T110740Z.db")) == 240
    more(journal, 200, 5)
    with SqliteReader(journal) as reader:
        assert reader.verify().seq == 205


def more_and_die(journal):
    opened = SqliteJournal(Path(journal))
    opened.append(entries(40, 200))
    os.kill(os.getpid(), 9)


@pytest.mark.parametrize("damage", ["altered", "cut", "no database"])
def test_a_damaged_journal_is_replaced_and_the_damaged_file_is_kept(tmp_path, journal, store, damage):
    store.create({}, journal=journal, now_us=NOW_US)
    before = records(journal)
    if damage == "altered":
        with unguarded(journal) as connection:
            connection.execute("UPDATE journal SET body = replace(body, 'ada', 'eve') WHERE seq = 12")
    elif damage == "cut":
        journal.write_bytes(journal.read_bytes()[:20_000])
    else:
        journal.write_bytes(os.urandom(20_000))
    bad = journal.read_bytes()
    done = store.replace("latest", {"journal": journal}, now_us=LATER_US)
    assert records(journal) == before
    assert done.kept["journal"].read_bytes()[4096:] == bad[4096:]
    # One that can still be read, and goes on from the last snapshot, is in a snapshot too.
    assert (done.safety_id is not None) is (damage == "altered")


def test_a_journal_that_is_gone_comes_back(tmp_path, journal, store):
    before = records(journal)
    store.create({}, journal=journal, now_us=NOW_US)
    journal.unlink()
    done = store.replace("latest", {"journal": journal}, now_us=LATER_US)
    assert records(journal) == before
    assert (done.safety_id, done.kept) == (None, {})
    WriterLock(str(journal)).release()


def test_only_what_is_new_since_the_last_snapshot_is_recomputed(tmp_path, journal, store, monkeypatch):
    store.create({}, journal=journal, now_us=NOW_US)
    more(journal, 200, 10)
    walked = []

    def counting(rows, **options):
        rows = list(rows)
        walked.append(len(rows))
        return verify_rows(rows, **options)

    from engine.adapters.journal_chain import verify_rows

    monkeypatch.setattr("engine.adapters.snapshot_journal.verify_rows", counting)
    info = store.create({}, journal=journal, now_us=NOW_US + SECOND_US)
    assert (walked, info.journal_seq, info.journal_continues) == ([10], 210, True)


def test_a_journal_that_does_not_go_on_from_the_last_is_checked_in_full_and_said(tmp_path, journal, store):
    store.create({}, journal=journal, now_us=NOW_US)
    journal.unlink()
    with SqliteJournal(journal) as opened:
        opened.append([Entry(f"other-{number}", b"{}") for number in range(300)])
    info = store.create({}, journal=journal, now_us=NOW_US + SECOND_US)
    assert (info.journal_seq, info.journal_continues) == (300, False)


def test_an_altered_record_before_the_last_snapshot_is_found_by_verify(tmp_path, journal, store):
    store.create({}, journal=journal, now_us=NOW_US)
    with unguarded(journal) as connection:
        connection.execute("UPDATE journal SET body = replace(body, 'ada', 'eve') WHERE seq = 12")
    info = store.create({}, journal=journal, now_us=NOW_US + SECOND_US)
    [damage] = store.verify().damage
    assert (damage.snapshot_id, damage.place) == (info.snapshot_id, "journal/journal.db")
    assert "record 12 was altered" in damage.what


def test_a_tail_that_was_altered_is_refused(tmp_path, journal, store):
    store.create({}, journal=journal, now_us=NOW_US)
    more(journal, 200, 25)
    with unguarded(journal) as connection:
        connection.execute("UPDATE journal SET body = replace(body, 'ada', 'eve') WHERE seq = 221")
    with pytest.raises(ChainBroken, match="record 221 was altered"):
        store.create({}, journal=journal, now_us=NOW_US + SECOND_US)
    assert len(store.list()) == 1


def test_a_copy_without_its_triggers_is_refused(tmp_path, journal, store):
    store.create({}, journal=journal, now_us=NOW_US)
    with plain(journal) as connection:
        connection.execute("DROP TRIGGER journal_no_update")
    with pytest.raises(ChainBroken, match="journal_no_update"):
        store.create({}, journal=journal, now_us=NOW_US + SECOND_US)


@pytest.mark.parametrize("content", [b"", b"hello", b"x" * 10_000])
def test_what_is_no_journal_is_refused(tmp_path, store, content):
    (tmp_path / "journal.db").write_bytes(content)
    with pytest.raises(JournalError, match=r"journal\.db"):
        store.create({}, journal=tmp_path / "journal.db", now_us=NOW_US)
    with pytest.raises(InputError, match="no such journal"):
        store.create({}, journal=tmp_path / "none.db", now_us=NOW_US)
    assert chunk_files(store) == []


def test_the_journals_file_is_never_opened_as_a_file(tmp_path, store):
    """Closing any handle of it would drop the locks this process holds on it."""
    work = tmp_path / "work"
    work.mkdir()
    with SqliteJournal(work / "journal.db") as opened:
        opened.append(entries(10))
        os.link(work / "journal.db", work / "another name")
        opens = []
        recording = [True]
        sys.addaudithook(
            lambda name, arguments: opens.append(arguments[0]) if name == "open" and recording[0] else None
        )
        info = store.create({"workspace": work}, journal=work / "journal.db", now_us=NOW_US)
        recording[0] = False
        names = {str(name).rpartition("/")[2] for name in opens}
        assert names & {"journal.db", "journal.db-wal", "journal.db-shm", "another name"} <= {"journal.db"}
        assert all(
            str(name).startswith(str(tmp_path / "store")) for name in opens if "journal.db" in str(name)
        )
        assert info.left_out == 5
        assert info.journal_seq == 10
        with pytest.raises(JournalBusy):
            SqliteJournal(work / "journal.db")


def test_the_next_copy_shares_what_did_not_change(tmp_path, store):
    journal = tmp_path / "journal.db"
    with SqliteJournal(journal) as opened:
        opened.append(
            [
                Entry(f"{number * 7919 % 40_000}", b'{"x":"%b"}' % (b"%d" % number * 80))
                for number in range(40_000)
            ]
        )
        first = store.create({}, journal=journal, now_us=NOW_US)
        chunks = len(chunk_files(store))
        opened.append([Entry(f"new-{number}", b'{"x":"y"}') for number in range(500)])
        store.create({}, journal=journal, now_us=NOW_US + SECOND_US)
    assert chunks >= 4
    assert len(chunk_files(store)) - chunks <= chunks / 2 + 1
    assert first.size_bytes > 16 << 20


def test_a_full_check_is_made_where_there_is_nothing_to_go_on_from(tmp_path, journal):
    with unguarded(journal) as connection:
        connection.execute("UPDATE journal SET body = replace(body, 'ada', 'eve') WHERE seq = 12")
    with pytest.raises(ChainBroken, match="record 12 was altered"):
        check_copy(journal, since=None)
    with pytest.raises(ChainBroken, match="record 12 was altered"):
        check_copy(journal, since=Head(300, bytes(32)))
