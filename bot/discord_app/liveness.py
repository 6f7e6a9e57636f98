"""Signs of life of Discord's gateway: how one is asked for, and how a dead connection is ended.

Discord is asked for one member of the server, the bot itself. The answer is an event like those that carry
commands, it needs no privileged intent, and nobody sees it: no message is written for it.
"""

import socket
from contextlib import suppress
from typing import Final

import discord

from engine.commands.ears import DEAF_S, QUIET_S

SILENT_S: Final = QUIET_S + DEAF_S + 6.0
"""The library's own limit for silence, a net below the ears. As they ask, a connection that is well is never
as quiet; without them the library could not go below the 41 seconds between two heartbeats."""


async def ask(client: discord.Client | None, server: int) -> None:
    """Ask for an event of our own. Raises when there is no connection to ask on."""
    gateway = _gateway(client)
    if client is None or gateway is None or client.user is None:
        raise ConnectionError("Discord is not connected")
    await gateway.request_chunks(server, limit=1, user_ids=[client.user.id], nonce="ears")


def hang_up(client: discord.Client | None) -> bool:
    """End the connection so that the library resumes at once; says whether there was one.

    The socket is shut without a goodbye: on a dead one the library would wait half a minute for an answer,
    and a goodbye that is heard would end the session and with it what Discord keeps for us.
    """
    gateway = _gateway(client)
    if gateway is None or gateway.socket.closed:
        return False
    wire = gateway.socket.get_extra_info("socket")
    if wire is None:
        return False
    with suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
    return True


def _gateway(client: discord.Client | None) -> discord.gateway.DiscordWebSocket | None:
    # The library says that it always has one; before the first connection it has none.
    return getattr(client, "ws", None)
