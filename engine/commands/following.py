"""Following a replay: its card, again and again, as long as it goes on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from engine.commands.model import Reply
from engine.commands.replies import clean
from engine.commands.tools import Tools
from engine.commands.working import job_card
from engine.errors import WatchkeeperError

EVERY_S: Final = 2.0
"""How often a message is edited: platforms take about one change a second and channel."""


async def follow(tools: Tools, name: str, *, every_s: float = EVERY_S) -> AsyncIterator[Reply]:
    """Give a replay's card each time it changed, the last one when it is over."""
    last: Reply | None = None
    while True:
        try:
            reply = clean(job_card(tools.replays.job(name)))
        except WatchkeeperError:
            return
        if reply != last:
            yield reply
            last = reply
        if not reply.job:
            return
        await asyncio.sleep(every_s)
