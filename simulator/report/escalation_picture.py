"""The picture of one escalation: who was rung when, over what, and how it stood. One SVG, made of text."""

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Final

from engine.core.vocabulary.escalation_facts import (
    EscalationAcknowledged,
    EscalationEnded,
    EscalationHanded,
    EscalationJoined,
    EscalationPassed,
    EscalationRaised,
    EscalationSnoozed,
    NotificationReported,
    RungReached,
)
from engine.core.vocabulary.escalations import Delivery, Notification
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.escalations.standing import Stage
from engine.core.work.escalations.timeline import Moment, notifications_of, span_text

_WIDTH: Final = 1000
_LEFT: Final = 170
_RIGHT: Final = 24
_ROW: Final = 26
_TOP: Final = 128
_APART: Final = 66
"""How far two times on the axis are apart at least."""
_STAGES: Final[dict[Stage, tuple[str, str]]] = {
    "ringing": ("#f2b84b", "ringing"),
    "acknowledged": ("#7fb3d5", "somebody has it"),
    "asked": ("#b59bd6", "asked whether it moves"),
    "snoozed": ("#b9cfdd", "somebody has it, to be reminded"),
    "cleared": ("#b5d8a8", "went away, may come back"),
}
_MARKS: Final[dict[Delivery, tuple[str, str, str]]] = {
    "accepted": ("#ffffff", "#0f6f83", "taken"),
    "delivered": ("#7fc4cf", "#0f6f83", "delivered"),
    "answered": ("#0f6f83", "#0f6f83", "answered"),
    "unsure": ("#f2b84b", "#8a5a00", "unsure"),
    "failed": ("#ffffff", "#b3123f", "failed"),
}
_DARK: Final = {
    "#ffffff": "#141c22",
    "#222222": "#e6edf1",
    "#555555": "#a2b0ba",
    "#999999": "#6b7a84",
    "#dddddd": "#2b3840",
    "#eeeeee": "#222d34",
    "#e3c98f": "#7d6a38",
    "#f2b84b": "#8a6110",
    "#7fb3d5": "#2c5f80",
    "#b59bd6": "#5f4a82",
    "#b9cfdd": "#44606f",
    "#b5d8a8": "#3f6b33",
    "#0f6f83": "#6cc7da",
    "#7fc4cf": "#2f7d8c",
    "#8a5a00": "#f0b450",
    "#b3123f": "#ff8f87",
}
"""What each colour becomes where the reader's screen is dark. Without styles it stays as it is."""
_WORDS: Final = EscalationAcknowledged | EscalationSnoozed | EscalationHanded | EscalationPassed


def picture(moments: Sequence[Moment]) -> str:
    """Draw a timeline as SVG; empty where there is none.

    Time is drawn so that seconds and hours both can be seen: twice as long is a step wider, not twice.
    """
    if not moments or not isinstance(moments[0].fact, EscalationRaised):
        return ""
    return _Picture(moments, moments[0].fact).drawn()


def _style() -> str:
    rules = [
        f'[{what}="{light}"]{{{what}:{dark}}}' for light, dark in _DARK.items() for what in ("fill", "stroke")
    ]
    return f"<style>@media (prefers-color-scheme:dark){{{''.join(rules)}}}</style>"


_STYLE: Final = _style()


