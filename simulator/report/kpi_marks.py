"""The marks of a KPI's chart: its value over time, within its interval, and its target."""

from collections.abc import Sequence
from typing import Any

from engine.core.vocabulary.units import DAY_US
from simulator.kpis import KpiPoint
from simulator.report.marks import FONT, HEIGHTS, Size, Spec, chart

_ACCENT = "var(--accent)"


def course(
    points: Sequence[KpiPoint], target: float | None, said: str, form: str, size: Size, *, times: int = 1
) -> Spec:
    """Draw a line with a band around it, broken where nothing is known, and the target dashed.

    `times` brings values to the unit of the axis, whose format is `form`.
    """
    rows = _runs(points, times)
    span_us = points[-1].at_us - points[0].at_us
    x = {
        "field": "at",
        "type": "temporal",
        "scale": {
            "type": "utc",
            "nice": False,
            # What was unknown at first is time, too.
            "domain": [points[0].at_us // 1000, points[-1].at_us // 1000],
        },
        "axis": {
            "format": "%b %d" if span_us > 2 * DAY_US else "%H:%M",
            "tickCount": size.ticks,
            "title": None,
            "grid": False,
            "labelFlush": True,
            "labelOverlap": True,
        },
    }
    scale = {"zero": False, "nice": True}
    y: Spec = {"type": "quantitative", "scale": scale, "axis": {**HEIGHTS, "format": form}}
    run = {"detail": {"field": "run", "type": "nominal"}}
    lonely = [row for row in rows if sum(row["run"] == other["run"] for other in rows) == 1]
    layers: list[Spec] = [
        {
            "data": {"values": [row for row in rows if row["low"] is not None]},
            "mark": {"type": "area", "color": _ACCENT, "opacity": 0.18},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, **run},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "line", "color": _ACCENT, "strokeWidth": 2},
            "encoding": {"x": x, "y": {**y, "field": "value"}, **run},
        },
        {
            "data": {"values": lonely},
            "mark": {"type": "point", "color": _ACCENT, "filled": True, "opacity": 1, "size": 24},
            "encoding": {"x": x, "y": {**y, "field": "value"}},
        },
    ]
    if target is not None:
        aim: Any = {"data": {"values": [{"target": target * times, "said": said}]}}
        height = {"y": {**y, "field": "target"}}
        layers += [
            {
                **aim,
                "mark": {"type": "rule", "strokeDash": [5, 4], "color": "currentColor"},
                "encoding": height,
            },
            {
                **aim,
                "mark": {
                    "type": "text", "align": "left", "baseline": "bottom", "dx": 4, "dy": -3, "x": 0,
                    "color": "currentColor", "fontSize": FONT,
                },
                "encoding": {**height, "text": {"field": "said", "type": "nominal"}},
            },
        ]  # fmt: skip
    return chart(size, {"layer": layers})


def _runs(points: Sequence[KpiPoint], times: int) -> list[Spec]:
    """Write the points that have a value, numbering the stretches between those that have none."""
    rows: list[Spec] = []
    run = 0
    for point in points:
        if point.value is None:
            run += 1
            continue
        rows.append(
            {
                "at": point.at_us / 1000,
                "value": point.value * times,
                "low": None if point.low is None else point.low * times,
                "high": None if point.high is None else point.high * times,
                "run": run,
            }
        )
    return rows
