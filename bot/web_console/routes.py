"""The console as a whole: all its routes behind its guard, and what they work with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.front import Front
from bot.http_api.problems import problem_of
from bot.web_console import (
    agents,
    decisions,
    entering,
    escalations,
    journal,
    live,
    people,
    policies,
    proving,
    replay,
    rollouts,
    saying,
    snapshots,
    watch,
)
from bot.web_console.console import Console
from bot.web_console.guarding import BY_SCRIPT, Guard, NotLoggedIn, to_login
from bot.web_console.rendering import Templates
from bot.web_console.sessions import Sessions
from engine.adapters.decision_index import DecisionIndex
from engine.commands.desk import Desk
from engine.ports import Holder
from engine.wiring.checks import Check

_API: Final = ("/v1/", "/openapi.json")


class WebConsole:
    """The pages of one front process."""

    def __init__(
        self,
        front: Front,
        *,
        sessions: Sessions,
        open_desk: Callable[[], AbstractAsyncContextManager[Desk]],
        requests_per_s: int,
        index: DecisionIndex,
        unreached: Callable[[], Sequence[Check]],
    ) -> None:
        """`open_desk` opens the desk that takes the commands; `requests_per_s` holds for each session.

        `index` is what decisions are searched by; `unreached` looks whom nobody could wake.
        """
        self._console = Console(front, Templates(front.version))
        self._open_desk, self._index = open_desk, index
        self._guard = Guard(front, sessions, requests_per_s=requests_per_s)
        self.router = APIRouter(include_in_schema=False)
        self.router.include_router(entering.open_routes(self._console, sessions))
        inside = APIRouter(dependencies=[Depends(self._guard.visitor)])
        for part in (
            entering.routes(sessions),
            live.routes(self._console, sessions),
            saying.routes(self._console),
            watch.routes(self._console, index),
            decisions.routes(self._console, index),
            rollouts.routes(self._console),
            replay.routes(self._console),
            proving.routes(self._console),
            journal.routes(self._console),
            snapshots.routes(self._console),
            people.routes(self._console, unreached),
            escalations.routes(self._console),
            agents.routes(self._console),
            policies.routes(self._console),
        ):
            inside.include_router(part)
        self.router.include_router(inside)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the desk open, and the index of decisions up to date, while the server runs."""
        async with self._open_desk() as self._console.desk:
            keeping = asyncio.create_task(decisions.keep_up(self._console, self._index))
            self._console.counting.begin()
            try:
                yield
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
                self._index.close()

    async def refused(self, request: Request, error: Exception) -> Response | None:
        """Answer with a page what was refused to somebody who looks at pages; `None` leaves it to the API."""
        if isinstance(error, NotLoggedIn):
            return to_login(request)
        if request.url.path.startswith(_API) or BY_SCRIPT in request.headers:
            return None
        if "text/html" not in request.headers.get("accept", ""):
            return None
        holder: Holder | None = getattr(request.state, "holder", None) or self._guard.holder_of(request)
        if holder is None:
            # The frame of a page says how things are, which is not for strangers.
            return None
        return await self._console.refusal(request, holder, problem_of(error))
