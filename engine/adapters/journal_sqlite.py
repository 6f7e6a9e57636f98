"""The journal in SQLite: one writer that commits in groups, and readers that nobody has to wait for.

The writer needs no thread of its own. Whoever appends puts a ticket in a queue and asks for the turn; whoever
gets it commits every ticket that waits, in one transaction, wakes their owners, and calls the next in the
queue to ask for the turn. A single caller therefore commits inline, without a hop to another thread, and many
callers share one sync of the disk.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import apsw

from engine.adapters.files import storage_errors
from engine.adapters.journal_chain import Ready, closed, misfit, ready, reused
from engine.adapters.journal_lock import WriterLock
from engine.adapters.journal_reader import LAST, ONE_BY_KEY, SqliteReader, chain_hash_at
from engine.adapters.journal_schema import explained, open_reader, open_writer, transaction
from engine.adapters.journal_snapshots import keep
from engine.adapters.journal_tasks import SqliteTasks, apply_changes
from engine.core.vocabulary.chain import Head, Record, link
from engine.errors import JournalError, StorageError, WatchkeeperError
from engine.ports import Durability, Entry, Finished, Snapshot, Task

_INSERT: Final = "INSERT INTO journal(seq, key, body, prev, hash) VALUES (?, ?, ?, ?, ?)"

# A checkpoint copies what the write-ahead log holds into the main file; then the log is written again from
# its start. That is worth more than the space: writing over blocks the file already has spares the disk the
# update of its size at every sync, and a synced append took 0.9 times the floor instead of 1.8. So the log
# is kept short: folded in when idle from 256 pages of 4 KiB on (about 1 ms of work), and inline at 1,024 at
# the latest, once in some five hundred appends.
_IDLE_PAGES: Final = 256
_INLINE_PAGES: Final = 1_024


class _Ticket:
    """What one caller wants appended, and what came of it."""

    __slots__ = ("entries", "error", "records", "settled", "synced", "tasks", "wake")

    def __init__(self, entries: list[Ready], tasks: Sequence[Task | Finished] = (), *, synced: bool) -> None:
        self.entries = entries
        self.tasks = tasks
        self.synced = synced
        self.records: list[Record] | None = None
        self.error: WatchkeeperError | None = None
        # Records are there before the commit that makes them true, so they cannot tell that it is over.
        self.settled = False
        self.wake = threading.Lock()
        self.wake.acquire()

    def call(self) -> None:
        """Wake the owner, to find it settled or to ask for the turn. Calling twice is calling once."""
        try:  # noqa: SIM105 - once for every append, and suppress() costs ten times as much
            self.wake.release()
        except RuntimeError:
            pass


class SqliteJournal(SqliteReader):
    """The writing side. At most one per file in the world; see `SqliteReader` for the reading side."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open or create a journal for writing; its folder is made when missing.

        Raises `JournalBusy` when another process writes it, `JournalError` when the file is not ours or newer
        than this code, `ChainBroken` when its tables or triggers were altered, and `StorageError` when the
        machine refuses.
        """
        place = os.path.realpath(path)
        with storage_errors(place):
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            empty = not Path(place).exists() or (Path(place).is_file() and Path(place).stat().st_size == 0)
        if not empty:
            # Before the lock, so that a wrong path leaves nothing behind in somebody else's folder.
            open_reader(place, empty_ok=True).close()
        self._lock = WriterLock(place)
        self._waiting: deque[_Ticket] = deque()
        self._turn = threading.Lock()
        self._full_sync: bool | None = None
        self._wal_pages, self._checkpoint_at = 0, _INLINE_PAGES
        self._failed_sync = False
        # Nothing that stood here before counts as synced: it may be what a killed process left to the system.
        self._synced_seq = 0
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.release)
            self._writer = open_writer(place)
            undo.callback(self._writer.close)
            self._writer.set_wal_hook(self._note_wal)
            self._tip = self._head = self._last()
            self._tasks = SqliteTasks(self._writer, self._changing_tasks, place)
            super().__init__(place)
            undo.pop_all()

    @property
    def tasks(self) -> SqliteTasks:
        """The effects that wait or are under way."""
        return self._tasks

    @contextlib.contextmanager
    def _changing_tasks(self) -> Iterator[None]:
        with self._having_turn():
            self._require_writable()
            self._sync_fully(wanted=False)
            yield

    def append(
        self,
        entries: Sequence[Entry],
        *,
        durability: Durability = Durability.SYNCED,
        tasks: Sequence[Task | Finished] = (),
    ) -> list[Record]:
        """Append all entries or none, and change `tasks` with them. Safe from many threads.

        Raises `InputError` for an entry that cannot be kept, `JournalError` when a key is known for another
        body, `StorageError` when the disk refuses. After Ctrl-C in here the outcome is unknown: append again
        with the same keys.
        """
        ticket = _Ticket(ready(entries), tasks, synced=durability is Durability.SYNCED)
        if not ticket.entries and not tasks:
            return []
        self._waiting.append(ticket)
        try:
            # Nobody is forgotten: who fails to get the turn stands in the queue while somebody has it, and
            # whoever gives it back calls the first in the queue afterwards.
            while not ticket.settled:
                if not self._turn.acquire(blocking=False):
                    ticket.wake.acquire()
                    continue
                try:
                    if not ticket.settled:
                        self._commit_waiting()
                finally:
                    self._give_turn_back()
        except BaseException:
            with contextlib.suppress(ValueError):
                self._waiting.remove(ticket)
            self._call_next()
            raise
        if ticket.records is None:
            raise ticket.error or closed(self._place)
        return ticket.records

    def head(self) -> Head:
        """Return the last committed record's sequence number and hash, without asking the disk."""
        if self._closed:
            raise closed(self._place)
        return self._head

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, compressed; the newest three stay.

        Raises `JournalError` when it does not fit the chain and `StorageError` when the disk refuses.
        """
        with self._having_turn():
            self._require_writable()
            try:
                if chain_hash_at(self._writer, snapshot.seq) != snapshot.chain_hash:
                    raise misfit(snapshot, self._place)
                # A snapshot lost in a power cut is made again; the chain it stands on is not hurt.
                self._sync_fully(wanted=False)
                with transaction(self._writer):
                    keep(self._writer, snapshot)
            except apsw.Error as error:
                raise explained(error, self._place) from error

    def maintain(self) -> None:
        """Fold the write-ahead log into the main file if that is due and nobody is appending.

        For the loop's idle moments; takes about a millisecond. Raises `StorageError` when the disk refuses:
        what was appended is safe in the log then, and the next call tries again.
        """
        if self._wal_pages < _IDLE_PAGES or not self._turn.acquire(blocking=False):
            return
        try:
            self._require_writable()
            self._checkpoint()
        except apsw.BusyError:
            return
        except apsw.Error as error:
            raise explained(error, self._place) from error
        finally:
            self._give_turn_back()

    def close(self) -> None:
        """Finish waiting appends and release the file and the lock. Closing twice is harmless."""
        with self._having_turn():
            if self._closed:
                return
            if self._waiting and self._lock.held:
                self._commit_waiting()
            super().close()
            self._writer.close()
            self._lock.release()

    @contextlib.contextmanager
    def _having_turn(self) -> Iterator[None]:
        """Wait for the turn, hold it, give it back."""
        self._turn.acquire()
        try:
            yield
        finally:
            self._give_turn_back()

    def _give_turn_back(self) -> None:
        self._turn.release()
        self._call_next()

    def _call_next(self) -> None:
        if self._waiting:
            with contextlib.suppress(IndexError):  # somebody else may have taken it just now
                self._waiting[0].call()

    # ------------------------------------------------------------ the turn: everything below holds it

    def _require_writable(self) -> None:
        if self._closed or not self._lock.held:
            raise closed(self._place)
        if self._failed_sync:
            message = "the disk failed to keep what was handed to it"
            raise StorageError(message, place=self._place, cure="check the disk, then start again")

    def _commit_waiting(self) -> None:
        """Commit every ticket in the queue as one transaction. Each ticket ends with records or an error."""
        # A copy, and each is taken out of the queue only when it is settled: an interrupt in between would
        # otherwise leave an owner waiting for ever.
        group = list(self._waiting)
        try:
            self._require_writable()
            self._write(group)
            self._head = self._tip
        except BaseException as error:
            self._undo()
            for ticket in group:
                ticket.records, ticket.error = None, self._verdict_on(error)
            self._note_failure(error)
            if not isinstance(error, apsw.Error | WatchkeeperError):
                raise
        finally:
            for ticket in group:
                ticket.settled = True
                with contextlib.suppress(ValueError):  # its owner may have been interrupted and left
                    self._waiting.remove(ticket)
                ticket.call()
            if len(group) > 1:
                # Lets those just woken run before the turn is free again, so that their next appends share
                # the next commit. Otherwise this thread, still running, tends to take the next turn alone:
                # with eight threads that made groups of 1 and 7 in turn, and 10,000 records/s where this
                # makes groups of 8, and 15,000.
                time.sleep(0)
        if self._wal_pages >= self._checkpoint_at:
            # The appends are safe in the log. If the main file cannot take them now, the log grows, and when
            # that cannot grow either an append says so.
            with contextlib.suppress(apsw.Error):
                self._checkpoint()

    def _verdict_on(self, error: BaseException) -> WatchkeeperError:
        if isinstance(error, apsw.Error):
            return explained(error, self._place)
        if isinstance(error, WatchkeeperError):
            return type(error)(error.message, place=error.place, cure=error.cure)
        return StorageError("the commit was interrupted", place=self._place, cure="append again, same keys")

    def _write(self, group: list[_Ticket]) -> None:
        before = self._tip
        synced = any(ticket.synced for ticket in group)
        self._sync_fully(wanted=synced)
        if len(group) == 1 and len(group[0].entries) == 1 and not group[0].tasks:
            # One statement is a transaction by itself, and two statements fewer to run.
            self._insert(group[0])
        else:
            self._writer.execute("BEGIN IMMEDIATE")
            for ticket in group:
                self._writer.execute("SAVEPOINT ticket")
                self._insert(ticket)
                if ticket.error is not None:
                    self._writer.execute("ROLLBACK TO ticket")
                self._writer.execute("RELEASE ticket")
            self._writer.execute("COMMIT")
        if not synced:
            return
        if self._tip.seq > before.seq:
            self._synced_seq = self._tip.seq
        elif any(record.seq > self._synced_seq for ticket in group for record in ticket.records or ()):
            # Only known keys came, so nothing was committed and nothing synced, yet their records may have
            # been appended relaxed. The promise holds for them too.
            self._sync_log()
            self._synced_seq = self._tip.seq

    def _insert(self, ticket: _Ticket) -> None:
        """Insert a ticket's entries, or leave its error behind and the tip where it was."""
        start, records = self._tip, []
        for entry in ticket.entries:
            seq, prev = self._tip.seq + 1, self._tip.hash
            own = link(prev, seq, entry.key, entry.body)
            try:
                self._writer.execute(_INSERT, (seq, entry.key, entry.text, prev, own))
            except apsw.ConstraintError as refusal:
                known = self._writer.execute(ONE_BY_KEY, (entry.key,)).get
                if known is None:
                    raise JournalError(
                        "the file has changed under the writer's hands",
                        place=self._place,
                        cure="stop, find the other program, run `watchkeeper journal verify`",
                    ) from refusal
                if known[2] != entry.body:
                    ticket.error, self._tip = reused(entry.key, known[0], self._place), start
                    return
                records.append(Record(*known))
                continue
            records.append(Record(seq, entry.key, entry.body, prev, own))
            self._tip = Head(seq, own)
        apply_changes(self._writer, ticket.tasks)
        ticket.records = records

    def _sync_fully(self, *, wanted: bool) -> None:
        if self._full_sync is not wanted:
            self._writer.execute("PRAGMA synchronous=FULL" if wanted else "PRAGMA synchronous=NORMAL")
            self._full_sync = wanted

    def _sync_log(self) -> None:
        # SQLite keeps its locks on the main file and the shared memory, so this handle drops none of them.
        with storage_errors(self._place), contextlib.suppress(FileNotFoundError):
            handle = os.open(self._place + "-wal", os.O_RDWR | os.O_CLOEXEC)
            try:
                os.fdatasync(handle)
            except OSError:
                self._failed_sync = True
                raise
            finally:
                os.close(handle)

    def _note_failure(self, error: BaseException) -> None:
        # After a failed sync the system may drop the pages it could not write and call the next sync a
        # success without them. No later promise of this process would be worth anything.
        if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_FSYNC:
            self._failed_sync = True

    def _undo(self) -> None:
        """Go back to what is committed, as the file tells it."""
        if not self._lock.held:
            return  # closed, or a forked child, which must not touch the connection it inherited
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            self._tip = self._head = self._last()
        except apsw.Error:
            self._tip = self._head

    def _last(self) -> Head:
        row = self._writer.execute(LAST).fetchone()
        return Head(*row) if row else Head()

    def _note_wal(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        try:
            total, done = self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            self._note_failure(error)
            raise
        if done >= total:
            self._wal_pages, self._checkpoint_at = 0, _INLINE_PAGES
        else:
            # A reader still needs the older pages. Trying again at every commit would only cost time.
            self._checkpoint_at = total + _INLINE_PAGES
