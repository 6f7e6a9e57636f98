"""The library's client, told what we need of it and nothing more."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import discord
import yarl

from bot.discord_app import commands
from bot.discord_app.answering import Answering
from bot.discord_app.buttons import Pressed
from bot.discord_app.errors import LOST, refusal
from bot.discord_app.liveness import SILENT_S
from engine.settings.service import DiscordSection

_log = logging.getLogger("watchkeeper.discord")

INTENTS: Final = discord.Intents(guilds=True, guild_messages=True)
"""To hear that a message of ours was deleted. None of these has to be switched on anywhere."""
_REGISTER_AGAIN_S: Final = 60.0


def point_at(section: DiscordSection) -> None:
    """Have the library use these addresses. It knows them by class only: one bot for each process."""
    discord.http.Route.BASE = section.api.rstrip("/")
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(section.gateway)


class Client(discord.Client):
    """One client, from its login until it is closed; then another is made."""

    def __init__(
        self,
        section: DiscordSection,
        answering: Answering,
        *,
        heard: Callable[[], None],
        lost: Callable[[str], None],
        ready: Callable[[], Awaitable[None]],
        silent_s: float = SILENT_S,
    ) -> None:
        """`heard` is called for whatever comes in, `lost` with the name of each message that was deleted, and
        `ready` whenever a session has begun.
        """
        super().__init__(
            intents=INTENTS,
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            heartbeat_timeout=silent_s,
            # All that is awaited is the list of our own server.
            guild_ready_timeout=0.1,
        )
        self.server = discord.Object(int(section.server or 0))
        self._answering, self._heard, self._lost, self._begun = answering, heard, lost, ready
        self._registering: asyncio.Task[None] | None = None
        self.add_dynamic_items(Pressed)

    async def setup_hook(self) -> None:
        """Begin to have the commands registered; nothing waits for it."""
        self._registering = asyncio.create_task(self._register())

    async def close(self) -> None:
        """Let go of everything."""
        if self._registering is not None:
            self._registering.cancel()
            await asyncio.gather(self._registering, return_exceptions=True)
        await super().close()

    async def _register(self) -> None:
        """Register the commands where they are not what the table says, as long as it takes."""
        while True:
            try:
                await register(self)
                return
            except LOST as refused:
                _log.error("the commands are not registered: %s", refusal(refused, "Discord's commands"))
            await asyncio.sleep(_REGISTER_AGAIN_S)

    # ------------------------------------------------------------ what comes in

    async def press(self, interaction: discord.Interaction[Any]) -> None:
        """Take the press of a button."""
        await self._answering.press(interaction)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Take everything else that people do."""
        await self._answering.take(interaction)

    async def on_ready(self) -> None:
        """Go on with what a process before this one began."""
        await self._begun()

    async def on_socket_event_type(self, _kind: str) -> None:
        """Take it for a sign of life."""
        self._heard()

    async def on_raw_message_delete(self, gone: discord.RawMessageDeleteEvent) -> None:
        """Have a message that is still needed come again."""
        self._lost(f"{gone.channel_id}/{gone.message_id}")

    async def on_raw_bulk_message_delete(self, gone: discord.RawBulkMessageDeleteEvent) -> None:
        """Have those of many messages that are still needed come again."""
        for message in gone.message_ids:
            self._lost(f"{gone.channel_id}/{message}")

    async def on_error(self, event: str, /, *_given: Any, **_named: Any) -> None:
        """Log a bug of ours and go on: one event must not take all others with it."""
        _log.exception("an event of Discord's failed: %s", event)


async def registered(client: discord.Client, server: discord.abc.Snowflake) -> list[Any]:
    """Return what Discord has of our commands in a server."""
    if client.application_id is None:
        raise ConnectionError("Discord is not connected")
    return list(await client.http.get_guild_commands(client.application_id, server.id))


async def register(client: Client) -> bool:
    """Register the commands if they changed; says whether they had."""
    wanted = commands.table()
    if commands.same(await registered(client, client.server), wanted):
        return False
    await client.http.bulk_upsert_guild_commands(client.application_id or 0, client.server.id, wanted)
    _log.info("%s commands registered with Discord", len(wanted))
    return True
