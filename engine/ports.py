"""The doors between the engine and the outside, as protocols: each has an adapter, a fake and one suite."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Protocol

from msgspec import Struct

from engine.core.vocabulary.chain import Head, Record


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

    def verify(self, *, anchor: Head | None = None) -> Head:
        """Recompute every hash from the stored bytes and return the head.

        With an anchor (a head written down elsewhere earlier) a shortened or rewritten journal is found too.
        Raises `ChainBroken` naming the first record that does not fit.
        """

    def close(self) -> None:
        """Finish waiting appends and release the file. Closing twice is harmless."""


class Journal(JournalReader, Protocol):
    """The append-only, hash-chained log of all facts. One writer, any number of readers."""

    def append(self, entries: Sequence[Entry], *, durability: Durability = Durability.SYNCED) -> list[Record]:
        """Append all entries or none and return their records, in order.

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
