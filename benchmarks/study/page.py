"""The page of the study: its tables between two marks, and its picture."""

import math
from pathlib import Path
from typing import Any

import vl_convert

from benchmarks.study.cases import TRUTHS, WEATHERS

BEGIN, END = "<!-- study: begin -->", "<!-- study: end -->"
NAMES = {
    "ours": "**ours**",
    "argo": "a threshold, as Argo Rollouts documents it (emulated)",
    "flagger": "a threshold, as Flagger documents it (emulated)",
    "timer": "a timer and a threshold",
    "z-test": "a z-test, looked at every time",
    "ranks": "Mann-Whitney, looked at every time",
    "shipping": "inconclusive means ship (emulated)",
}


def tables(told: dict[str, Any]) -> str:
    """Write every table."""
    found = told["cases"]
    parts = [_ends(found), _harm(found), _shadow(found), _clusters(found), _lateness(found), _points(found)]
    (same,) = [case for case in found if case["kind"] == "exact"]
    again = f"Of {same['canaries']:,} canaries every step was taken again by the core's own functions"
    ends = f"{same['same_ends']:,} ended the same at the same moment"
    bits = f"{same['same_bits']:,} of {same['events']:,} looks at the evidence had the very same bits"
    parts.append(
        f"Seed {told['seed']}, {told['minutes']:.0f} minutes on two cores. {again}: {ends}, and {bits}."
    )
    return "\n\n".join(parts)


