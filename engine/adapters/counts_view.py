"""Counts of a journal, kept up as KPIs are, and how the file itself is."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.adapters import kept_fold
from engine.adapters.files import storage_errors
from engine.adapters.kept_fold import KeptFold
from engine.core.kpis import counting
from engine.core.kpis.counting import COUNTED, Counts
from engine.core.vocabulary.chain import Record
from engine.ports import JournalReader

_STARTS: Final = kept_fold.starts_of(COUNTED)
_TAG_AT: Final = len('{"fact":"')


class CountsSeen(Struct, frozen=True, kw_only=True):
    """How much happened, and how the journal is."""

    counts: Counts
    records: int
    """Records of the journal."""
    behind: int
    """How many of them are not counted yet."""
    caught_up: bool
    """Whether these counts ever were whole: before that they rise by what happened long ago."""
    size_bytes: int
    """Of the journal with its write-ahead log."""
    free_bytes: int
    """What is left where it lies."""
    queued: int
    """Effects that wait for a worker."""
    running: int


class CountsView:
    """The counts of one journal. Safe from many threads."""

    def __init__(self, journal: Callable[[], JournalReader], place: Path, kept: Path | None = None) -> None:
        """`journal` is asked for its reader at every look, `place` is its file, and `kept` saves time."""
        self._journal, self._place = journal, place
        self._fold = KeptFold[Counts](
            journal,
            kept,
            begin=counting.begin,
            take=_take,
            encode=counting.encode,
            decode=counting.decode,
        )

    def look(self, most: int | None = None) -> CountsSeen:
        """Count what was added, at most so many records. Raises as reading a journal does."""
        counts, reached = self._fold.look(most, counting.copied)
        tasks = self._journal().tasks.all()
        running = sum(bool(task.worker) for task in tasks)
        with storage_errors(self._place):
            size, free = _size(self._place), shutil.disk_usage(self._place.parent).free
        return CountsSeen(
            counts=counts,
            records=reached.head,
            behind=reached.behind,
            caught_up=reached.caught_up,
            size_bytes=size,
            free_bytes=free,
            queued=len(tasks) - running,
            running=running,
        )


def _take(counts: Counts, record: Record) -> None:
    found = kept_fold.fact_or_time(record, _STARTS)
    if isinstance(found, int):
        # Canonical JSON begins with the kind, and a kind has no character that JSON would escape.
        tag = record.body[_TAG_AT : record.body.find(b'"', _TAG_AT)].decode("ascii", "replace")
        counting.saw(counts, tag, found)
    else:
        counting.fold(counts, found)


def _size(place: Path) -> int:
    size = place.stat().st_size
    # The log comes and goes with the engine.
    with contextlib.suppress(FileNotFoundError):
        size += place.with_name(f"{place.name}-wal").stat().st_size
    return size
