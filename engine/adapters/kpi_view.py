"""KPIs of a journal, kept up by reading on from where the last look ended.

What was counted is kept in a file, so that a start need not read the journal again. The file only saves time:
it names the record it came to by its hash, and is passed over where the journal has another one there.
"""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from engine.adapters.files import atomic_write
from engine.core.kpis import projection as projections
from engine.core.kpis.definitions import Kpi
from engine.core.kpis.projection import COUNTED, Projection
from engine.core.kpis.standing import KpiStanding, standings
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import Fact, decode
from engine.errors import JournalError, WatchkeeperError
from engine.ports import JournalReader

FURTHEST: Final = 50_000
"""Records one look counts at most where somebody waits: a second's work, or two."""
PIECE: Final = 1_000
"""Records counted at once where nobody waits: some hundredths of a second, so that others get their turn."""
_KEEP_AFTER: Final = 2_000
"""Records after which what was counted is worth writing down."""
_TAGS: Final = frozenset(f'{{"fact":"{kind.__struct_config__.tag}"'.encode() for kind in COUNTED)


class KpisSeen(Struct, frozen=True, kw_only=True):
    """How the KPIs of a journal stand."""

    kpis: tuple[KpiStanding, ...]
    """Nothing counts in them that happened after record `seq`."""
    seq: int
    behind: int
    """How many records of the journal are not counted yet."""


class _Kept(Struct, frozen=True, kw_only=True):
    seq: int
    hash: bytes
    body: bytes


class _Time(Struct, frozen=True):
    at_us: int


def fact_or_time(record: Record) -> Fact | int:
    """Read of a record what KPIs count: the whole fact, or of most its time alone, which is quicker.

    Raises `JournalError` naming a record this version cannot read.
    """
    body = record.body
    try:
        return decode(body) if body[: body.find(b",")] in _TAGS else _TIME.decode(body).at_us
    except msgspec.DecodeError as unreadable:
        raise JournalError(
            f"record {record.seq} cannot be read: {unreadable}", cure="read it with the version that wrote it"
        ) from unreadable


class KpiView:
    """The KPIs of one journal. Safe from many threads."""

    def __init__(
        self,
        kpis: tuple[Kpi, ...],
        journal: Callable[[], JournalReader],
        kept: Path | None = None,
        *,
        keeps: bool = True,
    ) -> None:
        """`journal` is asked for its reader at every look; `kept` is the file that saves time, if any.

        Who only passes by reads that file and does not keep it: it belongs to the service.
        """
        self._kpis, self._journal, self._kept, self._keeps = kpis, journal, kept, keeps
        self._one = threading.Lock()
        self._begin()
        self._load()

    def look(self, most: int | None = None) -> KpisSeen:
        """Count what was added, at most so many records, and say how everything stands.

        Raises as reading a journal does.
        """
        with self._one:
            journal = self._journal()
            if not self._fits(journal):
                self._begin()
            head = journal.head().seq
            until = head if most is None else min(head, self._seq + most)
            for record in journal.read(after=self._seq, until=until):
                self._take(record)
            if self._seq - self._saved >= _KEEP_AFTER:
                self._save()
            return KpisSeen(
                kpis=tuple(standings(self._projection)), seq=self._seq, behind=max(0, head - self._seq)
            )

    def _begin(self) -> None:
        self._projection: Projection = projections.begin(self._kpis)
        self._seq = self._saved = 0
        self._hash = b""

    def _take(self, record: Record) -> None:
        found = fact_or_time(record)
        if isinstance(found, int):
            projections.saw(self._projection, found)
        else:
            projections.fold(self._projection, found)
        self._seq, self._hash = record.seq, record.hash

    def _fits(self, journal: JournalReader) -> bool:
        """Whether the journal is the one that was counted: a restored one may be shorter, or another."""
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
            projection = projections.decode(kept.body, self._kpis)
            if projection is not None:
                self._projection, self._seq, self._hash = projection, kept.seq, kept.hash
                self._saved = kept.seq

    def _save(self) -> None:
        if self._kept is None or not self._keeps:
            return
        body = msgspec.msgpack.encode(
            _Kept(seq=self._seq, hash=self._hash, body=projections.encode(self._projection))
        )
        # On a full disk everything goes on without it.
        with contextlib.suppress(WatchkeeperError):
            with atomic_write(self._kept) as file:
                file.write(body)
            self._saved = self._seq


_DECODER: Final = msgspec.msgpack.Decoder(_Kept)
_TIME: Final = msgspec.json.Decoder(_Time)
