"""The journal in memory: for demonstrations, replays and tests. It is forgotten when the process ends."""

import threading
from collections.abc import Iterator, Sequence

from engine.adapters.journal_chain import SNAPSHOTS_KEPT, closed, misfit, ready, reused, verify_rows
from engine.adapters.tasks_memory import MemoryTasks
from engine.core.vocabulary.chain import Head, Record, link
from engine.ports import Durability, Entry, Finished, Snapshot, Task


class MemoryJournal:
    """A journal held in a list. Keeps every promise of the port but surviving the process."""

    def __init__(self) -> None:
        """Start empty."""
        self._records: list[Record] = []
        self._by_key: dict[str, Record] = {}
        self._snapshots: list[Snapshot] = []
        self._tasks = MemoryTasks()
        self._turn = threading.Lock()
        self._closed = False

    @property
    def tasks(self) -> MemoryTasks:
        """The effects that wait or are under way."""
        return self._tasks

    def append(
        self,
        entries: Sequence[Entry],
        *,
        durability: Durability = Durability.SYNCED,
        tasks: Sequence[Task | Finished] = (),
    ) -> list[Record]:
        """Append all entries or none. There is no disk, so both durabilities promise the same."""
        del durability
        fresh: dict[str, Record] = {}
        answer = []
        checked = ready(entries)
        with self._turn:
            self._require_open()
            last = self.head()
            for entry in checked:
                record = self._by_key.get(entry.key) or fresh.get(entry.key)
                if record is None:
                    seq = last.seq + 1
                    record = Record(
                        seq, entry.key, entry.body, last.hash, link(last.hash, seq, entry.key, entry.body)
                    )
                    fresh[entry.key] = record
                    last = Head(seq, record.hash)
                elif record.body != entry.body:
                    raise reused(entry.key, record.seq)
                answer.append(record)
            self._by_key |= fresh
            self._records.extend(fresh.values())
            self._tasks.apply(tasks)
        return answer

    def head(self) -> Head:
        """Return the last record's sequence number and hash."""
        self._require_open()
        return Head(self._records[-1].seq, self._records[-1].hash) if self._records else Head()

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[Record]:
        """Yield records with `after < seq <= until` in order; `until=None` means to the head at the call."""
        self._require_open()
        stop = len(self._records) if until is None else max(0, min(until, len(self._records)))
        return iter(self._records[max(after, 0) : stop])

    def find(self, key: str) -> Record | None:
        """Return the record with this idempotency key, or `None`."""
        self._require_open()
        return self._by_key.get(key)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; the newest three stay. Raises `JournalError` when it does not fit the chain."""
        with self._turn:
            self._require_open()
            if not self._fits(snapshot):
                raise misfit(snapshot)
            kept = [other for other in self._snapshots if other.seq != snapshot.seq]
            self._snapshots = sorted([*kept, snapshot], key=lambda each: each.seq)[-SNAPSHOTS_KEPT:]

    def latest_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot, or `None` when none was kept."""
        self._require_open()
        return self._snapshots[-1] if self._snapshots else None

    def verify(self, *, anchor: Head | None = None) -> Head:
        """Recompute every hash and return the head. Raises `ChainBroken` naming the first misfit."""
        self._require_open()
        records = self._records[:]
        return verify_rows(((r.seq, r.key, r.body, r.prev, r.hash) for r in records), anchor=anchor)

    def maintain(self) -> None:
        """Do nothing: memory needs no housekeeping."""

    def close(self) -> None:
        """Refuse everything from now on. Closing twice is harmless."""
        with self._turn:
            self._closed = True

    def _fits(self, snapshot: Snapshot) -> bool:
        if snapshot.seq == 0:
            return snapshot.chain_hash == Head().hash
        if not 0 < snapshot.seq <= len(self._records):
            return False
        return self._records[snapshot.seq - 1].hash == snapshot.chain_hash

    def _require_open(self) -> None:
        if self._closed:
            raise closed()
