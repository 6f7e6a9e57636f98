"""The page's charts, as SVG: both wrong ends of every rule, harm found over time, and evidence on its way."""

import re
from typing import Any

import numpy as np
import vl_convert

from benchmarks.study.cases import DETECTORS, MANY, WEATHERS
from benchmarks.study.peers import RULES
from benchmarks.study.product import LIMITS
from benchmarks.study.ramps import Climb, Log
from benchmarks.study.worlds import Weather

Spec = dict[str, Any]

# Pinned, so that a newer library draws the same picture.
_VEGA_LITE = "6.4"
_NAMES = {
    "ours": "ours",
    "argo": "threshold 95 %",
    "flagger": "threshold 99 %",
    "timer": "timer + threshold",
    "z-test": "z-test, every look",
    "ranks": "Mann-Whitney, every look",
    "shipping": "inconclusive = ship",
}
_COLOURS = {
    "ours": "#0f6f83",
    "argo": "#c26a00",
    "flagger": "#dfa92b",
    "timer": "#8d6e4a",
    "z-test": "#b3123f",
    "ranks": "#7a4fa3",
    "shipping": "#808080",
}
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"]
_LONG = re.compile(r"-?\d+\.\d{3,}")
_LIMIT = "#222222"
_HARMFUL, _GOOD = "#b3123f", "#0f6f83"
_PATHS = {1.0: 40, 5.0: 15}
"""Canaries by risk ratio: of the good ones more, as seldom one of them is of interest."""
_FROM, _SEEN = 30, 60_000


def pictures(figures: dict[str, Any]) -> dict[str, str]:
    """Draw them all, as SVG; the names are those of the files."""
    found = figures["cases"]
    drawn = {
        "study-ends": _ends(found),
        "study-harm": _harm(found),
        "study-evidence": _evidence(figures["seed"]),
    }
    return {name: _written(spec) for name, spec in drawn.items()}


def _written(spec: Spec) -> str:
    drawn = vl_convert.vegalite_to_svg(_whole(spec), vl_version=_VEGA_LITE, allowed_base_urls=[])
    # A hundredth of a pixel is finer than any screen, and half the size.
    shorter = _LONG.sub(lambda size: f"{float(size[0]):.2f}".rstrip("0").rstrip("."), drawn)
    return f"{shorter.rstrip()}\n"


def _whole(spec: Spec) -> Spec:
    return {
        "background": "white",
        "padding": 12,
        "config": {
            "view": {"stroke": "#dddddd"},
            "axis": {
                "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal", "gridColor": "#eeeeee",
            },
            "legend": {"labelFontSize": 11, "titleFontSize": 11, "symbolSize": 90, "labelLimit": 240},
            "title": {"fontSize": 13, "anchor": "start", "fontWeight": "bold"},
        },
    } | spec  # fmt: skip


def _colour(names: list[str], *, legend: Spec | None) -> Spec:
    return {
        "field": "rule",
        "type": "nominal",
        "scale": {"domain": [_NAMES[name] for name in names], "range": [_COLOURS[name] for name in names]},
        "legend": legend,
    }


def _ends(found: list[Any]) -> Spec:
    """Draw how often each rule is wrong in each world; on the left of the dashed line is what we promise."""
    panels = []
    order = ("ours", *RULES)
    for ratio, name, title in (
        (1.0, "rolled_back", "As good as the old version, and rolled back"),
        (1.25, "arrived", "A quarter more failures, and at 100 %"),
    ):
        shown = [
            case
            for case in found
            if case["kind"] == "climb"
            and case["ratio"] == ratio
            and case["world"] in WEATHERS
            and case.get("traffic") != MANY
        ]
        rows = [{"rule": _NAMES[case["rule"]], "world": case["world"], "share": case[name]} for case in shown]
        dots = {
            "data": {"values": rows},
            "mark": {"type": "point", "size": 90, "strokeWidth": 1.8, "opacity": 0.9},
            "encoding": {
                "y": {
                    "field": "rule", "type": "nominal", "sort": [_NAMES[each] for each in order],
                    "title": None,
                    "axis": {
                        "labelLimit": 240, "labelPadding": 12, "grid": True, "ticks": False,
                        "labels": ratio == 1.0,
                    },
                },
                "x": {
                    "field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "nice": False},
                    "axis": {"format": ".0%", "tickCount": 6},
                    "title": f"share of {shown[0]['count']:,} canaries",
                },
                "color": _colour(list(order), legend=None),
                "shape": {
                    "field": "world", "type": "nominal", "sort": list(WEATHERS),
                    "scale": {"domain": list(WEATHERS), "range": _SHAPES},
                    "legend": {"title": None, "orient": "bottom", "symbolStrokeColor": "#555555"},
                },
            },
        }  # fmt: skip
        panels.append({"title": title, "width": 310, "height": 215, "layer": [dots, _line("x", 0.05)]})
    return {"hconcat": panels, "spacing": 16}


def _line(axis: str, at: float) -> Spec:
    return {
        "data": {"values": [{"at": at}]},
        "mark": {"type": "rule", "strokeDash": [5, 4], "color": _LIMIT},
        "encoding": {axis: {"field": "at", "type": "quantitative"}},
    }


