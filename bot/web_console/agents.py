"""Agents: what each did lately, what it cost, how far it can be trusted, and a button to stop it."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import APIRouter
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.problems import Problem
from bot.web_console.console import Console, View
from bot.web_console.counting import Counted
from bot.web_console.guarding import Visitor
from bot.web_console.watch import Used, used
from engine.commands.deeds import Deed, Deeds, Total, by_agent
from engine.commands.standing import Standing, standing_from
from engine.core.statistics.calibration import Curve
from engine.core.vocabulary.ids import AgentId
from engine.errors import WatchkeeperError
from engine.ports import DecisionFilter, DecisionsReader, Stop
from engine.runtime import wire_figures

_NEWEST: Final = 20
_MOST: Final = 200
"""Agents on the page: those heard of last."""
_MOST_NAMES: Final = 12
_ENGINE_S: Final = 1.0


class AgentShown(Struct, frozen=True, kw_only=True):
    """One agent."""

    agent: str
    last_us: int
    """When it was last heard of; 0 when nobody knows."""
    total: Total
    trust: Curve
    stop: Stop | None
    """The stop that stands against it alone; `None` while there is none."""
    stopped_by_all: bool

    @property
    def deed(self) -> Deed:
        """What it did, over all of its capabilities."""
        return self.total.deed

    @property
    def names(self) -> tuple[str, ...]:
        """The capabilities it used, those used most first."""
        found = sorted(self.total.capabilities.items(), key=lambda item: (-item[1].count, item[0]))
        return tuple(name for name, _ in found[:_MOST_NAMES])


def routes(console: Console) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/agents")
    async def several(request: Request, visitor: Visitor) -> Response:
        return await console.page(
            request, visitor, View("agents.html.j2", "Agents", lambda: _several(console))
        )

    @router.get("/agents/{name}")
    async def one(request: Request, visitor: Visitor, name: str) -> Response:
        view = View("agent.html.j2", name[:100], lambda: _one(console, name))
        return await console.page(request, visitor, view)

    return router


async def _several(console: Console) -> Mapping[str, Any]:
    status, (totals, trusts, counted, wrong) = await asyncio.gather(console.status(), _deeds(console))
    stops, wrongs = _stops(console)
    seen = {each.agent: each.last_us for each in status.agents} if status is not None else {}
    found = [
        _shown(name, seen.get(AgentId(name), 0), totals.get(name), trusts, stops) for name in {*totals, *seen}
    ]
    found.sort(key=lambda each: (-each.last_us, each.agent))
    return {
        "wrong": [*wrong, *wrongs],
        "engine": status is not None,
        "agents": found[:_MOST],
        "more": max(0, len(found) - _MOST),
        "bodies": status.bodies if status is not None else (),
        "elsewhere": {k: v for k, v in status.elsewhere.items() if v} if status is not None else {},
        "counted": counted,
    }


async def _deeds(
    console: Console,
) -> tuple[dict[str, Total], dict[str, Curve], Counted | None, list[WatchkeeperError]]:
    def question(deeds: Deeds, since_us: int) -> tuple[dict[str, Total], dict[str, Curve]]:
        totals = by_agent(deeds.summed("agent", since_us))
        return totals, {name: deeds.trust("agent", name) for name in totals}

    try:
        (totals, trusts), counted = await console.counting.deeds(question)
    except WatchkeeperError as error:
        return {}, {}, None, [error]
    return totals, trusts, counted, []


def _stops(console: Console) -> tuple[Iterable[Stop], list[WatchkeeperError]]:
    try:
        return console.front.fence.stops(), []
    except WatchkeeperError as error:
        # Who cannot read the fence has to take it as set; the frame says so, too.
        return (), [error]


def _shown(
    name: str, seen_us: int, total: Total | None, trusts: Mapping[str, Curve], stops: Iterable[Stop]
) -> AgentShown:
    total = total or Total(agent=name)
    by_scope = {str(stop.scope): stop for stop in stops}
    return AgentShown(
        agent=name,
        last_us=max(seen_us, total.deed.last_us),
        total=total,
        trust=trusts.get(name) or Deeds().trust("agent", name),
        stop=by_scope.get(f"agent:{name}"),
        stopped_by_all="all" in by_scope,
    )


# ---------------------------------------------------------------- one of them


async def _one(console: Console, name: str) -> Mapping[str, Any]:
    def newest(journal: DecisionsReader) -> list[Standing]:
        wanted = DecisionFilter(agent=AgentId(name))
        found = journal.decisions(wanted, most=_NEWEST).records
        return [each for record in found if (each := standing_from(journal, record)) is not None]

    status, deeds, decided, usage = await asyncio.gather(
        console.status(), _one_of(console, name), _decided(console, newest), _usage(console, name)
    )
    total, trust, by_capability, counted, wrong = deeds
    seen = {each.agent: each.last_us for each in status.agents} if status is not None else {}
    if not decided and total is None and AgentId(name) not in seen:
        raise Problem(
            "not-found", f"nobody has heard of an agent {name[:60]!r} lately", cure="/agents lists them"
        )
    stops, wrongs = _stops(console)
    return {
        "wrong": [*wrong, *wrongs],
        "engine": status is not None,
        "one": _shown(name, seen.get(AgentId(name), 0), total, {name: trust} if trust else {}, stops),
        "by_capability": by_capability,
        "counted": counted,
        "newest": decided,
        "usage": usage,
    }


async def _one_of(
    console: Console, name: str
) -> tuple[Total | None, Curve | None, list[tuple[str, Deed, Curve]], Counted | None, list[WatchkeeperError]]:
    def question(deeds: Deeds, since_us: int) -> tuple[Total | None, Curve, list[tuple[str, Deed, Curve]]]:
        total = by_agent(deeds.summed("agent", since_us)).get(name)
        own = sorted(total.capabilities.items(), key=lambda item: -item[1].count) if total else []
        return (
            total,
            deeds.trust("agent", name),
            [(each, deed, deeds.trust("capability", each)) for each, deed in own[:_MOST]],
        )

    try:
        (total, trust, by_capability), counted = await console.counting.deeds(question)
    except WatchkeeperError as error:
        return None, None, [], None, [error]
    return total, trust, by_capability, counted, []


async def _decided(console: Console, question: Any) -> list[Standing]:
    try:
        found: list[Standing] = await console.tools.look(question)
    except WatchkeeperError:
        # Deeds say what is wrong with the journal.
        return []
    return found


async def _usage(console: Console, name: str) -> list[Used] | None:
    """Return how far each limit is used that holds for this agent; `None` while the engine is away."""
    asked = wire_figures.GetUsage(agent=AgentId(name))
    try:
        found = await console.tools.ask(asked, wire_figures.UsageList, timeout_s=_ENGINE_S)
    except WatchkeeperError:
        return None
    return [used(each) for each in found.usage if each.agent == name]