def _percent(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")


def _ends(found: list[Any]) -> str:
    lines = [
        "### Wrong ends: a good one rolled back, a bad one at 100 %",
        "",
        "| rule | world | good, rolled back | at most | a quarter worse, at 100 % | at most | decisions |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for rule, named in NAMES.items():
        for weather in WEATHERS:
            own = {
                case["truth"]: case
                for case in found
                if case["kind"] == "climb" and case["rule"] == rule and case["weather"] == weather
            }
            if len(own) < len(TRUTHS):
                continue
            good, bad = own["as good"], own["a quarter worse"]
            decisions = f"{good['up_decisions']:,.0f}" if "up_decisions" in good else "–"
            lines.append(
                f"| {named} | {weather} | {_percent(good['rolled_back'])} | "
                f"{_percent(good['rolled_back_at_most'])} | {_percent(bad['arrived'])} | "
                f"{_percent(bad['arrived_at_most'])} | {decisions} |"
            )
    return "\n".join(lines)


def _harm(found: list[Any]) -> str:
    lines = [
        "### Harm at a 1 % share, 2 % failing: how soon it is found",
        "",
        "| rule | how much worse | found | decisions until then (median) | failures of the canary (median) |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for case in found:
        if case["kind"] == "hold":
            some = "back_decisions" in case
            lines.append(
                f"| {NAMES[case['rule']]} | {case['ratio']:g} times | {_percent(case['rolled_back'])} | "
                f"{case['back_decisions']:,.0f} | {case['back_failures']:.0f} |"
                if some
                else f"| {NAMES[case['rule']]} | {case['ratio']:g} times | 0 % | – | – |"
            )
        if case["kind"] == "late":
            when = f"{case['delay']:,.0f} later | {case['back_failures']:.0f}"
            lines.append(
                f"| {NAMES['ours']}, harm from decision {case['begins']:,} on | {case['ratio']:g} times | "
                f"{_percent(case['rolled_back'])} | {when} |"
            )
    lines += [
        f"| **ours, in pairs** (4 against 2 %, {case['overlap']:.0%} shared) | 2 times | "
        f"{_percent(case['proven'])} | {case['episodes']:,.0f} | 0 (in replay or shadow) |"
        for case in found
        if case["kind"] == "pairs"
    ]
    return "\n".join(lines)


def _shadow(found: list[Any]) -> str:
    lines = [
        "### Out of shadow at 95 % agreement, looked at after every episode, 3,000 at most",
        "",
        "| truly agrees | ours | a plain rate after 50 | Wilson | Clopper-Pearson | episodes, ours |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for case in found:
        if case["kind"] == "agreement":
            median = case["ours_episodes"]
            rates = " | ".join(_percent(case[rule]) for rule in ("ours", "rate", "wilson", "exact"))
            shown = f"{median:,.0f}" if median is not None else "–"
            lines.append(f"| {case['agrees']:.0%} | {rates} | {shown} |")
    return "\n".join(lines)


def _clusters(found: list[Any]) -> str:
    lines = [
        "### What may be counted: 12 sick services of 400, a 10 % share",
        "",
        "| counted | assigned by | good, rolled back | twice as bad, let to the next step |",
        "| --- | --- | ---: | ---: |",
    ]
    own = [case for case in found if case["kind"] == "clusters"]
    for good, bad in zip(own[::2], own[1::2], strict=True):
        what = "every decision" if good["counted"] == "decision" else "one outcome an episode"
        mark = "**" if (good["counted"], good["assigned"]) == ("episode", "episode") else ""
        lines.append(
            f"| {mark}{what}{mark} | {mark}{good['assigned']}{mark} | {_percent(good['wrong'])} | "
            f"{_percent(bad['wrong'])} |"
        )
    return "\n".join(lines)


def _lateness(found: list[Any]) -> str:
    lines = [
        "### Late outcomes: control's failures are reported 500 decisions later than the canary's",
        "",
        "| share | a failure counts when | good, rolled back | at most |",
        "| ---: | --- | ---: | ---: |",
    ]
    for case in found:
        if case["kind"] == "lateness":
            when = "**its episode is judged**" if case["way"] == "horizon" else "it is reported"
            lines.append(
                f"| {case['share']:.0%} | {when} | {_percent(case['rolled_back'])} | "
                f"{_percent(case['rolled_back_at_most'])} |"
            )
    return "\n".join(lines)


def _points(found: list[Any]) -> str:
    lines = [
        "### Guardrails: a limit of 3 % bad points, 2 % until point 1,000, then this",
        "",
        "| then | rule | false alarms | points until the alarm (median) |",
        "| ---: | --- | ---: | ---: |",
    ]
    names = {
        "ours": "**ours** (e-SR)",
        "plain": "one e-process from the beginning",
        "window": "over 9 of the last 100",
    }
    for case in found:
        if case["kind"] == "points":
            for rule, name in names.items():
                delay = case[f"{rule}_delay"]
                shown = f"{delay:,.0f}" if delay is not None and not math.isnan(delay) else "–"
                lines.append(f"| {case['after']:.0%} | {name} | {_percent(case[rule])} | {shown} |")
    return "\n".join(lines)


def write(out: Path, told: dict[str, Any]) -> None:
    """Put the tables into the page, and draw the picture."""
    page = out / "why" / "earned-authority.md"
    text = page.read_text()
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    page.write_text(f"{before}\n\n{tables(told)}\n\n{after}")
    (out / "images" / "study.png").write_bytes(vl_convert.vegalite_to_png(_picture(told["cases"]), scale=2))


def _picture(found: list[Any]) -> dict[str, Any]:
    """Draw both wrong ends of every rule at 2 % failing."""
    plain = {rule: name.replace("*", "").replace(" (emulated)", "") for rule, name in NAMES.items()}
    rows = []
    for case in found:
        if case["kind"] == "climb" and case["weather"] == "2 % fail":
            good = case["truth"] == "as good"
            rows.append(
                {
                    "rule": plain[case["rule"]],
                    "wrong": "a good one is rolled back"
                    if good
                    else "one that is a quarter worse gets to 100 %",
                    "share": case["rolled_back"] if good else case["arrived"],
                }
            )
    order = list(plain.values())
    bars = {
        "mark": {"type": "bar", "color": "#0f6f83"},
        "encoding": {
            "y": {
                "field": "rule",
                "type": "nominal",
                "sort": order,
                "title": None,
                "axis": {"labelLimit": 320},
            },
            "x": {
                "field": "share",
                "type": "quantitative",
                "scale": {"domain": [0, 1]},
                "axis": {"format": ".0%"},
                "title": None,
            },
        },
    }
    limit = {
        "data": {"values": [{"x": 0.05}]},
        "mark": {"type": "rule", "strokeDash": [4, 3]},
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "hconcat": [
            {
                "title": wrong,
                "width": 300,
                "height": 190,
                "layer": [
                    {"data": {"values": [row for row in rows if row["wrong"] == wrong]}, **bars},
                    limit,
                ],
            }
            for wrong in dict.fromkeys(row["wrong"] for row in rows)
        ],
    }
