"""The application: every route behind one door, and every refusal in one form."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from bot.http_api import (
    captaincy,
    contests,
    decisions,
    document,
    holds,
    kpis,
    override,
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
from bot.http_api.problems import of_error, of_framework, of_validation, request_id
from engine.adapters.kpi_view import KpisSeen
from engine.commands.hearing import Engine
from engine.errors import WatchkeeperError
from engine.ports import DecisionsReader, Fence, StepUp, Tokens

_ROOMS: Final = (
    proposals, decisions, holds, questions, votes, contests, streams, override, captaincy, rollouts, kpis,
    ratings, service,
)  # fmt: skip


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
    version: str,
    most_body_bytes: int,
    requests_per_s: int,
    names: Iterable[str] = (),
    body_within_s: float = 10.0,
    keep_alive_s: float = 15.0,
) -> FastAPI:
    """Make the application. It listens to the engine while its lifespan lasts.

    `journal` gives a reader for quick look-ups on the event loop, `looking` one of its own for long walks in
    threads; both are asked for it every time. `sweep` ends what is under way behind the fence, and is called
    in a thread; so is `counting`, with the number of records that it may go on by: it says how KPIs stand.
    `names` are the hosts it answers to
    besides the loopback ones. `app.state.front` is what the routes work with.
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
        version=version,
        keep_alive_s=keep_alive_s,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with front.running():
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
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(WatchkeeperError, _refused)
    # The one added last stands outermost.
    app.add_middleware(Door, front=front, requests_per_s=requests_per_s)
    app.add_middleware(Outside, names=names, most_body_bytes=most_body_bytes, body_within_s=body_within_s)
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


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, WatchkeeperError):
        problem = of_error(error)
    elif isinstance(error, RequestValidationError):
        problem = of_validation(error)
    elif isinstance(error, HTTPException):
        problem = of_framework(error)
        if problem.status_code == 405:
            problem.headers = {"Allow": ", ".join(_methods(request))}
    else:
        raise error
    return problem.response(request_id(request))
