"""The channel of the board: messages posted, kept true in place, and threads for what belongs together."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import discord

from bot.discord_app.buttons import PutBy, view_of
from bot.discord_app.errors import ARCHIVED, THREAD_EXISTS, asked_of_discord
from bot.discord_app.render import LARGEST_BYTES, page
from engine.commands.model import Front, Reply
from engine.errors import Unreachable

_WITHIN_S: Final = 60.0
"""How long one call may take, waiting for rate limits included; the board tries again."""
_WEEK_MIN: Final = 10_080
_THREAD_NAME: Final = 100


async def drawn(reply: Reply, put_by: PutBy, *, largest_bytes: int = LARGEST_BYTES) -> dict[str, Any]:
    """Return what to hand to the library so that a new message shows a reply."""
    # A report may be large, and a disk slow.
    made = await asyncio.to_thread(page, reply, largest_bytes=largest_bytes)
    view = view_of(made.buttons, put_by)
    shown: dict[str, Any] = {"embed": made.embed, "files": made.attachments()}
    return shown | ({"view": view} if view is not None else {})


async def redrawn(reply: Reply, put_by: PutBy, *, largest_bytes: int = LARGEST_BYTES) -> dict[str, Any]:
    """Return what to hand to the library so that a message shows this reply and nothing else any more."""
    shown = await drawn(reply, put_by, largest_bytes=largest_bytes)
    return {
        "content": None,
        "embeds": [shown["embed"]],
        "attachments": shown["files"],
        "view": shown.get("view"),
    }


class DiscordPoster:
    """One channel. Messages are known by their channel and their id, `CHANNEL/MESSAGE`."""

    front: Front = "discord"

    def __init__(self, channel: str, client: Callable[[], discord.Client | None], put_by: PutBy) -> None:
        """`client` gives the client of the moment, `None` while there is none."""
        self.channel = channel
        self._client, self._put_by = client, put_by

    async def post(self, reply: Reply, *, thread: str) -> str:
        """Post a message, into a thread where one is named; in the channel when the thread is gone."""
        with asked_of_discord(self.place):
            async with asyncio.timeout(_WITHIN_S):
                with suppress(discord.NotFound):
                    if thread:
                        return await self._send(thread, reply)
                return await self._send(self.channel, reply)

    async def edit(self, ref: str, reply: Reply) -> bool:
        """Show something else in a message. Says whether it is still there."""
        channel, _, number = ref.partition("/")
        with asked_of_discord(self.place):
            message = self._messageable(channel).get_partial_message(int(number))
            async with asyncio.timeout(_WITHIN_S):
                try:
                    await message.edit(**await redrawn(reply, self._put_by))
                except discord.NotFound:
                    return False
                except discord.HTTPException as refused:
                    if refused.code != ARCHIVED:
                        raise
                    # A thread nobody wrote in for a while takes no edits until it is opened again.
                    await self._connected().http.edit_channel(int(channel), archived=False)
                    await message.edit(**await redrawn(reply, self._put_by))
        return True

    async def open_thread(self, ref: str, name: str) -> str:
        """Return the thread under a message, begun if there is none; empty when the message is gone."""
        channel, _, number = ref.partition("/")
        with asked_of_discord(self.place):
            http, title = self._connected().http, " ".join(name.split())[:_THREAD_NAME] or "Decisions"
            async with asyncio.timeout(_WITHIN_S):
                try:
                    made = await http.start_thread_with_message(
                        int(channel), int(number), name=title, auto_archive_duration=_WEEK_MIN
                    )
                except discord.NotFound:
                    return ""
                except discord.HTTPException as refused:
                    if refused.code != THREAD_EXISTS:
                        raise
                    # The thread of a message has the id of the message.
                    return number
        return str(made["id"])

    @property
    def place(self) -> str:
        """Where it is, for people who read an error."""
        return f"Discord channel {self.channel}"

    async def _send(self, channel: str, reply: Reply) -> str:
        sent = await self._messageable(channel).send(**await drawn(reply, self._put_by))
        return f"{channel}/{sent.id}"

    def _messageable(self, channel: str) -> discord.PartialMessageable:
        return self._connected().get_partial_messageable(int(channel))

    def _connected(self) -> discord.Client:
        client = self._client()
        if client is None or not client.is_ready():
            raise Unreachable("Discord is not connected", place=self.place, cure="nothing: it is tried again")
        return client
