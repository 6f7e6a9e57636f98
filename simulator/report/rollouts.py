"""Rollouts in the report: the evidence on each version over time, and the steps that were taken on it."""

from collections.abc import Sequence
from math import log10
from typing import Final

from msgspec import Struct

from engine.core.statistics import thresholds
from engine.core.vocabulary.facts import StageChanged
from engine.core.vocabulary.ids import CapabilityId
from simulator.course import Point
from simulator.plain import when_text
from simulator.report import charts, marks
from simulator.report.charts import Chart
from simulator.story import Told, why

_LOWEST, _HIGHEST = 0.01, 10_000.0
_FORM: Final = "%b %d"
_STAGES: Final = {"canary_1": "1 %", "canary_10": "10 %", "canary_50": "50 %", "rolled_back": "rolled back"}


class Step(Struct, frozen=True):
    """One row of a version's table."""

    at_us: int
    now: str
    by: str
    why: str


class Course(Struct, frozen=True):
    """One version: how it went, in a picture and a table."""

    capability: CapabilityId
    end: str
    chart: Chart
    steps: list[Step]


def courses(told: Told) -> list[Course]:
    """Gather every version of a story."""
    found = []
    for number, (capability, points) in enumerate(told.points.items()):
        own = [step for step in told.steps if step.capability == capability]
        steps = [Step(step.at_us, step.now.replace("_", " "), step.by, why(step)) for step in own]
        end = own[-1].now if own else "unproven"
        found.append(
            Course(
                capability,
                end.replace("_", " "),
                _evidence(capability, points, own, f"rollout{number}"),
                steps,
            )
        )
    return found


def _evidence(
    capability: CapabilityId, points: Sequence[Point], steps: Sequence[StageChanged], name: str
) -> Chart:
    """Draw what spoke for and against a version, day by day, on a scale of powers of ten."""
    plan_alpha = 0.05
    up, down = thresholds.needed(plan_alpha), thresholds.needed(thresholds.split(plan_alpha, 0).bad)
    acting = [point for point in points if point.stage.startswith("canary")]
    lines = [
        ("for", [(point.at_us, _for(point)) for point in points if point.stage != "rolled_back"]),
        ("against", [(point.at_us, point.bad) for point in acting]),
    ]
    ended = next((step for step in steps if step.now == "rolled_back"), None)
    if ended is not None:
        measured = next((each.measured for each in ended.evidence.requirements if not each.met), 0.0)
        if isinstance(measured, float):
            lines[1][1].append((ended.at_us, measured))
    rows = [
        {"at": at_us // 1000, "side": side, "value": log10(min(max(value, _LOWEST), _HIGHEST))}
        for side, series in lines
        for at_us, value in series
    ]
    limits = [{"value": log10(up), "said": f"{up:.0f} takes a step, {down:.0f} against it rolls back"}]
    marked = [
        {"at": step.at_us // 1000, "said": _STAGES.get(step.now, step.now)}
        for step in steps
        if step.now != "replayed"
    ]
    text = (
        f"Evidence on {capability} over time, as e-values on a scale of powers of ten: for its next step, "
        f"and against it. {up:.0f} is enough for a step, {down:.0f} against it rolls it back. "
        + " ".join(f"{when_text(step.at_us)}: {step.now}." for step in steps)
    )
    return charts.both(lambda size: marks.evidence(rows, limits, marked, size, form=_FORM), name, text)


def _for(point: Point) -> float:
    return point.agreement if point.stage == "shadow" else point.good
