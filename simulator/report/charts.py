"""The report's charts: Vega-Lite specs as plain dicts, each drawn for a wide and for a narrow screen.

A verdict has the same colour everywhere, and the page defines it (`var(--allow)`): teal, amber and crimson differ
in lightness as well as in hue, so they stay apart for every kind of colour blindness and in grey. Words stand
beside the colours wherever they are used.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from markupsafe import Markup
from msgspec import Struct

from engine.core.vocabulary.actions import RISK_LEVELS
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, duration_text
from simulator.plain import count_text, percent_text, printable, usd_text, when_text
from simulator.report.series import Bucket, Buckets, Level, Peaks
from simulator.report.svg import draw
from simulator.score import Score
from simulator.summary import RuleSummary

WORDS: Final = ("deny", "hold", "allow")
"""In the order they are stacked: what was stopped stands on the line, where heights compare best."""
_COLOURS: Final = [f"var(--{word})" for word in WORDS]
_WORD_OF: Final = {"escalate": "hold", "consensus": "hold", "deny": "deny"}
_MOST_RULES: Final = 12
_MEASURES: Final = {"cost_usd": "USD", "files": "files", "api_calls": "API calls"}

Spec = dict[str, Any]


class Chart(Struct, frozen=True):
    """One chart in two sizes; both carry the same text alternative."""

    wide: Markup
    narrow: Markup
    text: str


class _Size(Struct, frozen=True):
    width: int
    height: int
    font: int
    label: int
    """The most pixels a name beside a bar may take."""
    ticks: int


_WIDE: Final = _Size(width=880, height=220, font=12, label=300, ticks=8)
_HALF: Final = _Size(width=400, height=170, font=12, label=200, ticks=4)
_NARROW: Final = _Size(width=330, height=190, font=12, label=150, ticks=3)


def verdicts_over_time(buckets: Buckets, rows: Sequence[Bucket], name: str) -> Chart:
    """Stack the number of decisions by word, bucket by bucket."""
    series = [[getattr(row.words, word) for word in WORDS] for row in rows]
    totals = [sum(row) for row in series]
    top = max(range(len(totals)), key=totals.__getitem__)
    text = (
        f"Decisions in each {duration_text(buckets.width_us / 1e6)}, stacked by verdict, from "
        f"{when_text(buckets.start_us)} to {when_text(buckets.at_us(buckets.count))}. Most, "
        f"{count_text(totals[top])}, from {when_text(buckets.at_us(top))} on; "
        f"{count_text(sum(row[0] for row in series))} denied and {count_text(sum(row[1] for row in series))} held "
        f"of {count_text(sum(totals))} in all."
    )
    return _both(lambda size: _stacked(buckets, series, "decisions", size), name, text)


def cost_over_time(buckets: Buckets, rows: Sequence[Bucket], name: str) -> Chart | None:
    """Stack the estimated cost by word; `None` when nothing cost anything."""
    series = [[row.costs.denied, row.costs.held, row.costs.allowed] for row in rows]
    denied, held, allowed = (sum(column) for column in zip(*series, strict=True))
    if not denied + held + allowed:
        return None
    text = (
        f"Estimated cost of what was proposed in each {duration_text(buckets.width_us / 1e6)}, stacked by verdict: "
        f"{usd_text(allowed)} allowed, {usd_text(held)} held, {usd_text(denied)} denied in all."
    )
    return _both(lambda size: _stacked(buckets, series, "USD", size), name, text)


def usage_against_limits(buckets: Buckets, peaks: Peaks, name: str) -> Chart:
    """Draw the closest that usage came to its limits, bucket by bucket, with the limits as dashed lines."""
    unit, window = _MEASURES[peaks.measure], duration_text(peaks.window_us / 1e6)
    said = [
        f"{'all agents' if limit.per == 'all' else 'one agent'} {limit.most:f}" for limit in peaks.limits
    ]
    text = (
        f"Highest {unit} counted within {window}: {max(peaks.all_agents):,.6g} for all agents together, "
        f"{max(peaks.one_agent):,.6g} for the busiest single agent. Limits: {', '.join(said)}."
    )
    return _both(lambda size: _usage(buckets, peaks, f"{unit} in {window}", size), name, text, wide=_HALF)


def rules_that_fired(rules: Sequence[RuleSummary], name: str) -> Chart:
    """Draw one bar for each rule: how many decisions it objected to, in the colour of what it rules."""
    shown = rules[:_MOST_RULES]
    rows = [
        {
            "rule": f"{place:03d} {printable(rule.rule, 60)}",
            "decisions": rule.decisions,
            "said": f"{rule.decisions:,}",
            "word": _WORD_OF[rule.ruling],
        }
        for place, rule in enumerate(shown)
    ]
    text = "Decisions each rule objected to: " + ", ".join(
        f"{printable(rule.rule, 60)} {rule.decisions:,} ({rule.ruling})" for rule in shown[:5]
    )
    if len(rules) > 5:
        text += f", and {count_text(len(rules) - 5, 'more rules')}"
    return _both(lambda size: _bars(rows, size), name, text + ".")


def risk_levels(levels: Sequence[Level], name: str) -> Chart:
    """Draw one stacked bar for each risk level."""
    found = {level.level: level.words for level in levels}
    rows = [
        {"level": level.value, "word": word, "order": WORDS.index(word), "decisions": getattr(words, word)}
        for level in RISK_LEVELS
        if (words := found.get(level.value)) is not None
        for word in WORDS
    ]
    text = "Decisions by risk level: " + "; ".join(
        f"{level.value} {words.allow:,} allowed, {words.hold:,} held, {words.deny:,} denied"
        for level in RISK_LEVELS
        if (words := found.get(level.value)) is not None
    )
    return _both(lambda size: _levels(rows, size), name, text + ".")


def score_intervals(scores: Sequence[tuple[str, Score]], name: str) -> Chart | None:
    """Draw each share with its interval, as a dot on a line; `None` when every share is undefined."""
    rows: list[Spec] = []
    for policy, score in scores:
        for how, counted in (("held or denied", score.held), ("denied only", score.denied)):
            for place, (title, field) in enumerate(_SHARES):
                share = getattr(counted, field)
                if share.value is not None and share.low is not None:
                    label = f"{how}, {policy}" if policy else how
                    rows.append(
                        {"share": f"{place} {title}", "how": label, "value": share.value, "low": share.low, "high": share.high}
                    )
    if not rows:
        return None
    text = "Shares with their 95 % intervals: " + "; ".join(
        f"{row['share'][2:]} {percent_text(row['value'])} ({row['how']})" for row in rows
    )
    return _both(lambda size: _intervals(rows, size), name, text + ".")


_SHARES: Final = (
    ("precision", "precision"),
    ("recall", "recall"),
    ("benign calls stopped", "benign_calls"),
    ("benign episodes stopped", "benign_episodes"),
)
SERIES_COLOURS: Final = ("var(--hold)", "var(--deny)", "var(--accent)", "var(--other)")
"""Of the rows of `score_intervals`, in their order."""


def _both(spec: Callable[[_Size], Spec], name: str, text: str, *, wide: _Size = _WIDE) -> Chart:
    return Chart(
        wide=draw(spec(wide), name=f"{name}-w", text=text),
        narrow=draw(spec(_NARROW), name=f"{name}-n", text=text),
        text=text,
    )


def _stacked(buckets: Buckets, series: list[list[float]], unit: str, size: _Size) -> Spec:
    """Stack steps: each bucket keeps its height over its whole width, empty ones too."""
    return _chart(
        size,
        {
            "data": {"values": _steps(buckets, series)},
            "mark": {"type": "area", "interpolate": "step-after", "opacity": 1},
            "encoding": {
                "x": _time_axis(buckets, size),
                "y": {"field": "value", "type": "quantitative", "stack": "zero", "axis": _axis(unit)},
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


def _usage(buckets: Buckets, peaks: Peaks, title: str, size: _Size) -> Spec:
    rows = _steps(buckets, [list(pair) for pair in zip(peaks.all_agents, peaks.one_agent, strict=True)])
    lines = [{"most": float(most)} for most in sorted({limit.most for limit in peaks.limits})]
    return _chart(
        size,
        {
            "layer": [
                {
                    "data": {"values": rows},
                    "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5},
                    "encoding": {
                        "x": _time_axis(buckets, size),
                        "y": {"field": "value", "type": "quantitative", "axis": _axis(title)},
                        "color": {
                            "field": "series",
                            "type": "ordinal",
                            "scale": {"domain": [0, 1], "range": ["var(--accent)", "var(--other)"]},
                            "legend": None,
                        },
                    },
                },
                {
                    "data": {"values": lines},
                    "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 1.5, "color": "currentColor"},
                    "encoding": {"y": {"field": "most", "type": "quantitative"}},
                },
                {
                    "data": {"values": lines},
                    "mark": {
                        "type": "text", "align": "right", "baseline": "bottom", "dy": -3, "x": size.width,
                        "color": "currentColor", "fontSize": size.font,
                    },
                    "encoding": {
                        "y": {"field": "most", "type": "quantitative"},
                        "text": {"field": "most", "type": "quantitative", "format": ",~r"},
                    },
                },
            ]
        },
    )  # fmt: skip


def _bars(rows: list[Spec], size: _Size) -> Spec:
    # The names carry a number in front, which sorts them; it is cut off again where they are shown.
    name = {
        "field": "rule",
        "type": "nominal",
        "axis": {**_names(size), "labelExpr": "slice(datum.label, 4)", "title": None},
        "sort": None,
    }
    length = {"field": "decisions", "type": "quantitative", "axis": _axis("decisions it objected to", ticks=size.ticks)}
    return _chart(
        size,
        {
            "data": {"values": rows},
            "height": {"step": 26},
            "encoding": {"y": name, "x": length},
            "layer": [
                {
                    "mark": {"type": "bar", "height": 16},
                    "encoding": {
                        "color": {
                            "field": "word",
                            "type": "nominal",
                            "scale": {"domain": list(WORDS), "range": _COLOURS},
                            "legend": None,
                        }
                    },
                },
                {
                    "mark": {"type": "text", "align": "left", "dx": 5, "color": "currentColor", "fontSize": size.font},
                    "encoding": {"text": {"field": "said", "type": "nominal"}},
                },
            ],
        },
    )


def _levels(rows: list[Spec], size: _Size) -> Spec:
    return _chart(
        size,
        {
            "data": {"values": rows},
            "height": {"step": 30},
            "mark": {"type": "bar", "height": 18},
            "encoding": {
                "y": {
                    "field": "level",
                    "type": "nominal",
                    "sort": [level.value for level in RISK_LEVELS],
                    "axis": {**_names(size), "title": None},
                },
                "x": {
                    "field": "decisions",
                    "type": "quantitative",
                    "stack": "zero",
                    "axis": _axis("decisions", ticks=size.ticks),
                },
                "color": {
                    "field": "word",
                    "type": "nominal",
                    "scale": {"domain": list(WORDS), "range": _COLOURS},
                    "legend": None,
                },
                "order": {"field": "order", "type": "quantitative"},
            },
        },
    )


def _intervals(rows: list[Spec], size: _Size) -> Spec:
    kinds = list(dict.fromkeys(row["how"] for row in rows))
    colour = {
        "field": "how",
        "type": "nominal",
        "scale": {"domain": kinds, "range": list(SERIES_COLOURS[: len(kinds)])},
        "legend": None,
    }
    offset = {"field": "how", "type": "nominal", "sort": kinds}
    return _chart(
        size,
        {
            "data": {"values": rows},
            "height": {"step": 16},
            "encoding": {
                "y": {
                    "field": "share",
                    "type": "nominal",
                    "sort": None,
                    "axis": {**_names(size), "labelExpr": "slice(datum.label, 2)", "title": None},
                },
                "yOffset": offset,
                "color": colour,
            },
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.55},
                    "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                    "encoding": {
                        "x": {
                            "field": "value",
                            "type": "quantitative",
                            "scale": {"domain": [0, 1]},
                            "axis": {**_axis(None, ticks=5), "format": ".0%"},
                        }
                    },
                },
            ],
        },
    )


def _steps(buckets: Buckets, series: list[list[float]]) -> list[Spec]:
    """Write points for steps; the last one is repeated at the end of its bucket, or it would have no width."""
    return [
        {"at": buckets.at_us(place) / 1000, "series": number, "value": value}
        for place, row in enumerate([*series, series[-1]])
        for number, value in enumerate(row)
    ]


def _time_axis(buckets: Buckets, size: _Size) -> Spec:
    width, span = buckets.width_us, buckets.width_us * buckets.count
    if span > 3 * 365 * DAY_US:
        form = "%Y"
    elif span > 4 * DAY_US:
        form = "%Y-%m-%d"
    elif span > DAY_US:
        form = "%m-%d %H:%M"
    elif span > 10 * MINUTE_US:
        form = "%H:%M"
    else:
        form = "%H:%M:%S" if width >= HOUR_US // 3600 else "%H:%M:%S.%L"
    return {
        "field": "at",
        "type": "temporal",
        "scale": {"type": "utc", "nice": False},
        "axis": {"format": form, "tickCount": size.ticks, "title": None, "grid": False, "labelFlush": True, "labelOverlap": True},
    }


def _axis(title: str | None, *, ticks: int = 4) -> Spec:
    return {"title": title, "tickCount": ticks, "format": ",~g", "domain": False, "ticks": False, "labelOverlap": True}


def _names(size: _Size) -> Spec:
    return {"labelLimit": size.label, "domain": False, "ticks": False, "labelPadding": 8, "grid": False}


def _chart(size: _Size, spec: Spec) -> Spec:
    ink = {"labelColor": "currentColor", "titleColor": "currentColor", "tickColor": "currentColor"}
    return {
        "width": size.width,
        "height": size.height,
        "background": None,
        "padding": 4,
        "autosize": {"type": "fit-x", "contains": "padding"},
        **spec,
        "config": {
            "aria": False,
            "view": {"stroke": None},
            "axis": {
                **ink,
                "labelFontSize": size.font,
                "titleFontSize": size.font,
                "titleFontWeight": "normal",
                "domainColor": "currentColor",
                "gridColor": "currentColor",
                "gridOpacity": 0.13,
                "domainOpacity": 0.4,
                "tickOpacity": 0.4,
            },
        },
    }
