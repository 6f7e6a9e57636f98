"""The picture of a rollout's evidence: where its lines, limits and steps stand; a template draws them.

Drawn by hand rather than by the report's library, which would put a JavaScript engine into the process that
holds the kill switch.
"""

from itertools import groupby
from math import log10
from typing import Final

from msgspec import Struct

from engine.core.plain_text import count_text
from engine.core.statistics import thresholds
from engine.core.vocabulary.rollouts import Stage
from simulator.course import Course, Point

WIDTH: Final = 720
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 26, 30
_LOWEST, _HIGHEST = -2, 4
"""Powers of ten: from a hundredth to ten thousand, as in the report."""
NAMES: Final[dict[Stage, str]] = {
    "unproven": "unproven",
    "replayed": "replayed",
    "shadow": "shadow",
    "canary_1": "1 %",
    "canary_10": "10 %",
    "canary_50": "50 %",
    "live": "live",
    "rolled_back": "rolled back",
}


class Line(Struct, frozen=True):
    """One line of evidence within one stage."""

    side: str
    """`for` or `against`."""
    points: str
    """As SVG takes them."""


class Tick(Struct, frozen=True):
    """A place on an axis, and what stands there."""

    at: float
    text: str


class Picture(Struct, frozen=True):
    """Everything to draw."""

    lines: list[Line]
    steps: list[Tick]
    across: list[Tick]
    up: list[Tick]
    limits: list[Tick]
    """The first takes a step, the second rolls back."""
    said: str
    """The same in words."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def picture(course: Course, *, alpha: float, guardrails: int) -> Picture | None:
    """Work out what to draw; `None` before anything was judged."""
    if len(course.samples) < 2:
        return None
    first, last = course.samples[0].decisions, max(course.samples[-1].decisions, course.decisions)
    stretch = max(1, last - first)

    def across(decisions: int) -> float:
        share = min(max((decisions - first) / stretch, 0.0), 1.0)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    up, down = thresholds.needed(alpha), thresholds.needed(thresholds.split(alpha, guardrails).bad)
    lines = []
    for stage, samples in groupby(course.samples, key=lambda each: each.point.stage):
        group = list(samples)
        sides = [("for", _for)] if stage == "shadow" else [("for", _for), ("against", lambda it: it.bad)]
        lines += [
            Line(side, " ".join(f"{across(each.decisions)},{_height(value(each.point))}" for each in group))
            for side, value in sides
        ]
    marks = [each for each in course.marks if each.stage != "replayed"]
    newest = course.samples[-1].point
    said = (
        f"Evidence on {course.capability} over {count_text(last, 'decisions')}, as e-values on a scale of "
        f"powers of ten. Now in {NAMES[newest.stage]}: {_for(newest):.4g} for its next step, where {up:.4g} "
        f"is enough"
        + (f", and {newest.bad:.4g} against it, where {down:.4g} rolls it back" if newest.canary else "")
        + ". "
        + " ".join(f"After {count_text(each.decisions, 'decisions')}: {NAMES[each.stage]}." for each in marks)
    )
    return Picture(
        lines=lines,
        steps=[Tick(across(each.decisions), NAMES[each.stage]) for each in marks],
        across=[
            Tick(across(first + round(part * stretch / 4)), count_text(first + round(part * stretch / 4)))
            for part in range(5)
        ],
        up=[Tick(_height(10.0**power), f"{10.0**power:,.10g}") for power in range(_LOWEST, _HIGHEST + 1)],
        limits=[
            Tick(_height(up), f"{up:.3g} takes a step"),
            Tick(_height(down), f"{down:.3g} against it rolls back"),
        ],
        said=said,
    )


def _for(point: Point) -> float:
    return point.agreement if point.stage == "shadow" else point.good


def _height(value: float) -> float:
    power = min(max(log10(value) if value > 0 else _LOWEST, _LOWEST), _HIGHEST)
    return round(_TOP + (_HIGHEST - power) / (_HIGHEST - _LOWEST) * (HEIGHT - _TOP - _BOTTOM), 1)
