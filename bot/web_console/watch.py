"""Watch: what is happening now."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

from fastapi import APIRouter
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bot.web_console.console import Console, View
from bot.web_console.decisions import Asked, stream_of
from bot.web_console.guarding import Visitor
from engine.adapters.decision_index import DecisionIndex
from engine.adapters.kpi_view import PIECE, KpisSeen
from engine.commands.standing import Standing
from engine.commands.triage import in_order
from engine.core.kpis.standing import KpiStanding
from engine.core.plain_text import count_text
from engine.core.vocabulary.facts import EffectStarted, decode
from engine.core.vocabulary.units import SECOND_US, duration_text
from engine.errors import WatchkeeperError
from engine.ports import DecisionsReader, Stop, Task
from engine.runtime import wire, wire_figures
from engine.runtime.wire_escalations import EscalationList, GetEscalations
from simulator.kpi_text import rests_on, target_text, value_text

_NEWEST: Final = 12
_HOLDS: Final = 20
_EFFECTS: Final = 20
_LOOKED: Final = 50
"""How many of the newest held decisions are looked at for those that still wait, with the engine away."""
_WAIT_S: Final = 1.0
_UNKNOWN: Final = "unknown"
_PARTS_SHOWN: Final = 4
_MEASURES: Final = {"cost_usd": "Money", "api_calls": "API calls", "files": "Files"}

_Found = TypeVar("_Found")


class Figure(Struct, frozen=True, kw_only=True):
    """One large figure."""

    name: str
    value: str
    note: str = ""
    tone: str = ""


class Used(Struct, frozen=True, kw_only=True):
    """How far one limit is used up."""

    name: str
    used: float
    most: float
    text: str


class Running(Struct, frozen=True, kw_only=True):
    """One effect that is under way or waits for a worker."""

    task: Task
    since_us: int
    """When it was begun; when it was queued, while it waits."""


class Judged(Struct, frozen=True, kw_only=True):
    """One KPI, ready to be shown."""

    name: str
    word: str
    value: str
    target: str
    rests_on: str
    parts: str
    """The counts behind it; empty where it has none."""


def routes(console: Console, index: DecisionIndex) -> APIRouter:
    """Make the route."""
    router = APIRouter()

    @router.get("/")
    async def watch(request: Request, visitor: Visitor) -> Response:
        async def gather() -> Mapping[str, Any]:
            return await gathered(console, index)

        return await console.page(request, visitor, View("watch.html.j2", "Watch", gather))

    return router


async def gathered(console: Console, index: DecisionIndex) -> Mapping[str, Any]:
    """Find what the page shows. Of what only the engine knows there is `None` while it is away."""
    tools = console.tools
    (status, holds, escalations, usage, counts), (kpis, effects, newest) = await asyncio.gather(
        asyncio.gather(
            console.status(),
            _or_none(tools.ask(wire.GetHolds(most=_HOLDS), wire.HoldList, timeout_s=_WAIT_S)),
            _or_none(tools.ask(GetEscalations(), EscalationList, timeout_s=_WAIT_S)),
            _or_none(tools.ask(wire_figures.GetUsage(), wire_figures.UsageList, timeout_s=_WAIT_S)),
            _or_none(tools.ask(wire_figures.GetFigures(), wire_figures.Figures, timeout_s=_WAIT_S)),
        ),
        asyncio.gather(
            _or_none(console.front.kpis(PIECE)),
            _or_none(tools.look(_under_way)),
            _or_none(stream_of(console, index, Asked(), most=_NEWEST)),
        ),
    )
    stops = _stops(console)
    return {
        "status": status,
        "stops": stops,
        "figures": _figures(status, stops, counts, kpis, effects),
        "breakers": None if counts is None else counts.breakers,
        "holds": in_order(holds.holds) if holds is not None else None,
        "held": [] if holds is not None else await _held(console, index),
        "more": holds.more if holds is not None else 0,
        "escalations": None
        if escalations is None
        else [each for each in escalations.escalations if each.stage != "ended"],
        "usage": None if usage is None else [used(each) for each in usage.usage],
        "effects": None if effects is None else effects[:_EFFECTS],
        "more_effects": max(0, len(effects or ()) - _EFFECTS),
        "kpis": None if kpis is None else [_judged(each) for each in kpis.kpis],
        "behind": 0 if kpis is None else kpis.behind,
        "newest": newest.found if newest is not None else (),
    }


async def _or_none(asked: Awaitable[_Found]) -> _Found | None:
    try:
        return await asked
    except WatchkeeperError:
        return None


def _stops(console: Console) -> tuple[Stop, ...] | None:
    try:
        return console.front.fence.stops()
    except WatchkeeperError:
        return None


async def _held(console: Console, index: DecisionIndex) -> list[Standing]:
    """Return what waits for people as far as the journal alone can tell: the newest of it."""
    found = await _or_none(stream_of(console, index, Asked(word="hold"), most=_LOOKED))
    return [each.standing for each in found.found if each.standing.waits] if found is not None else []


def _under_way(journal: DecisionsReader) -> list[Running]:
    """Return the effects that are under way, the oldest first, and behind them those that wait."""
    tasks = sorted(journal.tasks.all(), key=lambda task: (not task.worker, task.queued_us))
    # Only what is shown is looked up; the others are counted.
    shown = [Running(task=task, since_us=_since_us(journal, task)) for task in tasks[:_EFFECTS]]
    return shown + [Running(task=task, since_us=task.queued_us) for task in tasks[_EFFECTS:]]


def _since_us(journal: DecisionsReader, task: Task) -> int:
    record = journal.find(f"started:{task.effect_id}:{task.token}") if task.worker else None
    fact = decode(record.body) if record is not None else None
    return fact.at_us if isinstance(fact, EffectStarted) else task.queued_us


def _figures(
    status: wire.EngineStatus | None,
    stops: tuple[Stop, ...] | None,
    counts: wire_figures.Figures | None,
    kpis: KpisSeen | None,
    effects: list[Running] | None,
) -> list[Figure]:
    on = Figure(name="Autonomy", value="on", tone="good")
    if stops is None or any(str(stop.scope) == "all" for stop in stops):
        on = Figure(name="Autonomy", value="stopped", tone="danger")
    elif status is None:
        on = Figure(name="Autonomy", value="away", note="the engine does not answer", tone="danger")
    elif stops:
        on = Figure(name="Autonomy", value="on", note=count_text(len(stops), "stops"), tone="warning")
    running = None if effects is None else sum(bool(each.task.worker) for each in effects)
    missed = None if kpis is None else sum(each.word == "missed" for each in kpis.kpis)
    troubles = None if status is None else len(status.troubles)
    open_now = None if counts is None else len(counts.breakers)
    return [
        on,
        _counted("Waiting for people", None if status is None else status.holds, "warning"),
        _counted(
            "Effects under way",
            running,
            note="" if effects is None or running is None else f"{len(effects) - running:,} queued",
        ),
        _counted("Troubles", troubles, "danger"),
        _counted("Breakers open", open_now, "warning"),
        _counted("KPIs missed", missed, "warning"),
        _counted("Agents", None if status is None else len(status.agents)),
    ]


def _counted(name: str, count: int | None, tone: str = "", *, note: str = "") -> Figure:
    """Make a figure of a count, with a tone where there is any; `None` is not known."""
    if count is None:
        return Figure(name=name, value=_UNKNOWN)
    return Figure(name=name, value=count_text(count), note=note, tone=tone if count else "")


def _judged(kpi: KpiStanding) -> Judged:
    return Judged(
        name=kpi.name,
        word=kpi.word,
        value=value_text(kpi),
        target=target_text(kpi),
        rests_on=rests_on(kpi),
        parts=", ".join(f"{part.count:,} {part.name}" for part in kpi.parts[:_PARTS_SHOWN]),
    )


def used(shown: wire_figures.UsageShown) -> Used:
    """Say how far a limit is used up."""
    limit = shown.limit
    who = f" of {shown.agent}" if shown.agent else " of all agents" if limit.per == "all" else ""
    money = "$" if limit.measure == "cost_usd" else ""
    window = duration_text(limit.window_us / SECOND_US)
    return Used(
        name=f"{_MEASURES[limit.measure]}{who} within {window} ({limit.id})",
        used=float(shown.used),
        most=float(limit.most),
        text=f"{money}{shown.used.normalize():,f} of {money}{limit.most.normalize():,f}",
    )
