"""The journal: the append-only, hash-chained log of all facts, and its reading sides."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Protocol

from msgspec import Struct

from engine.core.vocabulary.chain import Head, Record
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId
from engine.core.vocabulary.verdicts import Word
from engine.ports.tasks import Finished, Task, TaskReader, TaskTable


class Durability(Enum):
    """What an append promises when it returns."""

    SYNCED = "synced"
    """On disk: survives a power cut. For facts that authorise an effect."""
    RELAXED = "relaxed"
    """Handed to the operating system: survives `kill -9`, not a power cut, until the next synced append."""


class Entry(Struct, frozen=True):
    """One fact on its way into the journal."""

    key: str
    """Idempotency key: appending the same key again changes nothing and returns the first record."""
    body: bytes
    """The fact in canonical JSON."""


class Snapshot(Struct, frozen=True):
    """State as it was after a record, so that a start need not fold the whole journal."""

    seq: int
    chain_hash: bytes
    """The hash of that record: a snapshot of another history is refused."""
    state: bytes


class JournalReader(Protocol):
    """The reading side of a journal. Other processes hold this one while the engine holds the writer."""

    def head(self) -> Head:
        """Return the last record's sequence number and hash."""

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[Record]:
        """Yield records with `after < seq <= until` in order.

        `until=None` means to the head as it is at the call; later records are not waited for. Hashes are not
        recomputed: that is what `verify` is for.
        """

    def find(self, key: str) -> Record | None:
        """Return the record with this idempotency key, or `None`."""

    def latest_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot whose bytes and place in the chain check out, or `None`."""

    @property
    def tasks(self) -> TaskReader:
        """The effects that wait or are under way."""

    def verify(self, *, anchor: Head | None = None) -> Head:
        """Recompute every hash from the stored bytes and return the head.

        With an anchor (a head written down elsewhere earlier) a shortened or rewritten journal is found too.
        Raises `ChainBroken` naming the first record that does not fit.
        """

    def close(self) -> None:
        """Finish waiting appends and release the file. Closing twice is harmless."""


class Journal(JournalReader, Protocol):
    """The append-only, hash-chained log of all facts. One writer, any number of readers."""

    def append(
        self,
        entries: Sequence[Entry],
        *,
        durability: Durability = Durability.SYNCED,
        tasks: Sequence[Task | Finished] = (),
    ) -> list[Record]:
        """Append all entries or none and return their records, in order.

        In the same transaction `tasks` are put into the task table, or taken out of it where they are
        finished: there is no moment at which an effect is authorised and forgotten. A task that the table
        has already stays as it is.

        Safe to call from many threads: whoever comes while a commit runs shares the next one. An entry whose
        key is known returns the record it already has, if the body is the same too.

        Raises `InputError` when an entry cannot be kept as it is (an empty or oversized key, a body that is
        not one line of JSON), `JournalError` when a key is reused for another body, and `StorageError` when
        the disk refuses; then nothing was appended.
        """

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; the newest few stay. Raises `JournalError` when it does not fit the chain."""

    def maintain(self) -> None:
        """Do the housekeeping that would slow appends down. The loop calls it when it has nothing to do."""

    @property
    def tasks(self) -> TaskTable:
        """The effects that wait or are under way."""


class DecisionFilter(Struct, frozen=True, kw_only=True):
    """Which decisions are wanted; `None` takes all."""

    agent: AgentId | None = None
    capability: CapabilityId | None = None
    """With its version, or the name alone for every version."""
    action: ActionName | None = None
    word: Word | None = None
    since_us: int | None = None
    """Decided at this time or later."""
    until_us: int | None = None
    """Decided before this time."""


class Page(Struct, frozen=True, kw_only=True):
    """Some records, the newest first."""

    records: tuple[Record, ...]
    before: int | None
    """Where the next page begins; `None` when there is none. A page may be empty and still have a next one:
    how far back one question looks is bounded."""


class DecisionsReader(JournalReader, Protocol):
    """A journal that can be looked through, the newest first. A question may take long: ask in a thread."""

    def decisions(self, wanted: DecisionFilter, *, before: int | None = None, most: int = 50) -> Page:
        """Return records of verdicts; `before` is where the page before ended."""

    def facts(self, *tags: str, before: int | None = None, most: int = 50, after: int = 0) -> Page:
        """Return records of these kinds of facts, such as `snapshot_saved`, that stand behind `after`."""

    def with_prefix(self, prefix: str) -> list[Record]:
        """Return the records whose key begins so, in the order of the journal. Quick."""

    def first_at(self, at_us: int) -> int:
        """Return the number of the first record at this time or later; one past the last for none. Quick."""