def _harm(found: list[Any]) -> Spec:
    """Draw how many canaries each rule has rolled back by when, at a 1 % share and 2 % failing."""
    panels = []
    for ratio, title in (
        (1.0, "As good: stay down"),
        (2.0, "Twice the harm: rise"),
        (5.0, "Five times the harm: rise"),
    ):
        rows = [
            {"rule": _NAMES[case["rule"]], "at": at, "share": share}
            for case in found
            if case["kind"] == "hold"
            and case["ratio"] == ratio
            and case["base"] == 0.02
            and case["share"] == 0.01
            for at, share in case["curve"]
        ]
        lines = {
            "data": {"values": rows},
            "mark": {"type": "line"},
            "encoding": {
                "x": {
                    "field": "at", "type": "quantitative", "scale": {"type": "log", "domain": [250, 200_000]},
                    "axis": {"values": [300, 1_000, 5_000, 20_000, 100_000], "format": "~s"},
                    "title": "decisions",
                },
                "y": {
                    "field": "share", "type": "quantitative", "scale": {"domain": [0, 1]},
                    "axis": {"format": ".0%"}, "title": "rolled back" if ratio == 1.0 else None,
                },
                "color": _colour(list(DETECTORS), legend={"title": None, "orient": "bottom", "columns": 6}),
                "strokeWidth": {
                    "field": "rule", "type": "nominal", "legend": None,
                    "scale": {
                        "type": "ordinal",
                        "domain": [_NAMES[name] for name in DETECTORS],
                        "range": [4.0 if name == "ours" else 1.6 for name in DETECTORS],
                    },
                },
            },
        }  # fmt: skip
        layers = [lines, _line("y", 0.05)] if ratio == 1.0 else [lines]
        panels.append({"title": title, "width": 220, "height": 200, "layer": layers})
    return {"hconcat": panels, "spacing": 14}


def _evidence(root: int) -> Spec:
    """Draw the evidence of harm of some canaries at 1 %, good and harmful ones, until it is enough."""
    rows: list[Spec] = []
    ends: list[Spec] = []
    names = {1.0: "as good as the old version", 5.0: "five times the failures"}
    for ratio, name in names.items():
        log = Log.of(_PATHS[ratio])
        rng = np.random.default_rng([root, int(ratio)])
        Climb(
            Weather("constant", 0.02, ratio=ratio).world((0.01,)), _PATHS[ratio], rng,
            hold=True, shares=(0.01,), most_episodes=_SEEN, log=log,
        ).run()  # fmt: skip
        for canary, (looks, moments) in enumerate(zip(log.looks, log.at, strict=True)):
            own = [event[2] for event in log.events[canary]]
            shown = [(at, look[0]) for at, look in zip(moments, looks, strict=True) if _FROM <= at <= _SEEN]
            # Every failure of the canary's, where the evidence jumps, and some of control's.
            jumps = {
                place
                for place, (at, mine) in enumerate(zip(moments, own, strict=True))
                if mine and at >= _FROM
            }
            skipped = len(moments) - len(shown)
            kept = {place - skipped for place in jumps} | {
                int(each) for each in np.geomspace(1, len(shown), 70) - 1
            }
            line = {"id": f"{ratio}-{canary}", "canary": name}
            rows.append(line | {"at": _FROM, "evidence": 1.0})
            rows += [
                line | {"at": shown[place][0], "evidence": round(shown[place][1], 4)}
                for place in sorted(kept)
                if 0 <= place < len(shown)
            ]
            if shown[-1][1] >= LIMITS.bad:
                ends.append({"at": shown[-1][0], "evidence": shown[-1][1], "canary": name})
    paths = {
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 1.2, "opacity": 0.6, "interpolate": "step-after"},
        "encoding": {
            "x": {
                "field": "at", "type": "quantitative",
                "scale": {"type": "log", "domain": [_FROM, _SEEN], "nice": False},
                "axis": {"values": [30, 100, 300, 1_000, 3_000, 10_000, 30_000], "format": "~s"},
                "title": "decisions, 1 % of them the canary's",
            },
            "y": {
                "field": "evidence", "type": "quantitative",
                "scale": {"type": "log", "domain": [0.05, 150], "nice": False, "clamp": True},
                "axis": {"values": [0.1, 1, 10, 100], "format": "~g"},
                "title": "evidence of harm (e-value)",
            },
            "detail": {"field": "id"},
            "color": {
                "field": "canary", "type": "nominal",
                "scale": {"domain": list(names.values()), "range": [_GOOD, _HARMFUL]},
                "legend": {"title": None, "orient": "bottom", "symbolStrokeWidth": 3},
            },
        },
    }  # fmt: skip
    dots = {
        "data": {"values": ends},
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
        "encoding": {name: paths["encoding"][name] for name in ("x", "y", "color")},
    }
    said = {
        "data": {
            "values": [{"at": _FROM * 1.05, "evidence": LIMITS.bad, "said": f"{LIMITS.bad:.1f}: rolled back"}]
        },
        "mark": {
            "type": "text",
            "align": "left",
            "baseline": "bottom",
            "dy": -3,
            "fontSize": 11,
            "color": _LIMIT,
        },
        "encoding": {
            "x": {"field": "at", "type": "quantitative"},
            "y": {"field": "evidence", "type": "quantitative"},
            "text": {"field": "said"},
        },
    }
    return {"width": 640, "height": 260, "layer": [paths, _line("y", LIMITS.bad), dots, said]}
