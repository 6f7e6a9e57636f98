"""The on-call calendar as a picture: five weeks of one schedule, a row each, by the clock where it lives."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup

from engine.adapters.rotations import Schedule, Span, moment, spans, wall
from engine.commands.spans import local_text
from engine.core.vocabulary.escalation_facts import OnCallChanged

WEEKS: Final = 5
"""From Monday of this week on: that shows four weeks from any day."""
_DAYS: Final = 7 * WEEKS
_WIDE: Final = 980
_DAY: Final = _WIDE / 7
_ROW: Final = 56
_TOP: Final = 24
_BAR: Final = (20, 26)
"""Where in its row the bar begins, and how high it is."""
_LETTER: Final = 7.2
_COLOURS: Final = 6


class _Days:
    """The days of the calendar, which are longer or shorter where a clock is put on."""

    def __init__(self, zone: str, now_us: int) -> None:
        today = wall(zone, now_us).replace(hour=0, minute=0, second=0, microsecond=0)
        self.first: datetime = today - timedelta(days=today.weekday())
        self.edges = [moment(zone, self.first + timedelta(days=day)) for day in range(_DAYS + 1)]

    def place(self, at_us: int) -> float:
        """Return where a moment stands, in days since the first; of one outside, the nearer end."""
        if at_us <= self.edges[0]:
            return 0.0
        if at_us >= self.edges[-1]:
            return float(_DAYS)
        day = bisect_right(self.edges, at_us) - 1
        begin, end = self.edges[day], self.edges[day + 1]
        return day + (at_us - begin) / (end - begin)


def turns(schedule: Schedule, now_us: int, changes: Sequence[OnCallChanged]) -> tuple[Span, ...]:
    """Return who is on call in the weeks that are drawn."""
    days = _Days(schedule.zone, now_us)
    return spans(schedule, days.edges[0], days.edges[-1], changes)


def calendar(schedule: Schedule, now_us: int, changes: Sequence[OnCallChanged]) -> Markup:
    """Draw who is on call, when nobody is, and where somebody stands in for another."""
    days = _Days(schedule.zone, now_us)
    found = turns(schedule, now_us, changes)
    people = list(dict.fromkeys(span.person for span in found if span.person is not None))
    parts = [*_grid(days)]
    for span in found:
        name = span.person or "nobody"
        kind = f"turn c{people.index(span.person) % _COLOURS}" if span.person is not None else "gap"
        said = (
            f"{name}: {local_text(schedule.zone, span.from_us)} to {local_text(schedule.zone, span.until_us)}"
        )
        parts += _bars(days, span, kind, said)
    for change in changes:
        if change.schedule == schedule.name:
            parts += _swaps(days, change)
    parts += _now(days, now_us)
    text = f"Who is on call for {schedule.name}, five weeks from {days.first:%d %B %Y}; a list follows"
    return Markup('<svg class="calendar" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDE, _TOP + WEEKS * _ROW, text, Markup("").join(parts)
    )


def _grid(days: _Days) -> Iterator[Markup]:
    for day, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        yield _text(day * _DAY + 6, 16, name, "day")
    for week in range(WEEKS):
        y = _TOP + week * _ROW
        yield Markup('<line x1="0" y1="{0}" x2="{1}" y2="{0}" class="rule"/>').format(y, _WIDE)
        for day in range(7):
            x = _fine(day * _DAY)
            yield Markup('<line x1="{0}" y1="{1}" x2="{0}" y2="{2}" class="rule"/>').format(x, y, y + _ROW)
            date = days.first + timedelta(days=7 * week + day)
            shown = f"{date.day} {date:%b}" if date.day == 1 or week == day == 0 else str(date.day)
            yield _text(day * _DAY + 6, y + 14, shown, "day")


def _pieces(days: _Days, from_us: int, until_us: int) -> Iterator[tuple[float, float, float]]:
    """Cut a time into weeks; gives x and width of each piece, and where its row begins."""
    begin, end = days.place(from_us), days.place(until_us)
    while begin < end:
        week = int(begin // 7)
        until = min(end, 7.0 * (week + 1))
        yield (begin - 7 * week) * _DAY, (until - begin) * _DAY, _TOP + week * _ROW
        begin = until


def _bars(days: _Days, span: Span, kind: str, said: str) -> Iterator[Markup]:
    name = span.person or "nobody"
    for x, wide, y in _pieces(days, span.from_us, span.until_us):
        yield Markup(
            '<rect x="{}" y="{}" width="{}" height="{}" rx="4" class="{}"><title>{}</title></rect>'
        ).format(_fine(x + 1), y + _BAR[0], _fine(max(wide - 2, 1.5)), _BAR[1], kind, said)
        room = int((wide - 14) / _LETTER)
        if room >= 2:
            shown = name if len(name) <= room else f"{name[: room - 1]}…"
            yield _text(x + 8, y + _BAR[0] + 18, shown, "name")


def _swaps(days: _Days, change: OnCallChanged) -> Iterator[Markup]:
    for x, wide, y in _pieces(days, change.from_us, change.until_us):
        yield Markup(
            '<rect x="{}" y="{}" width="{}" height="4" class="swap"><title>{}</title></rect>'
        ).format(
            _fine(x + 1), y + sum(_BAR) + 2, _fine(max(wide - 2, 3.0)),
            f"{change.change_id}: {change.person} instead, says {change.by}",
        )  # fmt: skip


def _now(days: _Days, now_us: int) -> Iterator[Markup]:
    place = days.place(now_us)
    x, y = (place % 7) * _DAY, _TOP + int(place // 7) * _ROW
    yield Markup('<line x1="{0}" y1="{1}" x2="{0}" y2="{2}" class="now"><title>now</title></line>').format(
        _fine(x), y, y + _ROW
    )


def _text(x: float, y: float, shown: str, kind: str) -> Markup:
    return Markup('<text x="{}" y="{}" class="{}">{}</text>').format(_fine(x), y, kind, shown)


def _fine(length: float) -> str:
    return f"{length:.1f}"
