"""Escalations: what people are and were woken for, the story of each, and what it costs them."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.problems import Problem
from bot.web_console.console import Console, View
from bot.web_console.counting import Counted
from bot.web_console.guarding import HEADERS, Visitor
from bot.web_console.people import known_of
from engine.commands.escalation_cards import measured_table
from engine.commands.escalation_story import facts_of
from engine.commands.nights import Nights, Past, hours_of
from engine.core.vocabulary import escalation_facts as f
from engine.core.vocabulary.ids import EscalationId
from engine.core.work.escalations.loads import Loads
from engine.core.work.escalations.timeline import Moment, span_text, timeline
from engine.errors import WatchkeeperError
from engine.ports import DecisionsReader
from engine.runtime.wire_escalations import EscalationList, EscalationShown, GetEscalations
from simulator.report.escalation_picture import picture

_NAME: Final = re.compile(r"e_[0-9a-f]{15}")
_PAST: Final = 50
_ENGINE_S: Final = 1.0
_PICTURE: Final = HEADERS | {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"
}
"""A picture has its colours for a dark screen in a style of its own, and nothing else."""
_MOMENTS: Final = 300
"""Of a story that is longer, the beginning and the end are shown."""


def routes(console: Console) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/people/escalations")
    async def several(request: Request, visitor: Visitor) -> Response:
        view = View("escalations.html.j2", "Escalations", lambda: _several(console))
        return await console.page(request, visitor, view)

    @router.get("/people/escalations/{name}.svg")
    async def drawn(visitor: Visitor, name: str) -> Response:  # noqa: ARG001 - only who is logged in sees it
        svg = await console.tools.look(lambda journal: picture(_story(journal, name)))
        return Response(svg, 200, _PICTURE, media_type="image/svg+xml")

    @router.get("/people/escalations/{name}")
    async def one(request: Request, visitor: Visitor, name: str) -> Response:
        view = View("escalation.html.j2", name, lambda: _one(console, name))
        return await console.page(request, visitor, view)

    return router


async def _several(console: Console) -> Mapping[str, Any]:
    known = await known_of(console)
    wrong, hour_of = list(known.wrong), hours_of(known.directory)

    def question(nights: Nights, since_us: int) -> tuple[list[Past], Loads]:
        return nights.past(since_us, most=_PAST), nights.loads(since_us, hour_of)

    past = list[Past]()
    loads: Loads | None = None
    counted: Counted | None = None
    try:
        (past, loads), counted = await console.counting.nights(question)
    except WatchkeeperError as error:
        # Without a journal there is nothing to count; who is on call is said all the same.
        wrong += [] if wrong else [error]
    shown = await _shown(console)
    return {
        "wrong": wrong,
        "engine": shown is not None,
        "standing": [each for each in shown or () if each.stage != "ended"],
        "past": past,
        "loads": loads,
        "counted": counted,
        "span": span_text,
        "most": max((each.wakes for each in loads.hours), default=0) if loads is not None else 0,
    }


async def _shown(console: Console) -> tuple[EscalationShown, ...] | None:
    """Return what stands; `None` while the engine does not answer."""
    try:
        return (await console.tools.ask(GetEscalations(), EscalationList, timeout_s=_ENGINE_S)).escalations
    except WatchkeeperError:
        return None


def _facts(journal: DecisionsReader, name: str) -> list[f.EscalationFact]:
    """Return what was journaled about one. Raises `Problem` when there is none of that id."""
    facts = facts_of(journal, EscalationId(name)) if _NAME.fullmatch(name) else []
    if not any(isinstance(fact, f.EscalationRaised) for fact in facts):
        raise Problem("not-found", f"no escalation {name[:40]}", cure="open one from the list")
    return facts


def _story(journal: DecisionsReader, name: str) -> tuple[Moment, ...]:
    return timeline(_facts(journal, name))


async def _one(console: Console, name: str) -> Mapping[str, Any]:
    facts, shown = await asyncio.gather(
        console.tools.look(lambda journal: _facts(journal, name)), _shown(console)
    )
    moments = timeline(facts)
    raised = next(fact for fact in facts if isinstance(fact, f.EscalationRaised))
    left_out = len(moments) - _MOMENTS
    if left_out > 0:
        moments = (*moments[: _MOMENTS // 2], *moments[-_MOMENTS // 2 :])
    return {
        "title": f"{raised.code or raised.escalation_id}: {raised.summary}"[:200],
        "raised": raised,
        "last": moments[-1],
        "moments": moments,
        "left_out": left_out,
        "measured": measured_table(facts),
        "standing": next((each for each in shown or () if each.escalation_id == name), None),
        "engine": shown is not None,
        "span": span_text,
        "seq": len(facts),
    }
