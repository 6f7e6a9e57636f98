"""A fold of a journal, kept up by reading on from where the last look ended.

What was folded is kept in a file, so that a start need not read the journal again. The file only saves time:
it names the record it came to by its hash, and is passed over where the journal has another one there.
"""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from engine.adapters.files import atomic_write
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import Fact, decode
from engine.errors import JournalError, WatchkeeperError
from engine.ports import JournalReader

FURTHEST: Final = 50_000
"""Records one look folds at most where somebody waits: a second's work, or two."""
PIECE: Final = 1_000
"""Records folded at once where nobody waits: some hundredths of a second, so that others get their turn."""
_KEEP_AFTER: Final = 2_000
"""Records after which what was folded is worth writing down."""

_Folded = TypeVar("_Folded")
_Shown = TypeVar("_Shown")


class Reached(Struct, frozen=True, kw_only=True):
    """How far a look came."""

    seq: int
    """The last record that is in it."""
    behind: int
    """How many records of the journal are not in it yet."""
    head: int
    caught_up: bool
    """Whether this fold ever came to the end of this journal."""


class _Kept(Struct, frozen=True, kw_only=True):
    seq: int
    hash: bytes
    body: bytes


class KeptFold(Generic[_Folded]):
    """One fold of one journal. Safe from many threads."""

    def __init__(
        self,
        journal: Callable[[], JournalReader],
        kept: Path | None,
        *,
        begin: Callable[[], _Folded],
        take: Callable[[_Folded, Record], None],
        encode: Callable[[_Folded], bytes],
        decode: Callable[[bytes], _Folded | None],
        keeps: bool = True,
    ) -> None:
        """`journal` is asked for its reader at every look; `kept` is the file that saves time, if any.

        `take` takes the next record, and `decode` gives `None` for another version's bytes. Who only passes
        by reads the file and does not keep it: it belongs to the service.
        """
        self._journal, self._kept, self._keeps = journal, kept, keeps
        self._make, self._take, self._encode, self._decode = begin, take, encode, decode
        self._one = threading.Lock()
        self._seq = self._saved = 0
        self._caught_up = False
        self._begin()
        self._load()

    def look(self, most: int | None, show: Callable[[_Folded], _Shown]) -> tuple[_Shown, Reached]:
        """Fold what was added, at most so many records, and show what there is now.

        Nothing is folded while `show` looks. Raises as reading a journal does.
        """
        with self._one:
            journal = self._journal()
            if not self._fits(journal):
                self._begin()
            head = journal.head().seq
            until = head if most is None else min(head, self._seq + most)
            for record in journal.read(after=self._seq, until=until):
                self._take(self._folded, record)
                self._seq, self._hash = record.seq, record.hash
            if self._seq - self._saved >= _KEEP_AFTER:
                self._save()
            behind = max(0, head - self._seq)
            self._caught_up = self._caught_up or behind == 0
            reached = Reached(seq=self._seq, behind=behind, head=head, caught_up=self._caught_up)
            return show(self._folded), reached

    def _begin(self) -> None:
        self._folded = self._make()
        self._seq = self._saved = 0
        self._hash = b""
        self._caught_up = False

    def _fits(self, journal: JournalReader) -> bool:
        """Whether the journal is the one that was folded: a restored one may be shorter, or another."""
        if not self._seq:
            return True
        if journal.head().seq < self._seq:
            return False
        return [record.hash for record in journal.read(after=self._seq - 1, until=self._seq)] == [self._hash]

    def _load(self) -> None:
        if self._kept is None or not self._kept.exists():
            return
        with contextlib.suppress(OSError, msgspec.DecodeError):
            kept = _DECODER.decode(self._kept.read_bytes())
            folded = self._decode(kept.body)
            if folded is not None:
                self._folded, self._seq, self._hash = folded, kept.seq, kept.hash
                self._saved = kept.seq

    def _save(self) -> None:
        if self._kept is None or not self._keeps:
            return
        body = msgspec.msgpack.encode(_Kept(seq=self._seq, hash=self._hash, body=self._encode(self._folded)))
        # On a full disk everything goes on without it.
        with contextlib.suppress(WatchkeeperError):
            with atomic_write(self._kept) as file:
                file.write(body)
            self._saved = self._seq


class _Time(Struct, frozen=True):
    at_us: int


def starts_of(kinds: frozenset[type[Fact]]) -> frozenset[bytes]:
    """Return what facts of these kinds begin with in canonical JSON, up to the first comma."""
    return frozenset(f'{{"fact":"{kind.__struct_config__.tag}"'.encode() for kind in kinds)


def fact_or_time(record: Record, starts: frozenset[bytes]) -> Fact | int:
    """Read of a record the whole fact where it begins so, or of all others its time alone: that is quicker.

    Raises `JournalError` naming a record this version cannot read.
    """
    body = record.body
    try:
        return decode(body) if body[: body.find(b",")] in starts else _TIME.decode(body).at_us
    except msgspec.DecodeError as unreadable:
        raise JournalError(
            f"record {record.seq} cannot be read: {unreadable}", cure="read it with the version that wrote it"
        ) from unreadable


_DECODER: Final = msgspec.msgpack.Decoder(_Kept)
_TIME: Final = msgspec.json.Decoder(_Time)
