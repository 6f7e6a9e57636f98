"""The console: what every page works with, and how a page becomes an answer.

What a page shows is gathered and rendered once for all viewers of one role, until something happens: twenty
people who watch cost little more than one. Who is looking is put around it.
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from markupsafe import Markup
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.front import Front
from bot.http_api.problems import Problem, problem_of
from bot.web_console.counting import Counting
from bot.web_console.guarding import BY_SCRIPT, HEADERS
from bot.web_console.rendering import Templates
from engine.adapters.machine_time import now_us
from engine.commands.desk import Desk
from engine.commands.language import Given
from engine.commands.model import Account, Reply
from engine.commands.tools import Tools
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.people_facts import RANKS, Role
from engine.errors import Unreachable, WatchkeeperError
from engine.ports import Holder
from engine.runtime import wire
from engine.runtime.wire_escalations import EscalationList, EscalationShown, GetEscalations

FRESH_S: Final = 1.0
"""How old what a page shows may be when nothing happened: times run on by themselves."""
_KEPT: Final = 64
"""How many pages are kept as they were rendered."""
_ENGINE_S: Final = 1.0
_WRONG: Final = "That does not work"
_REPLAYS_S: Final = 0.5

Gather = Callable[[], Awaitable[Mapping[str, Any]]]
Moment = tuple[int, bool, tuple[str, ...], str]


class View(Struct, frozen=True):
    """What the main part of a page is made from."""

    template: str
    title: str
    """`gather` may give a better one, as `title`."""
    gather: Gather
    """Finds what the template shows. May raise one of our errors: then the page says what is wrong."""


class Tab(Struct, frozen=True):
    """One entry of the navigation."""

    path: str
    name: str
    key: str
    """Pressed after g, it goes there."""


TABS: Final = (
    Tab("/", "Watch", "w"),
    Tab("/decisions", "Decisions", "d"),
    Tab("/rollouts", "Rollouts", "r"),
    Tab("/replay", "Replay", "y"),
    Tab("/people", "People", "p"),
    Tab("/agents", "Agents", "a"),
    Tab("/policies", "Policies", "o"),
    Tab("/journal", "Journal", "j"),
    Tab("/snapshots", "Snapshots", "s"),
)


class Pulse(Struct, frozen=True):
    """What the frame of every page shows of how things are, and what makes pages look again."""

    seq: int
    """The journal's newest record; 0 while there is none."""
    engine: bool
    """Whether the engine answers."""
    stopped: tuple[str, ...]
    """What is stopped."""
    waking: tuple[EscalationShown, ...]
    """What nobody has in hand yet."""
    replays: str = ""
    """Changes with how far the replays under way are: no record tells of that."""

    @property
    def moment(self) -> "Moment":
        """What a page that was made stays true for."""
        # A stop stands at the fence before any record tells of it; with the engine away, none does.
        return self.seq, self.engine, self.stopped, self.replays


class _Kept(Struct, frozen=True):
    of: Moment
    """The moment it was made for."""
    until_s: float
    title: str
    main: Markup
    status: int


