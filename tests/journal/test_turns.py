"""Who has the turn to write, who waits for it, and how housekeeping and readers fit in between."""

import threading
import time
from pathlib import Path

import pytest

from engine.adapters.journal_chain import ready
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal, _Ticket
from engine.core.vocabulary.chain import GENESIS
from engine.errors import JournalError
from engine.ports import Durability, Entry, Snapshot
from tests.journal.making import entries, entry
from tests.patience import PATIENCE_S


def test_readers_are_not_blocked_by_the_writer_and_see_each_commit(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path) as journal, SqliteReader(path) as reader:
        for number in range(20):
            journal.append([entry(number)], durability=Durability.RELAXED)
            assert reader.head() == journal.head() == reader.verify()
        # A slow reader holds no transaction, so the log can still be folded in and started over.
        reading = reader.read()
        next(reading)
        journal.append(entries(8_000, start=20), durability=Durability.RELAXED)
        journal.maintain()
        journal.append(entries(1, start=8_020))
        assert (tmp_path / "journal.db-wal").stat().st_size > 0
        assert journal._wal_pages < 20
        assert len(list(reading)) == 19


def test_the_log_does_not_grow_without_end_when_nobody_keeps_house(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db") as journal:
        for start_at in range(0, 20_000, 100):
            journal.append(entries(100, start=start_at), durability=Durability.RELAXED)
        assert (tmp_path / "journal.db-wal").stat().st_size < 8 << 20


def test_a_reader_that_holds_an_old_view_only_delays_housekeeping(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path) as journal:
        journal.append(entries(10), durability=Durability.RELAXED)
        with SqliteReader(path) as reader:
            reader._reader.execute("BEGIN")
            assert reader.head().seq == 10
            journal.append(entries(8_000, start=10), durability=Durability.RELAXED)
            journal.maintain()
            assert journal._wal_pages > 0
            assert reader.head().seq == 10
            reader._reader.execute("ROLLBACK")
        journal.maintain()
        assert journal._wal_pages == 0
        assert journal.verify().seq == 8_010


def test_ctrl_c_while_waiting_withdraws_the_append(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteJournal(tmp_path / "journal.db") as journal:

        class Interrupted:
            def acquire(self, *, blocking: bool) -> None:
                raise KeyboardInterrupt

        other = _Ticket(ready(entries(1, start=9)), synced=True)
        journal._waiting.append(other)
        with monkeypatch.context() as patch:
            patch.setattr(journal, "_turn", Interrupted())
            with pytest.raises(KeyboardInterrupt):
                journal.append(entries(1))
        # The call that woke us may have been meant to make us take the turn: it is passed on.
        assert other.wake.acquire(blocking=False)
        assert list(journal._waiting) == [other]
        journal._waiting.clear()
        assert journal.append(entries(1, start=1))[0].seq == 1
        assert journal.head().seq == 1


def test_ctrl_c_inside_a_commit_rolls_back_and_tells_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteJournal(tmp_path / "journal.db") as journal:

        def interrupted(_ticket: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(journal, "_insert", interrupted)
            with pytest.raises(KeyboardInterrupt):
                journal.append(entries(2))
        assert not journal._writer.in_transaction
        assert journal.append(entries(2))[-1].seq == 2 == journal.verify().seq


def test_an_append_that_came_during_housekeeping_is_called_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteJournal(tmp_path / "journal.db") as journal:
        appending = threading.Thread(target=lambda: journal.append(entries(1)), daemon=True)

        def slow() -> None:
            appending.start()
            while not journal._waiting:
                time.sleep(0.001)
            time.sleep(0.02)

        monkeypatch.setattr(journal, "_checkpoint", slow)
        monkeypatch.setattr(journal, "_wal_pages", 10_000)
        journal.maintain()
        appending.join(PATIENCE_S)
        assert not appending.is_alive()
        assert journal.head().seq == 1


def test_nobody_returns_before_the_commit_that_carries_its_records(tmp_path: Path) -> None:
    """Two appends share a commit that hangs; both owners are woken by mistake, and go on waiting."""
    with SqliteJournal(tmp_path / "journal.db") as journal:
        real, reached, go_on = journal._writer, threading.Event(), threading.Event()

        class Hanging:
            def __getattr__(self, name: str) -> object:
                return getattr(real, name)

            def execute(self, sql: str, *values: object) -> object:
                if sql == "COMMIT":
                    reached.set()
                    go_on.wait(PATIENCE_S)
                return real.execute(sql, *values)

        returned: list[int] = []

        def work(number: int) -> None:
            returned.append(journal.append([entry(number)])[0].seq)

        journal._writer = Hanging()  # type: ignore[assignment]  # stands in for a slow disk
        threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
        with journal._having_turn():
            for thread in threads:
                thread.start()
            while len(journal._waiting) < 2:
                time.sleep(0.001)
        assert reached.wait(PATIENCE_S)
        for ticket in list(journal._waiting):
            assert ticket.records is not None
            ticket.call()
        time.sleep(0.05)
        assert returned == []
        go_on.set()
        for thread in threads:
            thread.join(PATIENCE_S)
        journal._writer = real
        assert sorted(returned) == [1, 2]


def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    ticket = _Ticket(ready([Entry("late", b"{}")]), synced=True)
    journal._waiting.append(ticket)
    journal.close()
    assert ticket.records is not None
    with SqliteReader(path) as reader:
        assert reader.find("late") == ticket.records[0]


def test_a_lost_lock_stops_the_writer(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db") as journal:
        journal._lock.release()
        for use in (
            lambda: journal.append(entries(1)),
            lambda: journal.save_snapshot(Snapshot(0, GENESIS, b"")),
        ):
            with pytest.raises(JournalError, match="closed"):
                use()
