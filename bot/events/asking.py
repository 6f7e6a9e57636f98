"""Asking Prometheus: one question on a schedule, and what is done when its answer says so.

No answer is not zero: it counts neither as over nor as under, and after some of them somebody is woken. Nor
is an answer without a number: what was paged for stands until a number says that it is over.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Any, Final

import httpx
import msgspec
from msgspec import Struct

from bot.events.acting import Engine, Request, Wanted, act, agent_of, measure, page, propose
from engine.core.plain_text import shortened
from engine.core.vocabulary.units import SECOND_US
from engine.errors import WatchkeeperError
from engine.runtime.wire_escalations import ClearEscalation, EscalationAnswer
from engine.settings.events import FromEvent, PageSection, QuerySection

_BY: Final = "prometheus"
_MOST_SERIES: Final = 10_000
_LONGEST: Final = 200
_MOST_BYTES: Final = 4 << 20
"""Of an answer. One number needs a hundred."""
_log = logging.getLogger("watchkeeper.events")


class Answer(Struct, frozen=True):
    """What Prometheus said: its numbers, or that there is none. NaN and infinities are none."""

    values: tuple[float, ...]


class Question:
    """One query, and how it stands."""

    def __init__(self, name: str, section: QuerySection, engine: Engine, client: httpx.AsyncClient) -> None:
        self.name, self.section = name, section
        self._engine, self._client = engine, client
        self._since_us: int | None = None
        # Before the first answer nobody knows what was paged for before a restart: that it is over is said
        # then too, which changes nothing where nobody was woken.
        self._firing: bool | None = None
        self._away: bool | None = None
        self._paged = False
        self._missed = 0

    async def ask(self, now_us: int) -> None:
        """Ask once, and do what follows. Never raises: the next time is soon."""
        try:
            async with asyncio.timeout(self.section.within_s):
                said = await self._said()
            answer = _read(said)
        except Exception as wrong:  # noqa: BLE001 - whatever it answers: a question that ends is never asked again
            await self._missed_one(f"{type(wrong).__name__}: {wrong}")
            return
        try:
            await self._answered(answer, now_us)
        except WatchkeeperError as away:
            _log.warning("%s: the engine took nothing of it: %s", self.name, away)

    async def _said(self) -> bytes:
        section = self.section
        url = f"{section.url.rstrip('/')}/api/v1/query"
        params = {"query": section.query, "timeout": f"{section.within_s:g}s"}
        found = bytearray()
        async with self._client.stream("GET", url, params=params, timeout=section.within_s) as reply:
            async for part in reply.aiter_bytes():
                found += part
                if len(found) > _MOST_BYTES:
                    raise ValueError(f"it answers more than {_MOST_BYTES >> 20} MiB: ask for one number")
            reply.raise_for_status()
        return bytes(found)

    async def _answered(self, answer: Answer, now_us: int) -> None:
        section, self._missed = self.section, 0
        if self._away is not False:
            await self._clear("away", "Prometheus answers again")
            self._away = False
        worst = self._worst(answer)
        await self._judged(worst, now_us)
        # Last: a point that is refused must not keep anybody asleep.
        if section.series is not None and worst is not None:
            await self._do("measure", measure(section.series, worst, f"{self.name}:{now_us}", now_us))

    async def _judged(self, worst: float | None, now_us: int) -> None:
        over = self._over(worst)
        if over is None:
            return
        if not over:
            self._since_us = None
            if self._firing is not False or self._paged:
                await self._clear("query", "it holds no more")
            self._firing = self._paged = False
            return
        self._since_us = now_us if self._since_us is None else self._since_us
        if not self._firing and now_us - self._since_us >= self.section.for_s * SECOND_US:
            await self._fire(worst, self._since_us, now_us)
            self._firing = True

    def _worst(self, answer: Answer) -> float | None:
        if not answer.values:
            return None
        below = self.section.below is not None and self.section.above is None
        return min(answer.values) if below else max(answer.values)

    def _over(self, worst: float | None) -> bool | None:
        """Whether it holds; `None`: without a number nobody knows."""
        section = self.section
        if worst is None:
            return True if section.absent else None
        return (section.above is not None and worst > section.above) or (
            section.below is not None and worst < section.below
        )

    async def _fire(self, worst: float | None, since_us: int, now_us: int) -> None:
        section, said = self.section, "nothing" if worst is None else f"{worst:g}"
        why = f"{self.name} is {said}: {shortened(section.query, _LONGEST)}"
        if section.page is not None and not self._paged:
            request = page(section.page, agent_of(_BY), self._key("query"), section.page.summary, (why,))
            answer = await self._engine.get(EscalationAnswer, request)
            known = answer.escalation
            if self._firing is None and known is not None and known.raised_us < now_us:
                return  # It was paged for before a restart, and what follows was proposed then.
            self._paged = True
        if section.propose is not None:
            args = {
                name: each for name, each in section.propose.args.items() if not isinstance(each, FromEvent)
            }
            own = f"{self.name}:{since_us}"
            await self._do("propose", propose(section.propose, agent_of(_BY), own, args, why=why))

    async def _missed_one(self, why: str) -> None:
        self._missed += 1
        _log.warning("%s: no answer (%d): %s", self.name, self._missed, why)
        if self._missed < self.section.away_after or self._away:
            return
        section = PageSection(severity="warning", summary=f"Prometheus does not answer {self.name}")
        try:
            request = page(
                section, agent_of(_BY), self._key("away"), section.summary, (shortened(why, _LONGEST),)
            )
            await self._do("page", request)
            self._away = True
        except WatchkeeperError as away:
            _log.warning("%s: nobody could be woken: %s", self.name, away)

    async def _clear(self, what: str, detail: str) -> None:
        await self._do("resolve", ClearEscalation(key=self._key(what), by=agent_of(_BY), detail=detail))

    async def _do(self, what: str, request: Request) -> None:
        await act(self._engine, [Wanted(rule=self.name, what=what, request=request)])

    def _key(self, what: str) -> str:
        return f"event:{_BY}:{self.name}:{what}"


def _read(said: bytes) -> Answer:
    """Read an answer. Raises whatever what is no answer leads to."""
    found: Any = msgspec.json.decode(said)
    if found["status"] != "success":
        raise ValueError(str(found.get("error", "no success"))[:_LONGEST])
    kind, result = found["data"]["resultType"], found["data"]["result"]
    if kind not in {"scalar", "vector"}:
        raise ValueError(f"it answers a {kind}: ask for a number now, not for a range")
    points = [result] if kind == "scalar" else [each["value"] for each in result[:_MOST_SERIES]]
    values = [float(value) for _, value in points]
    return Answer(tuple(value for value in values if math.isfinite(value)))
