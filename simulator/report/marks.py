"""The marks of the report's charts, as Vega-Lite specs in plain dicts.

A verdict has the same colour everywhere, and the page defines it (`var(--allow)`): teal, amber and crimson
differ in lightness as well as in hue, so they stay apart for every kind of colour blindness and in grey.
Words stand beside the colours wherever they are used.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from engine.core.vocabulary.actions import RISK_LEVELS
from engine.core.vocabulary.units import DAY_US, MINUTE_US, SECOND_US
from simulator.plain import printable
from simulator.report.series import Buckets, Peaks

Spec = dict[str, Any]


class Size(Struct, frozen=True):
    """How much room a chart has."""

    width: int
    height: int
    label: int
    """The most characters of a name beside a bar."""
    ticks: int


WIDE: Final = Size(width=900, height=220, label=40, ticks=8)
HALF: Final = Size(width=440, height=170, label=30, ticks=4)
NARROW: Final = Size(width=340, height=190, label=22, ticks=3)
WORDS: Final = ("deny", "hold", "allow")
"""In the order they are stacked: what was stopped stands on the line, where heights compare best."""
SHARES: Final = (
    ("precision", "precision"),
    ("recall", "recall"),
    ("benign calls stopped", "benign_calls"),
    ("benign episodes stopped", "benign_episodes"),
)
"""Shares of a score that have an interval: what the page calls them, and their field."""
_COLOURS: Final = [f"var(--{word})" for word in WORDS]
_SERIES: Final = ["var(--accent)", "var(--other)"]
FONT: Final = 12
# Drawings measure text in a font of their own, the page shows another: what must not be cut off gets room by
# the widest common one, in pixels a character.
_LETTER: Final = 7.4


def stacked(buckets: Buckets, series: list[list[float]], size: Size, *, counts: bool = False) -> Spec:
    """Stack steps: each bucket keeps its height over its whole width, empty ones too."""
    return chart(
        size,
        {
            "data": {"values": _steps(buckets, series)},
            "mark": {"type": "area", "interpolate": "step-after", "opacity": 1},
            "encoding": {
                "x": _time_axis(buckets, size),
                "y": {
                    "field": "value",
                    "type": "quantitative",
                    "stack": "zero",
                    "axis": HEIGHTS | _COUNTS if counts else HEIGHTS,
                },
                "color": {
                    "field": "series",
                    "type": "ordinal",
                    "scale": {"domain": list(range(len(WORDS))), "range": _COLOURS},
                    "legend": None,
                },
                "order": {"field": "series", "type": "quantitative"},
            },
        },
    )


def usage(buckets: Buckets, peaks: Peaks, size: Size) -> Spec:
    """Draw usage as steps, and every limit as a dashed line with its name."""
    rows = _steps(buckets, [list(pair) for pair in zip(peaks.all_agents, peaks.one_agent, strict=True)])
    lines = [
        {"most": float(most), "said": _limit_text(most, peaks)}
        for most in {limit.most for limit in peaks.limits}
    ]
    return chart(
        size,
        {
            "layer": [
                {
                    "data": {"values": rows},
                    "mark": {"type": "line", "interpolate": "step-after"},
                    "encoding": {
                        "x": _time_axis(buckets, size),
                        "y": {"field": "value", "type": "quantitative", "axis": HEIGHTS},
                        "color": {
                            "field": "series",
                            "type": "ordinal",
                            "scale": {"domain": [0, 1], "range": _SERIES},
                            "legend": None,
                        },
                        # Where one agent is all there is, both lines are still seen.
                        "strokeWidth": {
                            "field": "series",
                            "type": "ordinal",
                            "scale": {"domain": [0, 1], "range": [4, 1.25]},
                            "legend": None,
                        },
                    },
                },
                {
                    "data": {"values": lines},
                    "mark": {"type": "rule", "strokeDash": [5, 4], "color": "currentColor"},
                    "encoding": {"y": {"field": "most", "type": "quantitative"}},
                },
                {
                    "data": {"values": lines},
                    "mark": {
                        "type": "text", "align": "left", "baseline": "bottom", "dy": -3, "dx": 4, "x": 0,
                        "color": "currentColor", "fontSize": FONT,
                    },
                    "encoding": {
                        "y": {"field": "most", "type": "quantitative"},
                        "text": {"field": "said", "type": "nominal"},
                    },
                },
            ]
        },
    )  # fmt: skip


def evidence(rows: list[Spec], limits: list[Spec], steps: list[Spec], size: Size, *, form: str) -> Spec:
    """Draw evidence for and against as lines in powers of ten, its limit dashed, and each step as a rule."""
    x = {
        "field": "at",
        "type": "temporal",
        "scale": {"type": "utc", "nice": False},
        "axis": {"format": form, "tickCount": size.ticks, "title": None, "grid": False, "labelOverlap": True},
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "scale": {"domain": [-2, 4]},
        "axis": {
            **HEIGHTS,
            "values": [-2, -1, 0, 1, 2, 3, 4],
            "labelExpr": "datum.value == 4 ? '10,000' : format(pow(10, datum.value), ',~r')",
        },
    }
    said = {
        "type": "text",
        "align": "left",
        "baseline": "top",
        "dx": 4,
        "color": "currentColor",
        "fontSize": FONT,
    }
    return chart(
        size,
        {
            "layer": [
                {
                    "data": {"values": steps},
                    "mark": {"type": "rule", "color": "currentColor", "opacity": 0.35},
                    "encoding": {"x": x},
                },
                {
                    "data": {"values": steps},
                    "mark": {**said, "y": 0},
                    "encoding": {"x": x, "text": {"field": "said", "type": "nominal"}},
                },
                {
                    "data": {"values": limits},
                    "mark": {"type": "rule", "strokeDash": [5, 4], "color": "currentColor"},
                    "encoding": {"y": y},
                },
                {
                    "data": {"values": limits},
                    "mark": {**said, "baseline": "bottom", "dy": -3, "x": 0},
                    "encoding": {"y": y, "text": {"field": "said", "type": "nominal"}},
                },
                {
                    "data": {"values": rows},
                    "mark": {"type": "line", "strokeWidth": 2, "clip": True},
                    "encoding": {
                        "x": x,
                        "y": y,
                        "color": {
                            "field": "side",
                            "type": "nominal",
                            "scale": {"domain": ["against", "for"], "range": [_COLOURS[0], _COLOURS[2]]},
                            "legend": None,
                        },
                    },
                },
            ]
        },
    )


def _limit_text(most: Decimal, peaks: Peaks) -> str:
    whom = {limit.per for limit in peaks.limits if limit.most == most}
    if len(whom) > 1 or len({limit.most for limit in peaks.limits}) == 1:
        return f"limit {most:,f}"
    return (
        f"limit {most:,f} for each agent" if "agent" in whom else f"limit {most:,f} for all agents together"
    )


def bars(rows: list[Spec], size: Size) -> Spec:
    """Draw one bar for each row, with its name before it and its number behind it."""
    names = [printable(row["rule"], size.label) for row in rows]
    return chart(
        size,
        {
            "data": {"values": rows},
            "height": {"step": 26},
            "encoding": {
                # Two long names may begin alike: the place keeps them apart, the name is only shown.
                "y": {
                    "field": "place",
                    "type": "ordinal",
                    "axis": {**_names(names), "labelExpr": f"{json.dumps(names)}[datum.value]"},
                },
                "x": {
                    "field": "decisions",
                    "type": "quantitative",
                    "axis": None,
                    # Room for the number behind the longest bar.
                    "scale": {"domain": [0, max(row["decisions"] for row in rows) * (1 + 70 / size.width)]},
                },
            },
            "layer": [
                {"mark": {"type": "bar", "height": 16}, "encoding": {"color": _WORD_COLOUR}},
                {
                    "mark": {
                        "type": "text",
                        "align": "left",
                        "dx": 6,
                        "color": "currentColor",
                        "fontSize": FONT,
                    },
                    "encoding": {"text": {"field": "said", "type": "nominal"}},
                },
            ],
        },
    )


def levels(rows: list[Spec], size: Size) -> Spec:
    """Draw one stacked bar for each risk level."""
    names = [level.value for level in RISK_LEVELS]
    return chart(
        size,
        {
            "data": {"values": rows},
            "height": {"step": 30},
            "mark": {"type": "bar", "height": 18},
            "encoding": {
                "y": {"field": "name", "type": "nominal", "sort": names, "axis": _names(names)},
                "x": {
                    "field": "decisions",
                    "type": "quantitative",
                    "stack": "zero",
                    "axis": {**_VALUES, **_COUNTS, "tickCount": size.ticks},
                },
                "color": _WORD_COLOUR,
                "order": {"field": "order", "type": "quantitative"},
            },
        },
    )


def intervals(rows: list[Spec], size: Size) -> Spec:
    """Draw each share as a dot on the line of its interval."""
    names = [title for title, _ in SHARES]
    kinds = list(dict.fromkeys(row["how"] for row in rows))
    place = {"field": "value", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": _SHARE_AXIS}
    dot = {"type": "point", "size": 60, "strokeWidth": 2, "opacity": 1}
    return chart(
        size,
        {
            "data": {"values": rows},
            "height": {"step": 15},
            "encoding": {
                "y": {"field": "name", "type": "nominal", "sort": names, "axis": _names(names)},
                "yOffset": {"field": "how", "type": "nominal", "sort": kinds},
                "color": {
                    "field": "policy",
                    "type": "ordinal",
                    "scale": {"domain": [0, 1], "range": _SERIES},
                    "legend": None,
                },
            },
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.5},
                    "encoding": {
                        "x": {"field": "low", "type": "quantitative", "axis": _SHARE_AXIS},
                        "x2": {"field": "high"},
                    },
                },
                {
                    "transform": [{"filter": "datum.full"}],
                    "mark": {**dot, "filled": True},
                    "encoding": {"x": place},
                },
                {
                    "transform": [{"filter": "!datum.full"}],
                    "mark": {**dot, "filled": False, "fill": "var(--card)"},
                    "encoding": {"x": place},
                },
            ],
        },
    )


def _steps(buckets: Buckets, series: list[list[float]]) -> list[Spec]:
    """Write points for steps; the last is repeated at the end of its bucket, or it would have no width."""
    return [
        {"at": buckets.at_us(place) / 1000, "series": number, "value": value}
        for place, row in enumerate([*series, series[-1]])
        for number, value in enumerate(row)
    ]


def _time_axis(buckets: Buckets, size: Size) -> Spec:
    width, span = buckets.width_us, buckets.width_us * buckets.count
    if span > 15 * 365 * DAY_US:
        form = "%Y"
    elif span > 150 * DAY_US:
        form = "%Y-%m"
    elif span > 4 * DAY_US:
        form = "%Y-%m-%d"
    elif span > DAY_US:
        form = "%m-%d %H:%M"
    elif span > 10 * MINUTE_US:
        form = "%H:%M"
    else:
        form = "%H:%M:%S" if width >= SECOND_US else "%H:%M:%S.%L"
    return {
        "field": "at",
        "type": "temporal",
        "scale": {"type": "utc", "nice": False},
        "axis": {
            "format": form,
            "tickCount": size.ticks,
            "title": None,
            "grid": False,
            "labelFlush": True,
            "labelOverlap": True,
        },
    }


def _names(names: Sequence[str]) -> Spec:
    longest = max(len(name) for name in names)
    return {
        "title": None,
        "domain": False,
        "ticks": False,
        "grid": False,
        "labelPadding": 8,
        "labelLimit": 0,
        "minExtent": longest * _LETTER,
    }


_VALUES: Final = {
    "title": None,
    "tickCount": 4,
    "format": ",~r",
    "domain": False,
    "ticks": False,
    "labelOverlap": True,
}
# Half a decision is none.
_COUNTS: Final = {"tickMinStep": 1}
# Charts above each other line up.
HEIGHTS: Final = {**_VALUES, "minExtent": 42}
_SHARE_AXIS: Final = {**_VALUES, "tickCount": 5, "format": ".0%"}
_WORD_COLOUR: Final = {
    "field": "word",
    "type": "nominal",
    "scale": {"domain": list(WORDS), "range": _COLOURS},
    "legend": None,
}


def chart(size: Size, spec: Spec) -> Spec:
    """Frame a chart as all of them are framed."""
    ink = {"labelColor": "currentColor", "tickColor": "currentColor", "domainColor": "currentColor"}
    return {
        "width": size.width,
        "height": size.height,
        "background": None,
        "padding": {"left": 2, "right": 16, "top": 8, "bottom": 4},
        "autosize": {"type": "fit-x", "contains": "padding"},
        **spec,
        "config": {
            "aria": False,
            "view": {"stroke": None},
            "axis": {
                **ink,
                "labelFontSize": FONT,
                "gridColor": "currentColor",
                "gridOpacity": 0.13,
                "domainOpacity": 0.4,
                "tickOpacity": 0.4,
            },
        },
    }
