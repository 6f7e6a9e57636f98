"""What keeps open pages up to date: one stream of hints. Who hears one looks at the page again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bot.http_api.problems import Problem
from bot.web_console.console import Console, Pulse
from bot.web_console.guarding import COOKIE, HEADERS, Visitor
from bot.web_console.sessions import Sessions

MOST_STREAMS: Final = 8
"""How many one session may have open: a browser shares one among its tabs."""
_BEAT_S: Final = 15.0
_GATHER_S: Final = 0.1


def routes(console: Console, sessions: Sessions) -> APIRouter:
    """Make the route."""
    router = APIRouter(include_in_schema=False)
    open_now: Counter[str] = Counter()

    @router.get("/console/live")
    async def live(request: Request, visitor: Visitor) -> Response:
        cookie = request.cookies.get(COOKIE, "")
        if open_now[visitor.token_id] >= MOST_STREAMS:
            raise Problem("too-many", f"{MOST_STREAMS} pages listen already", cure="close some of them")

        async def stream() -> AsyncIterator[bytes]:
            open_now[visitor.token_id] += 1
            try:
                async for event in _events(console, lambda: sessions.who(cookie) is not None):
                    yield event
            finally:
                open_now[visitor.token_id] -= 1

        return StreamingResponse(stream(), media_type="text/event-stream", headers=HEADERS)

    return router


async def _events(console: Console, is_in: Callable[[], bool]) -> AsyncIterator[bytes]:
    hearing = console.front.hearing
    last: Pulse | None = None
    silent_s = 0.0
    with hearing.about_all() as flag:
        while not hearing.closing:
            pulse = await console.pulse()
            if pulse != last:
                last, silent_s = pulse, 0.0
                yield b"event: pulse\ndata: " + msgspec.json.encode(_shown(pulse)) + b"\n\n"
            elif silent_s >= _BEAT_S:
                silent_s = 0.0
                yield b": still here\n\n"
            # What comes thick and fast is told together.
            await asyncio.sleep(_GATHER_S)
            await hearing.wait(flag)
            silent_s += 1.0
            if not is_in():
                yield b"event: out\ndata: {}\n\n"
                return


def _shown(pulse: Pulse) -> dict[str, object]:
    return {
        "seq": pulse.seq,
        "engine": pulse.engine,
        "stopped": pulse.stopped,
        "waking": [
            {"id": each.escalation_id, "severity": each.severity, "summary": each.summary[:200]}
            for each in pulse.waking
        ],
    }
