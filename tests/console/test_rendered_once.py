"""A page is rendered once for all who look, and never shows somebody what was so before they looked."""

import asyncio
from unittest.mock import AsyncMock, Mock

import pytest
from starlette.requests import Request

from bot.http_api.problems import Problem
from bot.web_console.console import Console, Pulse, View
from bot.web_console.rendering import Templates
from engine.ports import Holder

pytestmark = pytest.mark.asyncio


def looked(seq: int) -> Pulse:
    return Pulse(seq=seq, engine=True, stopped=(), waking=())


async def test_who_looks_after_something_happened_is_not_shown_what_was_begun_before_it():
    console, going_on, begun = Console(Mock(), Templates("1.2.3")), asyncio.Event(), list[int]()
    request = Request({"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": []})
    vic = Holder(token_id="t", kind="person", name="vic", role="viewer")

    async def gather() -> dict[str, object]:
        begun.append(nth := len(begun) + 1)
        if nth == 1:
            await going_on.wait()
        return {"problem": Problem("invalid", f"look {nth}")}

    async def page(seq: int) -> str:
        console.pulse = AsyncMock(return_value=looked(seq))
        return bytes((await console.page(request, vic, View("wrong.html.j2", "X", gather))).body).decode()

    first = asyncio.create_task(page(1))
    while not begun:
        await asyncio.sleep(0)
    assert "look 2" in await page(2)
    assert "look 2" in await page(2), "and who looks then shares it"
    going_on.set()
    assert "look 1" in await first
    assert "look 2" in await page(2), "what was begun first and ready last takes no place"