class _Picture:
    def __init__(self, moments: Sequence[Moment], raised: EscalationRaised) -> None:
        self.moments, self.raised = moments, raised
        self.parts: list[str] = []
        self.sent: dict[str, Notification] = {}
        for moment in moments:
            self.sent |= {each.notification_id: each for each in notifications_of(moment.fact)}
        lanes = sorted(
            {(each.person, each.channel) for each in self.sent.values()}, key=lambda lane: (not lane[0], lane)
        )
        self.rows = {lane: _TOP + 20 + nth * _ROW for nth, lane in enumerate(lanes)}
        self.bottom = _TOP + 20 + len(lanes) * _ROW
        # What only joins changes nothing that is drawn, and a thousand of it would leave the rest no room.
        joined = [isinstance(moment.fact, EscalationJoined) for moment in moments]
        stages = [moment.stage for moment in moments]
        drawn = [
            moment.since_us
            for nth, moment in enumerate(moments)
            if not joined[nth] or stages[nth] != stages[nth - 1]
        ]
        self.places = _places(drawn)
        self.count = 1 + sum(joined)

    def drawn(self) -> str:
        self._lanes()
        self._stages()
        self._sent()
        self._words()
        self._axis()
        self._title()
        height = self.bottom + 76
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
            f'height="{height}" font-family="sans-serif" font-size="12" role="img">'
        )
        name = f"<title>{escape(self.raised.summary)}</title>"
        back = f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
        return "\n".join([head, name, _STYLE, back, *self.parts, "</svg>", ""])

    # ------------------------------------------------------------ what is drawn

    def _title(self) -> None:
        raised, last = self.raised, self.moments[-1]
        self._text(16, 26, raised.summary, size=16, bold=True)
        ends = [moment for moment in self.moments if isinstance(moment.fact, EscalationEnded)]
        end = f"{ends[-1].what}, after {span_text(ends[-1].since_us)}" if ends else f"it is {last.stage}"
        about = f"{raised.severity} {raised.kind} {raised.code}, ladder {raised.ladder.name}: {end}"
        about += f"; {self.count:,} came together" if self.count > 1 else ""
        self._text(16, 46, about, colour="#555555")

    def _lanes(self) -> None:
        before = None
        for (person, channel), y in self.rows.items():
            if person != before:
                self._line(16, y - _ROW / 2, _WIDTH - _RIGHT, y - _ROW / 2, "#dddddd")
                self._text(16, y + 4, person or "all", bold=True)
                before = person
            self._text(_LEFT - 12, y + 4, channel, anchor="end", colour="#555555")
            self._line(_LEFT, y, _WIDTH - _RIGHT, y, "#eeeeee")

    def _stages(self) -> None:
        """Draw how it stood, as a band above the lanes, with the rungs that rang."""
        begin = self.moments[0]
        for moment in [*self.moments[1:], None]:
            if moment is not None and moment.stage == begin.stage:
                continue
            until_us = max(self.places) if moment is None else moment.since_us
            if begin.stage in _STAGES:
                x, until_x = self._x(begin.since_us), self._x(until_us)
                self.parts.append(
                    f'<rect x="{x:.1f}" y="{_TOP - 18}" width="{until_x - x:.1f}" height="16" '
                    f'fill="{_STAGES[begin.stage][0]}"/>'
                )
            begin = moment or begin
        free = 0.0
        for moment in self.moments:
            if isinstance(moment.fact, RungReached):
                x, name = self._x(moment.since_us), f"{moment.fact.rung}"
                self._line(x, _TOP - 18, x, self.bottom - 8, "#e3c98f")
                if x >= free:
                    self._text(x + 3, _TOP - 6, name, bold=True)
                    free = x + 12
        self._text(_LEFT - 12, _TOP - 6, "rung", anchor="end", colour="#555555")
        seen = dict.fromkeys(moment.stage for moment in self.moments if moment.stage in _STAGES)
        x = float(_LEFT)
        for stage in seen:
            colour, name = _STAGES[stage]
            y = self.bottom + 50
            self.parts.append(f'<rect x="{x:.1f}" y="{y}" width="12" height="12" fill="{colour}"/>')
            self._text(x + 17, y + 10, name, colour="#555555")
            x += 34 + 6.2 * len(name)

    def _sent(self) -> None:
        """Draw each notification from when it was asked for to what was last heard of it."""
        used: dict[Delivery, None] = {}
        for moment in self.moments:
            fact = moment.fact
            for each in notifications_of(fact):
                x, y = self._x(moment.since_us), self.rows[each.person, each.channel]
                heard = [
                    (self._x(later.since_us), later.fact.delivery)
                    for later in self.moments
                    if isinstance(later.fact, NotificationReported)
                    and later.fact.notification_id == each.notification_id
                    and later.fact.attempt == each.attempt
                ]
                if heard:
                    self._line(x, y, heard[-1][0], y, "#0f6f83", width=3)
                loud = each.purpose in {"wake", "again"}
                self._line(x, y - (8 if loud else 4), x, y + (8 if loud else 4), "#0f6f83", width=2)
                for at_x, delivery in heard:
                    used[delivery] = None
                    self._mark(at_x, y, delivery)
        x = float(_LEFT)
        for delivery in (name for name in _MARKS if name in used):
            self._mark(x + 6, self.bottom + 38, delivery)
            self._text(x + 17, self.bottom + 42, _MARKS[delivery][2], colour="#555555")
            x += 34 + 6.2 * len(_MARKS[delivery][2])

    def _words(self) -> None:
        """Draw what people said, and the end, above the band."""
        free = [0.0, 0.0, 0.0]
        for moment in self.moments:
            if not isinstance(moment.fact, _WORDS | EscalationEnded):
                continue
            x, what = self._x(moment.since_us), moment.what.partition(":")[0]
            wide = 6.4 * len(what)
            right = x + wide > _WIDTH - _RIGHT
            begin = x - wide if right else x
            row = next((nth for nth, until in enumerate(free) if until <= begin), 2)
            free[row] = begin + wide + 8
            y = _TOP - 26 - 14 * row
            self._line(x, y, x, self.bottom - 8, "#0f6f83", dashed=True)
            self._text(x - 3 if right else x + 3, y + 2, what, anchor="end" if right else "start")

    def _axis(self) -> None:
        y, until = self.bottom, 0.0
        self._line(_LEFT, y, _WIDTH - _RIGHT, y, "#999999")
        for since_us, x in self.places.items():
            if x < until:
                continue
            until = x + _APART
            self._line(x, y, x, y + 4, "#999999")
            edge = x > _WIDTH - _RIGHT - _APART / 2
            anchor = "end" if edge else "middle"
            self._text(x + 4 * edge, y + 18, "+" + span_text(since_us), anchor=anchor, colour="#555555")

    # ------------------------------------------------------------ the pencil

    def _x(self, since_us: int) -> float:
        return self.places[since_us]

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        colour: str = "#222222",
        size: int = 12,
        bold: bool = False,
    ) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
            f'font-size="{size}"{weight}>{escape(text)}</text>'
        )

    def _line(
        self,
        x: float,
        y: float,
        to_x: float,
        to_y: float,
        colour: str,
        *,
        width: float = 1,
        dashed: bool = False,
    ) -> None:
        dashes = ' stroke-dasharray="3 3"' if dashed else ""
        self.parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"{dashes}/>'
        )

    def _mark(self, x: float, y: float, delivery: Delivery) -> None:
        fill, edge, _ = _MARKS[delivery]
        if delivery == "failed":
            self._line(x - 4, y - 4, x + 4, y + 4, edge, width=2.5)
            self._line(x - 4, y + 4, x + 4, y - 4, edge, width=2.5)
            return
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="{edge}" stroke-width="2"/>'
        )


def _places(since_us: Sequence[int]) -> dict[int, float]:
    """Give each moment its place from left to right: the longer after the last the farther, by its log.

    >>> {us: round(x) for us, x in _places([0, 0, 10_000_000, 70_000_000]).items()}
    {0: 170, 10000000: 463, 70000000: 966}
    """
    moments = sorted(set(since_us))
    steps = [0.0]
    for before, after in pairwise(moments):
        steps.append(steps[-1] + math.log2(1 + (after - before) / SECOND_US))
    room = _WIDTH - _LEFT - _RIGHT - 10
    scale = room / steps[-1] if steps[-1] else 0.0
    return {moment: _LEFT + step * scale for moment, step in zip(moments, steps, strict=True)}
