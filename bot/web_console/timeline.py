"""Timeline: the path of one decision as rows with bars, from what set it off to what came of it."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from engine.core.path import Path, PathStep
from engine.core.vocabulary.units import parse_time

ROOM: Final = 1_000
"""How wide a picture is, in its own units."""
_THINNEST: Final = 6
_ENDS: Final = {
    "proposal_received": "verdict_reached",
    "verdict_reached": "hold_ended",
    "question_asked": "question_replied",
    "contest_opened": "contest_decided",
    "undo_requested": "effect_ended",
    "effect_started": "effect_ended",
}
"""Which step ends what another one began."""
_TONES: Final = {
    "verdict_reached": "waits",
    "question_asked": "waits",
    "contest_opened": "waits",
    "effect_started": "works",
    "undo_requested": "undoes",
    "kill_switch_set": "stops",
}


class Row(Struct, frozen=True, kw_only=True):
    """One step of a path, with its place in time."""

    seq: int | None
    """The record of the journal that says so."""
    kind: str
    """The kind of fact, in words."""
    what: str
    depth: int
    """How many steps it stands under."""
    at_us: int
    after: str
    """How long after the first step, in words."""
    took: str
    """How long it took until it ended, in words; empty where it took no time."""
    goes_on: bool
    """Whether it has not ended."""
    left: int
    """Where its bar begins, from 0 to `ROOM`."""
    width: int
    tone: str


class Timeline(Struct, frozen=True, kw_only=True):
    """All steps of a path, from top to bottom."""

    rows: tuple[Row, ...]
    took: str
    """From the first step to the last, in words."""


class _Step(Struct):
    step: PathStep
    depth: int
    at_us: int
    end_us: int | None = None


def timeline_of(path: Path, now_us: int, *, held: bool = False, waits: bool = False) -> Timeline:
    """Put the steps of a path on one axis of time. Gates, which take no time, are left out.

    `held` says that the verdict was to wait, so that its bar ends with the waiting; with `waits` it still
    does, and the bar goes on until now.
    """
    steps = list(_flat(path.steps, 0))
    if not steps:
        return Timeline(rows=(), took=span_text(0))
    for place, each in enumerate(steps):
        if held or each.step.kind != "verdict_reached":
            each.end_us = _end_us(each, steps[place + 1 :])
    first_us = min(each.at_us for each in steps)
    last_us = max(each.end_us or each.at_us for each in steps)
    open_kinds = {"effect_started", *(["verdict_reached"] if waits else [])}
    going = [each for each in steps if each.end_us is None and each.step.kind in open_kinds]
    if going:
        last_us = max(last_us, now_us)
    whole_us = max(last_us - first_us, 1)
    rows = []
    for each in steps:
        goes_on = each in going
        end_us = last_us if goes_on else each.end_us or each.at_us
        left = min((each.at_us - first_us) * ROOM // whole_us, ROOM - _THINNEST)
        width = max((end_us - each.at_us) * ROOM // whole_us, _THINNEST)
        rows.append(
            Row(
                seq=each.step.seq,
                kind=each.step.kind.replace("_", " "),
                what=each.step.what,
                depth=each.depth,
                at_us=each.at_us,
                after=span_text(each.at_us - first_us),
                took=span_text(end_us - each.at_us) if goes_on or end_us > each.at_us else "",
                goes_on=goes_on,
                left=left,
                width=min(width, ROOM - left),
                tone=_TONES.get(each.step.kind, "says"),
            )
        )
    return Timeline(rows=tuple(rows), took=span_text(last_us - first_us))


def span_text(us: int) -> str:
    """Write how long something took, as fine as it matters.

    >>> (
    ...     span_text(850),
    ...     span_text(12_300),
    ...     span_text(2_340_000),
    ...     span_text(95_000_000),
    ...     span_text(7_260_000_000),
    ... )
    ('0.85 ms', '12.3 ms', '2.34 s', '1 min 35 s', '2 h 1 min')
    """
    if us < 1_000_000:
        return f"{us / 1_000:.3g} ms"
    seconds = us / 1_000_000
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = int(seconds)
    parts = [
        (whole // 86_400, "d"),
        (whole // 3_600 % 24, "h"),
        (whole // 60 % 60, "min"),
        (whole % 60, "s"),
    ]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2])


def _flat(steps: Sequence[PathStep], depth: int) -> Iterator[_Step]:
    for step in steps:
        if step.kind != "gate":
            yield _Step(step=step, depth=depth, at_us=parse_time(step.at))
            yield from _flat(step.steps, depth + 1)


def _end_us(begun: _Step, later: Sequence[_Step]) -> int | None:
    """Return when that ended; `None` while it goes on, and for what has no end.

    What ends an effect stands under it, or directly behind where something else came between.
    """
    kind = _ENDS.get(begun.step.kind)
    return next((each.at_us for each in later if each.step.kind == kind), None) if kind else None
