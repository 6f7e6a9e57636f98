"""A ladder as a picture: which rung rings when, and when everybody has been tried."""

from collections.abc import Iterator
from typing import Final

from markupsafe import Markup

from engine.core.vocabulary.escalations import Ladder
from engine.core.work.escalations.timeline import span_text

_WIDE: Final = 700
_LEFT: Final = 64
_ROW: Final = 26
_LETTER: Final = 7.0


def climbing_us(ladder: Ladder) -> int:
    """Return how long one round takes, if nobody answers."""
    return sum(rung.wait_us * (rung.repeat + 1) for rung in ladder.rungs)


def ladder_picture(ladder: Ladder) -> Markup:
    """Draw one round of it: a bar for each rung, as long as it waits, and a tick for each time it rings."""
    whole_us = climbing_us(ladder) or 1
    scale = (_WIDE - _LEFT - 8) / whole_us
    parts: list[Markup] = []
    at_us = 0
    for nth, rung in enumerate(ladder.rungs, 1):
        y = (nth - 1) * _ROW
        begin, end = _LEFT + at_us * scale, _LEFT + (at_us + rung.wait_us * (rung.repeat + 1)) * scale
        parts.append(_text(0, y + 17, f"rung {nth}", "day"))
        parts.append(
            Markup('<rect x="{}" y="{}" width="{}" height="18" rx="3" class="turn c0"/>').format(
                _fine(begin), y + 4, _fine(max(end - begin, 2.0))
            )
        )
        for ring in range(rung.repeat + 1):
            x = _fine(begin + ring * rung.wait_us * scale)
            parts.append(
                Markup('<line x1="{0}" y1="{1}" x2="{0}" y2="{2}" class="now"/>').format(x, y + 2, y + 24)
            )
        parts += _ways(begin, end, y, ", ".join((*rung.by, *rung.post)))
        at_us += rung.wait_us * (rung.repeat + 1)
    high = len(ladder.rungs) * _ROW
    parts.append(
        Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="rule"/>').format(
            _LEFT, high + 2, _WIDE, high + 2
        )
    )
    parts.append(_text(_LEFT, high + 18, "at once", "day"))
    parts.append(
        Markup('<text x="{}" y="{}" text-anchor="end" class="day">{}</text>').format(
            _WIDE, high + 18, f"all tried after {span_text(whole_us)}"
        )
    )
    said = f"One round of {ladder.name} takes {span_text(whole_us)}: {len(ladder.rungs)} rungs, told below"
    return Markup('<svg class="climb" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDE, high + 24, said, Markup("").join(parts)
    )


def _ways(begin: float, end: float, y: int, ways: str) -> Iterator[Markup]:
    """Write by which channels, in the bar where there is room, beside it where not."""
    room = len(ways) * _LETTER + 12
    if room < end - begin:
        yield _text(begin + 6, y + 17, ways, "name")
    elif end + room < _WIDE:
        yield _text(end + 6, y + 17, ways, "name")
    elif room < begin - _LEFT:
        yield Markup('<text x="{}" y="{}" text-anchor="end" class="name">{}</text>').format(
            _fine(begin - 6), y + 17, ways
        )


def _text(x: float, y: float, shown: str, kind: str) -> Markup:
    return Markup('<text x="{}" y="{}" class="{}">{}</text>').format(_fine(x), y, kind, shown)


def _fine(length: float) -> str:
    return f"{length:.1f}"
