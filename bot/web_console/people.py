"""People: who is on call now and later, who holds the captaincy, and how everybody is reached."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter
from markupsafe import Markup
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bot.web_console.calendar_picture import calendar, turns
from bot.web_console.console import Console, View
from bot.web_console.guarding import Visitor
from bot.web_console.ladder_picture import climbing_us, ladder_picture
from engine.adapters.machine_time import now_us
from engine.adapters.roster import FileRoster, Hour, Person
from engine.adapters.rotations import Schedule, Span, spans
from engine.commands.captaincy import captaincy_of
from engine.commands.directory import Directory
from engine.commands.escalation_story import FAILSAFES
from engine.commands.oncall import changes_in
from engine.core.vocabulary.escalation_facts import OnCallChanged
from engine.core.vocabulary.escalations import Ladder, Route, Rung
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import DAY_US
from engine.core.work.captaincy import Captaincy
from engine.core.work.escalations.roster import Duty
from engine.errors import WatchkeeperError
from engine.ports import Linked
from engine.wiring.checks import Check

_AHEAD_US: Final = 400 * DAY_US
"""How far ahead the next turn is looked for."""
_MOST_TURNS: Final = 100
_WAYS: Final = ("phone", "email", "ntfy", "pushover")
"""Addresses that stand in people.yaml; that somebody has one is shown, and never which."""


class Known(Struct, frozen=True, kw_only=True):
    """Who there is and who has which duty, as files and journal say: the engine may be dead."""

    directory: Directory
    changes: tuple[OnCallChanged, ...]
    captaincy: Captaincy
    links: tuple[Linked, ...]
    wrong: tuple[WatchkeeperError, ...]
    """What could not be read: what depends on it is missing."""

    @property
    def duty(self) -> Duty:
        """Who has which duty now."""
        known = self.captaincy
        return Duty(
            captain=known.captain or None,
            deputy=known.deputy or None,
            away=known.away,
            changes=self.changes,
        )

    @property
    def roster(self) -> FileRoster:
        """Who is meant by what a ladder says."""
        people, schedules = self.directory.people.values(), self.directory.schedules.values()
        return FileRoster(people, schedules, channels={})


class OnCall(Struct, frozen=True, kw_only=True):
    """One schedule."""

    schedule: Schedule
    current: Span
    following: Span | None
    """`None` where what is now has no end in sight."""
    turns: tuple[Span, ...]
    changes: tuple[OnCallChanged, ...]
    picture: Markup
    gaps: int


class Reached(Struct, frozen=True, kw_only=True):
    """One person."""

    person: PersonId
    known: Person | None
    """`None`: people.yaml does not name them, they only linked an account."""
    hour: Hour | None
    ways: tuple[str, ...]
    """Kinds of addresses they have."""
    links: tuple[Linked, ...]


class RungShown(Struct, frozen=True, kw_only=True):
    """One rung of a ladder."""

    rung: Rung
    now: tuple[tuple[str, tuple[PersonId, ...]], ...]
    """Each target, and who that is now."""


class LadderShown(Struct, frozen=True, kw_only=True):
    """One ladder, drawn."""

    ladder: Ladder
    rungs: tuple[RungShown, ...]
    round_us: int
    end: str
    """What happens when nobody came."""
    routes: tuple[Route, ...]
    picture: Markup


def routes(console: Console, unreached: Callable[[], Sequence[Check]]) -> APIRouter:
    """Make the routes. `unreached` looks whom nobody could wake."""
    router = APIRouter()

    @router.get("/people")
    async def people(request: Request, visitor: Visitor) -> Response:
        return await console.page(
            request, visitor, View("people.html.j2", "People", lambda: _people(console, unreached))
        )

    @router.get("/people/ladders")
    async def ladders(request: Request, visitor: Visitor) -> Response:
        return await console.page(
            request, visitor, View("ladders.html.j2", "Ladders", lambda: _ladders(console))
        )

    return router


async def known_of(console: Console) -> Known:
    """Find out who there is. Never raises: what cannot be read is said."""
    return await asyncio.to_thread(_known, console)


def _known(console: Console) -> Known:
    tools, wrong = console.tools, list[WatchkeeperError]()
    directory, links = Directory(), tuple[Linked, ...]()
    changes, captaincy = tuple[OnCallChanged, ...](), Captaincy()
    try:
        directory = tools.directory()
    except WatchkeeperError as error:
        wrong.append(error)
    try:
        links = tuple(tools.links.all())
    except WatchkeeperError as error:
        wrong.append(error)
    try:
        journal = tools.journal()
        changes, captaincy = changes_in(journal, now_us()), captaincy_of(journal)
    except WatchkeeperError as error:
        wrong.append(error)
    return Known(directory=directory, changes=changes, captaincy=captaincy, links=links, wrong=tuple(wrong))


async def _people(console: Console, unreached: Callable[[], Sequence[Check]]) -> Mapping[str, Any]:
    known, now = await known_of(console), now_us()
    on_call = await asyncio.to_thread(
        lambda: [_on_call(each, known.changes, now) for each in known.directory.schedules.values()]
    )
    return {
        "wrong": known.wrong,
        "unreached": await asyncio.to_thread(unreached),
        "on_call": on_call,
        "captaincy": known.captaincy,
        "people": _reached(known, now),
        "names": sorted({*known.directory.people, *(each.person for each in known.links)}),
    }


def _on_call(schedule: Schedule, changes: Sequence[OnCallChanged], now: int) -> OnCall:
    ahead = spans(schedule, now, now + _AHEAD_US, changes)
    drawn = [each for each in turns(schedule, now, changes) if each.until_us > now]
    return OnCall(
        schedule=schedule,
        current=ahead[0],
        following=ahead[1] if len(ahead) > 1 else None,
        turns=tuple(drawn[:_MOST_TURNS]),
        changes=tuple(each for each in changes if each.schedule == schedule.name),
        picture=calendar(schedule, now, changes),
        gaps=sum(each.person is None for each in drawn),
    )


def _reached(known: Known, now: int) -> list[Reached]:
    hours = {each.person: each for each in known.roster.hours(now)}
    linked: dict[PersonId, list[Linked]] = {}
    for link in known.links:
        linked.setdefault(link.person, []).append(link)
    return [
        Reached(
            person=person,
            known=(one := known.directory.people.get(person)),
            hour=hours.get(person),
            ways=tuple(way for way in _WAYS if one is not None and getattr(one, way)),
            links=tuple(linked.get(person, ())),
        )
        for person in dict.fromkeys([*known.directory.people, *linked])
    ]


# ---------------------------------------------------------------- ladders


async def _ladders(console: Console) -> Mapping[str, Any]:
    known = await known_of(console)
    settings = known.directory.settings
    found = [] if settings is None else list(settings.ladders.values())
    return {
        "wrong": known.wrong,
        "ladders": [_ladder(known, each, settings.routes if settings is not None else ()) for each in found],
    }


def _ladder(known: Known, ladder: Ladder, all_routes: Iterable[Route]) -> LadderShown:
    return LadderShown(
        ladder=ladder,
        rungs=tuple(RungShown(rung=each, now=_meant(known, each)) for each in ladder.rungs),
        round_us=climbing_us(ladder),
        end=FAILSAFES[ladder.failsafe],
        routes=tuple(each for each in all_routes if each.ladder == ladder.name),
        picture=ladder_picture(ladder),
    )


def _meant(known: Known, rung: Rung) -> tuple[tuple[str, tuple[PersonId, ...]], ...]:
    roster, duty, now = known.roster, known.duty, now_us()
    return tuple((target, roster.found(target, now, duty)) for target in rung.to)