class Console:
    """The console of one front process."""

    desk: Desk
    """Where commands are given; there from the start of the application on."""

    def __init__(self, front: Front, templates: Templates) -> None:
        """Share the front's journal, engine and ears."""
        self.front, self.templates = front, templates
        self.counting = Counting(front)
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._under_way: dict[tuple[tuple[str, ...], Moment], asyncio.Future[_Kept]] = {}
        self._escalations: tuple[int, float, tuple[EscalationShown, ...]] = (-1, 0.0, ())
        self._replays: tuple[float, str] = (0.0, "")

    @property
    def tools(self) -> Tools:
        """What commands work with, and so do pages."""
        return self.desk.tools

    # ------------------------------------------------------------ how things are

    async def pulse(self) -> Pulse:
        """Say how things are. Never raises, and hardly waits: also with the engine gone."""
        engine = self.front.hearing.engine_answers
        try:
            stopped = tuple(str(stop.scope) for stop in self.front.fence.stops())
        except WatchkeeperError:
            # Who cannot read the fence has to take it as set.
            stopped = ("all",)
        try:
            seq = self.front.journal().head().seq
        except WatchkeeperError:
            seq = 0
        return Pulse(
            seq=seq,
            engine=engine,
            stopped=stopped,
            waking=await self._waking(seq) if engine else (),
            replays=await self._under_way_replays(),
        )

    async def _waking(self, seq: int) -> tuple[EscalationShown, ...]:
        known_seq, until_s, known = self._escalations
        now_s = asyncio.get_running_loop().time()
        if known_seq == seq and now_s < until_s:
            return known
        try:
            found = await self.tools.ask(GetEscalations(), EscalationList, timeout_s=_ENGINE_S)
        except WatchkeeperError:
            return known
        waking = tuple(each for each in found.escalations if each.stage in {"ringing", "asked"})
        self._escalations = (seq, now_s + FRESH_S, waking)
        return waking

    async def _under_way_replays(self) -> str:
        """Say how far replays are, in a word that changes when they go on or end."""
        until_s, known = self._replays
        now_s = asyncio.get_running_loop().time()
        if now_s < until_s:
            return known
        self._replays = (now_s + _REPLAYS_S, known)
        jobs = await asyncio.to_thread(self.tools.replays.jobs)
        known = " ".join(f"{job.name}:{job.state}:{job.share:.2f}" for job in jobs)
        self._replays = (now_s + _REPLAYS_S, known)
        return known

    async def status(self) -> wire.EngineStatus | None:
        """Return how the engine is; `None` while it does not answer."""
        try:
            return await self.tools.ask(wire.GetStatus(), wire.EngineStatus, timeout_s=_ENGINE_S)
        except Unreachable:
            return None

    # ------------------------------------------------------------ pages

    async def page(self, request: Request, visitor: Holder, view: View) -> Response:
        """Answer with a page."""
        pulse = await self.pulse()
        kept = await self._main(request, visitor, view, pulse)
        return self.framed(request, visitor, pulse, kept.title, kept.main, status=kept.status)

    async def _main(self, request: Request, visitor: Holder, view: View, pulse: Pulse) -> _Kept:
        key = (request.url.path, request.url.query, visitor.role or "")
        now_s = asyncio.get_running_loop().time()
        known = self._kept.get(key)
        if known is not None and known.of == pulse.moment and now_s < known.until_s:
            return known
        # What was begun before something happened does not show it to who looks because of that.
        begun = key, pulse.moment
        under_way = self._under_way.get(begun)
        if under_way is None:
            under_way = self._under_way[begun] = asyncio.ensure_future(self._made(view, pulse, visitor))
            under_way.add_done_callback(lambda _: self._under_way.pop(begun, None))
        # One of two who wait for it may go away without taking it from the other.
        kept = await asyncio.shield(under_way)
        known = self._kept.get(key)
        if known is None or known.of[0] <= kept.of[0]:
            # Of two, the one that was begun later may be ready first.
            self._kept[key] = kept
            self._kept.move_to_end(key)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept

    async def _made(self, view: View, pulse: Pulse, visitor: Holder) -> _Kept:
        status, title = 200, view.title
        values: dict[str, Any] = {
            "role": visitor.role,
            "may": lambda role: may(visitor, role),
            "pulse": pulse,
            "now_us": now_us(),
        }
        try:
            values |= await view.gather()
            title = values.setdefault("title", title)
            main = self.templates.render(view.template, values)
        except (Problem, WatchkeeperError) as error:
            wrong = problem_of(error)
            status, title, main = wrong.status_code, _WRONG, self._wrong(wrong)
        until_s = asyncio.get_running_loop().time() + FRESH_S
        return _Kept(of=pulse.moment, until_s=until_s, title=title, main=main, status=status)

    async def refusal(self, request: Request, visitor: Holder, problem: Problem) -> Response:
        """Answer with a page that says what is wrong and what to do."""
        main = self._wrong(problem)
        return self.framed(request, visitor, await self.pulse(), _WRONG, main, status=problem.status_code)

    def _wrong(self, problem: Problem) -> Markup:
        return self.templates.render("wrong.html.j2", {"problem": problem})

    def framed(
        self,
        request: Request,
        visitor: Holder,
        pulse: Pulse,
        title: str,
        main: Markup,
        *,
        status: int = 200,
    ) -> Response:
        """Put the frame around the main part of a page: navigation, state, the stop, the command box."""
        body = self.templates.render(
            "frame.html.j2",
            {
                "title": title,
                "main": main,
                "visitor": visitor,
                "pulse": pulse,
                "tabs": TABS,
                "here": request.url.path,
                "may": lambda role: may(visitor, role),
            },
        ).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        if BY_SCRIPT in request.headers and request.headers.get("if-none-match") == tag:
            return Response(None, 304, HEADERS | {"ETag": tag})
        return Response(body, status, HEADERS | {"ETag": tag}, media_type="text/html")

    def part(self, template: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
        """Answer our script with a part of a page."""
        return Response(self.templates.render(template, values), status, HEADERS, media_type="text/html")

    # ------------------------------------------------------------ commands

    async def give(self, visitor: Holder, said: str | Given, key: str) -> Reply:
        """Give a command as somebody who is logged in. The same key again does nothing again."""
        account = account_of(visitor)
        return await self.desk.give(said, account, f"{visitor.token_id}:{key or secrets.token_hex(8)}")


def account_of(visitor: Holder) -> Account:
    """Return who gives a command, as the desk wants it."""
    return Account(
        front="web",
        account_id=visitor.token_id,
        name=visitor.name,
        person=PersonId(visitor.name),
        role=visitor.role,
    )


def may(visitor: Holder, role: Role) -> bool:
    """Whether somebody has this role or a higher one. It only decides what is offered; the desk decides."""
    return visitor.role is not None and RANKS[visitor.role] >= RANKS[role]
