"""KPIs of a journal, kept up by reading on from where the last look ended."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.adapters import kept_fold
from engine.adapters.kept_fold import FURTHEST, PIECE, KeptFold
from engine.core.kpis import projection as projections
from engine.core.kpis.definitions import Kpi
from engine.core.kpis.projection import COUNTED, Projection
from engine.core.kpis.standing import KpiStanding, standings
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import Fact
from engine.ports import JournalReader

_STARTS: Final = kept_fold.starts_of(COUNTED)


class KpisSeen(Struct, frozen=True, kw_only=True):
    """How the KPIs of a journal stand."""

    kpis: tuple[KpiStanding, ...]
    """Nothing counts in them that happened after record `seq`."""
    seq: int
    behind: int
    """How many records of the journal are not counted yet."""


def fact_or_time(record: Record) -> Fact | int:
    """Read of a record what KPIs count: the whole fact, or of most its time alone, which is quicker.

    Raises `JournalError` naming a record this version cannot read.
    """
    return kept_fold.fact_or_time(record, _STARTS)


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
        self._fold = KeptFold[Projection](
            journal,
            kept,
            begin=lambda: projections.begin(kpis),
            take=_take,
            encode=projections.encode,
            decode=lambda body: projections.decode(body, kpis),
            keeps=keeps,
        )

    def look(self, most: int | None = None) -> KpisSeen:
        """Count what was added, at most so many records, and say how everything stands.

        Raises as reading a journal does.
        """
        kpis, reached = self._fold.look(most, standings)
        return KpisSeen(kpis=tuple(kpis), seq=reached.seq, behind=reached.behind)


def _take(projection: Projection, record: Record) -> None:
    found = fact_or_time(record)
    if isinstance(found, int):
        projections.saw(projection, found)
    else:
        projections.fold(projection, found)


__all__ = ["FURTHEST", "PIECE", "KpiView", "KpisSeen", "fact_or_time"]
