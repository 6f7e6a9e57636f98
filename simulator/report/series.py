"""What the report shows beyond the summary, all by query: series over time, the most of everything."""

from typing import Any, Final

import sqlite_utils
from msgspec import Struct

from engine.core.kpis.standing import KpiStanding
from engine.core.vocabulary.facts import Limit
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from simulator.kpis import KpiPoint
from simulator.summary import Costs, Words

MOST_BUCKETS: Final = 120
"""Enough to see a rhythm, few enough that one is still a few pixels wide on a laptop."""

_STEPS: Final = (
    *(SECOND_US * n // 1000 for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(SECOND_US * n for n in (1, 2, 5, 10, 15, 30)),
    *(MINUTE_US * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR_US * n for n in (1, 2, 3, 6, 12)),
    *(DAY_US * n for n in (1, 2, 4, 7, 14, 30, 60, 120, 180, 365)),
)


class Buckets(Struct, frozen=True):
    """How a stretch of time is cut into equal parts."""

    start_us: int
    """A whole multiple of the width, so that a bucket of an hour begins on the hour."""
    width_us: int
    count: int

    def at_us(self, bucket: int) -> int:
        """Say when a bucket begins."""
        return self.start_us + bucket * self.width_us


class Bucket(Struct, frozen=True):
    """What was decided in one bucket."""

    words: Words
    costs: Costs


class Peaks(Struct, frozen=True, kw_only=True):
    """How close usage came to the limits of one measure and window, bucket by bucket."""

    measure: str
    window_us: int
    limits: list[Limit]
    all_agents: list[float]
    """The most that counted against any proposal of the bucket, over all agents together."""
    one_agent: list[float]
    """The same for the busiest single agent."""


class Level(Struct, frozen=True):
    """Decisions of one risk level."""

    level: str
    words: Words


class Agent(Struct, frozen=True, kw_only=True):
    """What became of one agent's proposals."""

    agent: str
    decisions: int
    words: Words
    costs: Costs


class Row(Struct, frozen=True, kw_only=True):
    """One decision, as a line of a table."""

    seq: int
    decision_id: str
    at_us: int
    agent: str
    action: str
    word: str
    rule: str
    risk: str
    risk_score: int
    cost_usd: float
    decide_us: float


class Percentiles(Struct, frozen=True, kw_only=True):
    """How long deciding took, microseconds."""

    p50: int
    p95: int
    p99: int
    longest: int


def cut(first_us: int, last_us: int) -> Buckets:
    """Cut a stretch of time into at most `MOST_BUCKETS` buckets of a width people say aloud.

    Nine hours and a half make 114 buckets of five minutes:

    >>> cut(0, 34_200_000_000)
    Buckets(start_us=0, width_us=300000000, count=115)
    >>> cut(90_000_000, 90_000_000)
    Buckets(start_us=60000000, width_us=60000000, count=1)
    """
    span = last_us - first_us
    if not span:
        # One moment: a bucket of a minute around it says more than one of a thousandth of a second.
        return Buckets(first_us // MINUTE_US * MINUTE_US, MINUTE_US, 1)
    width = next((step for step in _STEPS if span // step + 2 <= MOST_BUCKETS), None)
    if width is None:
        # Longer than a lifetime: years in round numbers.
        width = 365 * DAY_US * (span // (365 * DAY_US * (MOST_BUCKETS - 2)) + 1)
    start = first_us // width * width
    return Buckets(start, width, (last_us - start) // width + 1)


def stretch(db: sqlite_utils.Database) -> Buckets | None:
    """Cut the time of all decisions; `None` when there are none."""
    first_us, last_us = db.execute("select min(at_us), max(at_us) from decisions").fetchone()
    return None if first_us is None else cut(first_us, last_us)


def over_time(db: sqlite_utils.Database, track: int, buckets: Buckets) -> list[Bucket]:
    """Count words and cost in every bucket."""
    rows = db.execute(_OVER_TIME, (*_cutting(buckets), track))
    found = {row[0]: Bucket(_words(row[1:]), _costs(row[4:])) for row in rows}
    empty = Bucket(Words(allow=0, hold=0, deny=0), Costs(allowed=0, held=0, denied=0))
    return [found.get(number, empty) for number in range(buckets.count)]


def peaks(db: sqlite_utils.Database, track: int, buckets: Buckets, limits: list[Limit]) -> list[Peaks]:
    """Measure usage as the limits gate does: what is allowed counts within its sliding window.

    Executed proposals count against everything, shadowed ones only against each other. Of each bucket the
    highest value is kept; a measure that was never used is left out.
    """
    groups: dict[tuple[str, int], list[Limit]] = {}
    for limit in limits:
        groups.setdefault((limit.measure, limit.window_us), []).append(limit)
    found = []
    for (measure, window_us), of_group in groups.items():
        every = _peak(db, track, buckets, measure, window_us, partition="")
        if any(every):
            one = _peak(db, track, buckets, measure, window_us, partition="partition by agent")
            found.append(
                Peaks(measure=measure, window_us=window_us, limits=of_group, all_agents=every, one_agent=one)
            )
    return found


def by_risk(db: sqlite_utils.Database, track: int) -> list[Level]:
    """Count decisions by risk level."""
    return [Level(row[0], _words(row[1:])) for row in db.execute(_BY_RISK, (track,))]


def by_agent(db: sqlite_utils.Database, track: int, most: int) -> tuple[list[Agent], int]:
    """Return the agents that proposed most, and how many agents there are in all."""
    rows = db.execute(_BY_AGENT, (track, most)).fetchall()
    agents = [
        Agent(
            agent=row[0],
            decisions=row[1],
            words=_words(row[2:]),
            costs=_costs(row[5:]),
        )
        for row in rows
    ]
    return agents, rows[0][8] if rows else 0


def slowest(db: sqlite_utils.Database, track: int, most: int) -> list[Row]:
    """Return the decisions that took longest."""
    return _rows(db, "where track = ? order by decide_us desc, seq limit ?", track, most)


def riskiest(db: sqlite_utils.Database, track: int, most: int) -> list[Row]:
    """Return the decisions with the highest risk score, the costliest first among equals."""
    return _rows(db, "where track = ? order by risk_score desc, cost_usd desc, seq limit ?", track, most)


def latest_held(db: sqlite_utils.Database, track: int, most: int) -> list[Row]:
    """Return the decisions held last: all holds last equally long, so these are the ones that still wait."""
    return _rows(db, "where track = ? and word = 'hold' order by seq desc limit ?", track, most)


def percentiles(db: sqlite_utils.Database, track: int) -> Percentiles | None:
    """Say how long deciding took, to the microsecond (nearest rank); `None` without decisions."""
    counts = db.execute(_TIMES, (track,)).fetchall()
    if not counts:
        return None
    total = sum(count for _, count in counts)
    found = []
    for percent in (50, 95, 99):
        left = -(-total * percent // 100)
        for micros, count in counts:
            left -= count
            if left <= 0:
                found.append(micros)
                break
    return Percentiles(p50=found[0], p95=found[1], p99=found[2], longest=counts[-1][0])


def kpi_points(db: sqlite_utils.Database, track: int, kpis: list[KpiStanding]) -> list[list[KpiPoint]]:
    """Return how each KPI went; nothing where a stopped replay has not written it down yet."""
    return [[KpiPoint(*row) for row in db.execute(_KPI_POINTS, (track, kpi.name))] for kpi in kpis]


_KPI_POINTS: Final = """
    select at_us, value, low, high, count from kpi_points where track = ? and name = ? order by at_us"""
_OVER_TIME: Final = """
    select (at_us - ?) / ?,
           sum(word = 'allow'), sum(word = 'hold'), sum(word = 'deny'),
           sum(case word when 'allow' then cost_usd else 0 end),
           sum(case word when 'hold' then cost_usd else 0 end),
           sum(case word when 'deny' then cost_usd else 0 end)
    from decisions where track = ? group by 1"""
# A frame by value, not by row: everything of the same microsecond counts. Its end is open on the old side, as
# in the gate: what was used exactly one window ago no longer counts.
_PEAKS: Final = """
    select (at_us - ?) / ?, max(case when shadowed then used else used_live end) from (
        select at_us, shadowed, sum({measure}) over span as used,
               sum(case when shadowed then 0 else {measure} end) over span as used_live
        from decisions where track = ? and word = 'allow' and {measure} > 0
        window span as ({partition} order by at_us range between {before} preceding and current row)
    ) group by 1"""
_BY_RISK: Final = """
    select risk, sum(word = 'allow'), sum(word = 'hold'), sum(word = 'deny')
    from decisions where track = ? group by risk"""
_BY_AGENT: Final = """
    select agent, count(*), sum(word = 'allow'), sum(word = 'hold'), sum(word = 'deny'),
           sum(case word when 'allow' then cost_usd else 0 end),
           sum(case word when 'hold' then cost_usd else 0 end),
           sum(case word when 'deny' then cost_usd else 0 end), count(*) over ()
    from decisions where track = ? group by agent order by 2 desc, 1 limit ?"""
# Whole microseconds make thousands of groups at most, and sort four times as fast as the measured times.
_TIMES: Final = (
    "select cast(round(decide_us) as int), count(*) from decisions where track = ? group by 1 order by 1"
)


def _cutting(buckets: Buckets) -> tuple[int, int]:
    return buckets.start_us, buckets.width_us


def _words(row: tuple[Any, ...]) -> Words:
    return Words(allow=row[0], hold=row[1], deny=row[2])


def _costs(row: tuple[Any, ...]) -> Costs:
    return Costs(allowed=row[0], held=row[1], denied=row[2])


def _peak(
    db: sqlite_utils.Database, track: int, buckets: Buckets, measure: str, window_us: int, *, partition: str
) -> list[float]:
    # Only names of our own vocabulary and whole numbers are put into the text of this query.
    sql = _PEAKS.format(measure=measure, partition=partition, before=window_us - 1)
    found = dict(db.execute(sql, (*_cutting(buckets), track)).fetchall())
    return [found.get(number, 0) for number in range(buckets.count)]


def _rows(db: sqlite_utils.Database, clause: str, track: int, most: int) -> list[Row]:
    columns = Row.__struct_fields__
    sql = f"select {', '.join(columns)} from decisions {clause}"  # noqa: S608 - names of our own fields
    found = db.execute(sql, (track, most))
    return [Row(**dict(zip(columns, row, strict=True))) for row in found]
