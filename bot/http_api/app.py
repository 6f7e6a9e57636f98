"""The application: every route behind one door, and every refusal in one form."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from bot.http_api import (
    alerts,
    bodies,
    captaincy,
    contests,
    decisions,
    document,
    escalations,
    events,
    holds,
    kpis,
    links,
    messages,
    metrics,
    on_call,
    override,
    phone,
    proposals,
    questions,
    ratings,
    rollouts,
    service,
    streams,
    votes,
)
from bot.http_api.door import Door
from bot.http_api.front import Front
from bot.http_api.outside import Outside
from bot.http_api.problems import problem_of, request_id
from engine.adapters.counts_view import CountsSeen
from engine.adapters.kpi_view import KpisSeen
from engine.adapters.roster import FileRoster
from engine.commands.hearing import Engine
from engine.errors import WatchkeeperError
from engine.ports import DecisionsReader, Fence, StepUp, Tokens

_ROOMS: Final = (
    proposals, decisions, holds, questions, votes, contests, streams, override, captaincy, escalations,
    messages, bodies, alerts, on_call, rollouts, kpis, metrics, ratings, service,
)  # fmt: skip


class Pages(Protocol):
    """Pages for people, served beside the API."""

    router: APIRouter

    def running(self) -> AbstractAsyncContextManager[None]:
        """Hold what they work with while the server runs."""

    async def refused(self, request: Request, error: Exception) -> Response | None:
        """Answer an error that was raised for one of the pages; `None` for any other."""


def make_app(
    *,
    engine: Engine,
    journal: Callable[[], DecisionsReader],
    looking: Callable[[], DecisionsReader],
    tokens: Tokens,
    step_up: StepUp,
    fence: Fence,
    sweep: Callable[[], object],
    counting: Callable[[int], KpisSeen],
    tallying: Callable[[int], CountsSeen],
    version: str,
    most_body_bytes: int,
    requests_per_s: int,
    names: Iterable[str] = (),
    body_within_s: float = 10.0,
    keep_alive_s: float = 15.0,
    phones: phone.Phone | None = None,
    roster: FileRoster | None = None,
    answering: links.Links | None = None,
    incoming: events.Events | None = None,
    pages: Callable[[Front], Pages] | None = None,
) -> FastAPI:
    """Make the application. It listens to the engine while its lifespan lasts.

    `journal` gives a reader for quick look-ups on the event loop, `looking` one of its own for long walks in
    threads; both are asked for it every time. `sweep` ends what is under way behind the fence, and is called
    in a thread; so are `counting`, with the number of records that it may go on by: it says how KPIs stand,
    and `tallying`, which counts for who watches from outside. `names` are the hosts it answers to besides the
    loopback ones, and besides that of `phones`, through which Twilio calls us back; `None` where it is not
    used. `incoming` takes what systems outside tell; `None`: nothing does. `pages` makes the pages for
    people; without it there are none. `app.state.front` is what the routes work with.
    """
    front = Front(
        engine=engine,
        journal=journal,
        looking=looking,
        tokens=tokens,
        step_up=step_up,
        fence=fence,
        sweep=sweep,
        kpis=counting,
        counts=tallying,
        version=version,
        keep_alive_s=keep_alive_s,
        roster=roster or FileRoster((), (), channels={}),
    )

    shown = pages(front) if pages is not None else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(front.running())
            if incoming is not None:
                await stack.enter_async_context(incoming.running())
            if shown is not None:
                await stack.enter_async_context(shown.running())
            yield

    # No page for people at /docs: it would load its scripts from the internet.
    app = FastAPI(
        title="Watchkeeper",
        version=version,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.front = front
    for room in _ROOMS:
        app.include_router(room.routes(front))
    if phones is not None:
        app.include_router(phone.routes(phones))
        names = (*names, urlsplit(phones.public_url).hostname or "")
    if incoming is not None:
        app.include_router(events.routes(incoming))
    if answering is not None:
        app.include_router(links.routes(front, answering))
        names = (*names, urlsplit(answering.public_url).hostname or "")
    if shown is not None:
        app.include_router(shown.router)
    for kind in (HTTPException, RequestValidationError, WatchkeeperError):
        app.add_exception_handler(kind, _refusing(shown))
    # The one added last stands outermost.
    app.add_middleware(Door, front=front, requests_per_s=requests_per_s)
    app.add_middleware(
        Outside,
        names=names,
        most_body_bytes=most_body_bytes,
        body_within_s=body_within_s,
        requests=front.requests,
    )
    document.install(app, version=version)
    return app


def described(version: str = "") -> dict[str, Any]:
    """Return the OpenAPI document without serving anything, for pages and tests."""
    app = FastAPI()
    front: Any = None  # no route is called
    for room in _ROOMS:
        app.include_router(room.routes(front))
    document.install(app, version=version)
    return app.openapi()


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _methods(request: Request) -> list[str]:
    """Say which methods an address takes. The framework names those of the first of its routes only."""
    routes = request.app.router.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _refusing(pages: Pages | None) -> Callable[[Request, Exception], Coroutine[Any, Any, Response]]:
    async def refused(request: Request, error: Exception) -> Response:
        answer = await pages.refused(request, error) if pages is not None else None
        return answer if answer is not None else await _refused(request, error)

    return refused


async def _refused(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if isinstance(error, HTTPException) and problem.status_code == 405:
        problem.headers = {"Allow": ", ".join(_methods(request))}
    return problem.response(request_id(request))
