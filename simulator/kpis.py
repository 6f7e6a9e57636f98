"""KPIs of a history: how they stand at its end, and how they went on the way there."""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

from engine.adapters.kpi_view import fact_or_time
from engine.core.kpis import projection as projections
from engine.core.kpis.definitions import Kpi
from engine.core.kpis.standing import KpiStanding, standings
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import Fact, encode
from engine.core.vocabulary.ids import Digest
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from engine.ports import JournalReader

_MOST_POINTS: Final = 100
"""Enough to see a course, few enough that a chart of them is small."""
_STEPS: Final = (
    *(SECOND_US * n for n in (1, 5, 15)),
    *(MINUTE_US * n for n in (1, 5, 15)),
    *(HOUR_US * n for n in (1, 3, 6, 12)),
    *(DAY_US * n for n in (1, 2, 7, 30, 365)),
)


class KpiPoint(Struct, frozen=True, array_like=True, gc=False):
    """How one KPI stood at one moment: `[at_us, value, low, high, count]`, without a value while unknown."""

    at_us: int
    value: float | None
    low: float | None
    high: float | None
    count: int


class KpiCourse(Struct, frozen=True, kw_only=True):
    """What the KPIs of one history came to, and their points, KPI by KPI."""

    standings: list[KpiStanding]
    points: list[list[KpiPoint]]


class Following:
    """Follows a history from its first fact to its last."""

    def __init__(self, kpis: tuple[Kpi, ...], first_us: int, last_us: int) -> None:
        """Begin before the first fact. Points are taken at round times between the two."""
        self._kpis = kpis
        self._projection = projections.begin(kpis)
        self._points: list[list[KpiPoint]] = [[] for _ in kpis]
        span_us = last_us - first_us
        self._every_us = next((step for step in _STEPS if span_us // step < _MOST_POINTS), 0) or span_us
        self._next_us = (first_us // self._every_us + 1) * self._every_us

    def take(self, fact: Fact) -> None:
        """Take one fact, in order of time."""
        if fact.at_us >= self._next_us:
            self._note(fact.at_us)
        projections.fold(self._projection, fact)

    def saw(self, at_us: int) -> None:
        """Take the time of a fact that counts for nothing else."""
        if at_us >= self._next_us:
            self._note(at_us)
        projections.saw(self._projection, at_us)

    def end(self, now_us: int) -> KpiCourse:
        """Say how everything stands, and how it went."""
        self.saw(now_us)
        now = standings(self._projection)
        points = [[*points, _point(kpi)] for points, kpi in zip(self._points, now, strict=True)]
        return KpiCourse(standings=now, points=points)

    def _note(self, at_us: int) -> None:
        """Look at every round time up to now; a fact of that very time is not counted yet."""
        while self._next_us <= at_us:
            for points, kpi in zip(self._points, standings(self._projection, self._next_us), strict=True):
                points.append(_point(kpi))
            self._next_us += self._every_us

    def checkpoint(self) -> bytes:
        """Write down how far it is, for `resume`."""
        return msgspec.msgpack.encode((projections.encode(self._projection), self._points, self._next_us))

    def resume(self, body: bytes) -> None:
        """Go on from a checkpoint of the same KPIs and the same history."""
        kept, self._points, self._next_us = _DECODER.decode(body)
        projection = projections.decode(kept, self._kpis)
        if projection is not None:
            self._projection = projection


def course_of(kpis: tuple[Kpi, ...], journal: JournalReader) -> KpiCourse:
    """Follow a whole journal. Raises as reading it does."""
    head = journal.head().seq
    last_us = max((_time_of(record) for record in journal.read(after=head - 1)), default=0)
    first_us = max((_time_of(record) for record in journal.read(until=1)), default=0)
    following = Following(kpis, first_us, last_us)
    for record in journal.read(until=head):
        found = fact_or_time(record)
        if isinstance(found, int):
            following.saw(found)
        else:
            following.take(found)
    return following.end(last_us)


def _time_of(record: Record) -> int:
    found = fact_or_time(record)
    return found if isinstance(found, int) else found.at_us


def hash_of(kpis: tuple[Kpi, ...]) -> Digest:
    """Name a set of KPIs by all that is said of them."""
    return Digest(hashlib.sha256(encode(kpis)).hexdigest())


def _point(kpi: KpiStanding) -> KpiPoint:
    return KpiPoint(kpi.until_us, kpi.value, kpi.low, kpi.high, kpi.count)


_DECODER: Final = msgspec.msgpack.Decoder(tuple[bytes, list[list[KpiPoint]], int])
