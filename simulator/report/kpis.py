"""KPIs in the report: a table of how they stand, and for each a chart of how it went."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from engine.core.kpis.standing import KpiStanding
from engine.core.plain_text import count_text
from simulator.kpi_text import figure_text, rests_on, target_text, value_text
from simulator.kpis import KpiPoint
from simulator.plain import when_text
from simulator.report import charts, kpi_marks, marks
from simulator.report.charts import Chart

_MARKS: Final = {"met": "met", "missed": "missed", "unknown": "open"}
"""What the style sheet calls each word: with it a sign, for whoever sees no colours."""


class KpiRow(Struct, frozen=True, kw_only=True):
    """One line of the table, in words."""

    name: str
    shows: str
    window_us: int
    word: str
    mark: str
    unsure: bool
    value: str
    interval: str
    target: str
    rests_on: str
    parts: str


class KpisShown(Struct, frozen=True, kw_only=True):
    """All KPIs of one history."""

    at_us: int
    rows: list[KpiRow]
    charts: list[Chart]


def gathered(
    standings: Sequence[KpiStanding], points: Sequence[Sequence[KpiPoint]], prefix: str
) -> KpisShown:
    """Put the KPIs of one history into words and pictures; one that never had a value has no picture."""
    found = [
        _chart(kpi, way, f"{prefix}-{place}")
        for place, (kpi, way) in enumerate(zip(standings, points, strict=True))
    ]
    return KpisShown(
        at_us=standings[0].until_us,
        rows=[_row(kpi) for kpi in standings],
        charts=[chart for chart in found if chart is not None],
    )


def _row(kpi: KpiStanding) -> KpiRow:
    value, _, interval = value_text(kpi).partition(" (")
    return KpiRow(
        name=kpi.name,
        shows=kpi.shows,
        window_us=kpi.window_us,
        word=kpi.word,
        mark=_MARKS[kpi.word],
        unsure=kpi.word != "unknown" and not kpi.sure,
        value=value,
        interval=f"({interval}" if interval else "",
        target=target_text(kpi),
        rests_on=rests_on(kpi).removesuffix(", unsure"),
        parts=", ".join(f"{part.name} {part.count:,}" for part in kpi.parts),
    )


def _chart(kpi: KpiStanding, points: Sequence[KpiPoint], name: str) -> Chart | None:
    known = [point for point in points if point.value is not None]
    if not known:
        return None
    target = kpi.at_least if kpi.at_least is not None else kpi.at_most
    values = [point.value for point in known if point.value is not None]
    text = (
        f"{kpi.name}, from {when_text(points[0].at_us)} to {when_text(points[-1].at_us)}: known at "
        f"{len(known):,} of {count_text(len(points), 'moments')}, from {figure_text(kpi, min(values))} to "
        f"{figure_text(kpi, max(values))}; its target is {target_text(kpi)}."
    )
    # Differences of shares are points, as they are in words.
    axis, times = {"cost_per_decision": ("$,.2~f", 1), "value": ("+,~r", 100)}.get(kpi.kind, (".1~%", 1))
    return charts.both(
        lambda size: kpi_marks.course(
            points, target, f"target {figure_text(kpi, target)}", axis, size, times=times
        ),
        name,
        text,
        wide=marks.HALF,
        title=kpi.name,
    )
