"""Write the report. What is shown is gathered here; how it looks is in the template and its style sheet."""

import re
from pathlib import Path
from typing import Any, Final

import jinja2
import sqlite_utils
from markupsafe import Markup
from msgspec import Struct

from engine.adapters.files import atomic_write
from engine.core.plain_text import count_text
from engine.core.vocabulary.units import duration_text
from engine.core.vocabulary.verdicts import Verdict
from simulator.plain import micros_text, percent_text, printable, usd_text, when_text
from simulator.report import charts, series
from simulator.report.calibration import calibration_in
from simulator.report.charts import Chart
from simulator.report.kpis import gathered
from simulator.report.rollouts import courses
from simulator.score import CaughtBy
from simulator.stored import Key, reason_of, verdicts_of
from simulator.story import Told
from simulator.summary import Summary

_MOST_ROWS: Final = 50
"""Rows of a table that grows with the recording or with the policy; the results file has all of them."""
_MOST_DECISIONS: Final = 10
"""Rows of a table of single decisions: each has its verdict read back for a reason."""
_FOLDER: Final = Path(__file__).parent


class TrackPicture(Struct, frozen=True):
    """The charts of one policy."""

    over_time: Chart | None
    rules: Chart | None


class Line(Struct, frozen=True):
    """One decision of a table, with what its verdict says."""

    row: series.Row
    reason: str
    waits: str


def write_report(path: Path, db: sqlite_utils.Database, summary: Summary, told: Told | None = None) -> None:
    """Write the report of a replay, and of a story where one was told, completely or not at all.

    `db` is its results file, `summary` what `summarise` made of it. Raises `StorageError` when the disk
    refuses and `InputError` when the path is wrong.
    """
    page = render(db, summary, told).encode()
    with atomic_write(path) as file:
        file.write(page)


def render(db: sqlite_utils.Database, summary: Summary, told: Told | None = None) -> str:
    """Make the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": count_text,
        "percent": percent_text,
        "usd": usd_text,
        "when": when_text,
        # To the second: in a table of decisions the id is what finds one, not the microsecond.
        "moment": lambda at_us: when_text(at_us // 1_000_000 * 1_000_000),
        "micros": micros_text,
        "shown": printable,
        "named": _breakable,
        "duration": lambda micros: duration_text(micros / 1_000_000),
    }
    template = environment.get_template("report.html.j2")
    return template.render(_gathered(db, summary) | _told(told))


def _told(told: Told | None) -> dict[str, Any]:
    found = told.kpis if told is not None else None
    return {
        "told": told,
        "courses": courses(told) if told is not None else [],
        "told_kpis": gathered(found.standings, found.points, "world") if found is not None else None,
    }


def _gathered(db: sqlite_utils.Database, summary: Summary) -> dict[str, Any]:
    buckets = series.stretch(db)
    first = summary.tracks[0]
    pictures, cost, usage = [], None, []
    for number, track in enumerate(summary.tracks):
        over_time = None
        if buckets is not None:
            rows = series.over_time(db, number, buckets)
            over_time = charts.verdicts_over_time(buckets, rows, f"time{number}")
            if number == 0:
                cost = charts.cost_over_time(buckets, rows, "cost")
        fired = charts.rules_that_fired(track.rules, f"rules{number}") if track.rules else None
        pictures.append(TrackPicture(over_time, fired))
    if buckets is not None:
        for place, found in enumerate(series.peaks(db, 0, buckets, first.limits)):
            usage.append(charts.usage_against_limits(buckets, found, f"usage{place}"))
    levels = series.by_risk(db, 0)
    agents, agents_in_all = series.by_agent(db, 0, _MOST_ROWS)
    slowest, riskiest = series.slowest(db, 0, _MOST_DECISIONS), series.riskiest(db, 0, _MOST_DECISIONS)
    held = series.latest_held(db, 0, min(first.waiting, _MOST_DECISIONS))
    verdicts = verdicts_of(db, [(0, row.seq) for row in (*slowest, *riskiest, *held)])
    return {
        "s": summary,
        "first": first,
        "headline": headline(summary),
        "names": [f"policy {letter}" for letter in "AB"] if len(summary.tracks) > 1 else [""],
        "titles": [f"Policy {letter}" for letter in "AB"],
        "pictures": pictures,
        "kpis": [
            gathered(track.kpis, series.kpi_points(db, number, track.kpis), f"kpi{number}")
            for number, track in enumerate(summary.tracks)
            if track.kpis
        ],
        "calibration": calibration_in(db, _MOST_ROWS),
        "buckets": buckets,
        "cost": cost,
        "usage": usage,
        "risk": charts.risk_levels(levels, "risk") if levels else None,
        "levels": levels,
        "agents": agents,
        "agents_in_all": agents_in_all,
        "percentiles": series.percentiles(db, 0),
        "slowest": _lines(slowest, verdicts),
        "riskiest": _lines(riskiest, verdicts),
        "held": _lines(held, verdicts),
        "intervals": _intervals(summary),
        "caught_by": _caught_by(summary),
        "most": _MOST_ROWS,
    }


def headline(summary: Summary) -> str:
    """Say in plain words what came out."""
    total, words = summary.decisions, summary.words
    if not total:
        return f"{count_text(summary.facts, 'facts')} replayed, and nothing was proposed in them."
    if total == 1:
        done = {"allow": "allows", "hold": "holds", "deny": "denies"}
        word = next(word for word in done if getattr(words, word))
        return f"Watchkeeper {done[word]} the one proposal of this recording."
    allow, hold, deny = (
        f"{number:,}{before} ({percent_text(number / total)})"
        for number, before in ((words.allow, ""), (words.hold, " for people or votes"), (words.deny, ""))
    )
    return f"Of {count_text(total, 'proposals')}, Watchkeeper allows {allow}, holds {hold} and denies {deny}."


def _breakable(name: str, most: int = 80) -> Markup:
    """Escape a name, and let a browser break it behind its punctuation."""
    parts = re.split(r"(?<=[._/@:-])", printable(name, most))
    return Markup("<wbr>").join(parts)


def _lines(rows: list[series.Row], verdicts: dict[Key, Verdict]) -> list[Line]:
    lines = []
    for row in rows:
        verdict = verdicts.get((0, row.seq))
        reason = reason_of(verdict) if verdict is not None else ""
        lines.append(
            Line(row, reason, ", ".join(_wait(wait) for wait in verdict.waits) if verdict is not None else "")
        )
    return lines


def _wait(wait: Any) -> str:
    if wait.kind == "votes":
        return f"{wait.needed} of {wait.of} votes"
    if wait.kind == "person" and wait.needed > 1:
        return f"{wait.needed} {wait.role}s"
    return f"a {wait.role}" if wait.kind in {"person", "take"} else f"a {wait.role} to resume it"


def _caught_by(summary: Summary) -> list[CaughtBy]:
    """Cut the list of rules, but never what was let through."""
    rows = summary.score.caught_by if summary.score is not None else []
    return [*[row for row in rows if row.rule][:_MOST_ROWS], *[row for row in rows if not row.rule]]


def _intervals(summary: Summary) -> Chart | None:
    if summary.score is None:
        return None
    scores = [("", summary.score)]
    if summary.other_score is not None:
        scores = [("policy A", summary.score), ("policy B", summary.other_score)]
    return charts.score_intervals(scores, "score")
