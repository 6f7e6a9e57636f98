"""What Discord refuses, as errors of ours that name the cure."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp
import discord

from engine.errors import Forbidden, Unreachable, WatchkeeperError

GUIDE: Final = "docs/howto/discord.md"
NEEDED: Final = discord.Permissions(
    view_channel=True,
    send_messages=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
    create_public_threads=True,
    send_messages_in_threads=True,
)
"""What the bot needs in its channel, and no more."""
_AGAIN: Final = "nothing: it is tried again; watchkeeper doctor discord looks what is wrong"

ACKNOWLEDGED: Final = 40060
THREAD_EXISTS: Final = 160004
ARCHIVED: Final = 50083
LOST: Final = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError, asyncio.TimeoutError)
"""All that a call of Discord's may end with, besides doing what it should."""


@contextmanager
def asked_of_discord(place: str) -> Iterator[None]:
    """Turn what Discord refuses into an error with its cure."""
    try:
        yield
    except LOST as lost:
        raise refusal(lost, place) from lost


def refusal(lost: BaseException, place: str) -> WatchkeeperError:
    """Return the error that says what Discord did not do, and what to do about it."""
    if isinstance(lost, discord.Forbidden):
        return Forbidden(
            f"Discord refuses it to the bot: {lost.text or lost.code}",
            place=place,
            cure="give it its permissions there: Edit Channel → Permissions → the bot's role → "
            f"{', '.join(permission_names(NEEDED))}; see {GUIDE}",
        )
    if isinstance(lost, discord.NotFound):
        return Unreachable(
            "Discord knows no such place, or does not show it to the bot",
            place=place,
            cure=f"compare the ids in watchkeeper.yaml: {GUIDE}",
        )
    said = f"{type(lost).__name__} {lost}".strip()
    return Unreachable(f"Discord did not do it: {said[:300]}", place=place, cure=_AGAIN)


def permission_names(permissions: discord.Permissions) -> list[str]:
    """Return permissions under the names that Discord's own screens give them."""
    # The library knows one of them by two names, and lists the older.
    names = ["view_channel" if name == "read_messages" else name for name, given in permissions if given]
    return [name.replace("_", " ").title() for name in names]
