"""The bot on Discord: it connects, stays connected, and hands everything to those who know what to do."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import aiohttp
import discord
from msgspec import Struct

from bot.discord_app import liveness
from bot.discord_app.answering import GRACE_S, TOKEN_S, Answering
from bot.discord_app.client import Client, point_at
from bot.discord_app.errors import GUIDE
from bot.discord_app.poster import DiscordPoster
from engine.commands.board import Board, Poster
from engine.commands.desk import Desk
from engine.commands.ears import DEAF_S, QUIET_S, Ears
from engine.commands.following import EVERY_S
from engine.commands.model import Reply
from engine.errors import InputError, Unreachable
from engine.ports import Messages
from engine.settings.service import DiscordSection

_log = logging.getLogger("watchkeeper.discord")

_BAD_TOKEN, _BAD_INTENTS = 4004, (4013, 4014)
_MOST_PAUSE_S: Final = 15.0


class Patience(Struct, frozen=True, kw_only=True):
    """How long it waits for what, seconds."""

    quiet_s: float = QUIET_S
    deaf_s: float = DEAF_S
    silent_s: float = liveness.SILENT_S
    anew_s: float = 60.0
    """After how long without a connection all is begun anew: the library's own pauses grow to a quarter of an
    hour, and a session this old is hardly kept for us."""
    pause_s: float = 0.5
    grace_s: float = GRACE_S
    every_s: float = EVERY_S
    token_s: float = TOKEN_S


class DiscordFront:
    """The front-end on Discord, one for each process."""

    def __init__(
        self, desk: Desk, section: DiscordSection, *, token: str, patience: Patience | None = None
    ) -> None:
        """Take the desk, where to be, and the bot's token. Nothing is connected yet."""
        self._section, self._token = section, token
        self._patience = patience or Patience()
        self._client: Client | None = None
        self._board: Board | None = None
        self._again = asyncio.Event()
        self._heard_s = 0.0
        self._poster = DiscordPoster(section.channel or "", lambda: self._client, self._put_by)
        self._answering = Answering(
            desk,
            self._messages,
            self._poster.edit,
            grace_s=self._patience.grace_s,
            every_s=self._patience.every_s,
            token_s=self._patience.token_s,
        )
        self._ears = Ears(
            "discord",
            ask=self._ask,
            reconnect=self._reconnect,
            tell=self._tell,
            quiet_s=self._patience.quiet_s,
            deaf_s=self._patience.deaf_s,
        )

    @property
    def posters(self) -> Sequence[Poster]:
        """Its channels for the board."""
        return (self._poster,)

    @property
    def is_connected(self) -> bool:
        """Whether it hears people, as far as it knows."""
        return self._client is not None and self._client.is_ready()

    def attach(self, board: Board) -> None:
        """Take the board, to say what was deleted, and to have others told that this front is deaf."""
        self._board = board

    async def run(self) -> None:
        """Connect, and serve for ever, through every loss of the connection. End it by cancelling.

        Raises `InputError` for a token that is refused: trying again does not mend it.
        """
        point_at(self._section)
        listening = asyncio.create_task(self._ears.run())
        try:
            await self._serve()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self._answering.close()

    # ------------------------------------------------------------ connecting

    async def _serve(self) -> None:
        pause_s = self._patience.pause_s
        while True:
            client = self._client = Client(
                self._section,
                self._answering,
                heard=self._heard,
                lost=self._lost,
                ready=self._ready,
                silent_s=self._patience.silent_s,
            )
            began_s = self._heard_s = asyncio.get_running_loop().time()
            self._again.clear()
            try:
                await self._while_connected(client)
            except discord.LoginFailure as refused:
                raise _refused(f"Discord refuses the bot's token: {refused}") from refused
            except discord.PrivilegedIntentsRequired as refused:
                raise _refused(f"Discord refuses what the bot asks to hear: {refused}") from refused
            except discord.ConnectionClosed as closed:
                if closed.code == _BAD_TOKEN or closed.code in _BAD_INTENTS:
                    raise _refused(f"Discord ends the connection with {closed.code}") from closed
                _log.warning("Discord ended the connection: %s", closed)
            except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as lost:
                _log.warning("Discord cannot be reached: %s: %s", type(lost).__name__, lost)
            if asyncio.get_running_loop().time() - began_s > _MOST_PAUSE_S:
                pause_s = self._patience.pause_s
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _MOST_PAUSE_S)

    async def _while_connected(self, client: Client) -> None:
        """Run a client until it fails, or until all shall be begun anew."""
        tasks = [asyncio.create_task(client.start(self._token)), asyncio.create_task(self._again.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(OSError, aiohttp.ClientError):
                await client.close()

    # ------------------------------------------------------------ ears

    def _heard(self) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        self._ears.heard()

    async def _ready(self) -> None:
        await self._answering.go_on(self._poster)

    async def _ask(self) -> None:
        await liveness.ask(self._client, int(self._section.server or 0))

    async def _reconnect(self) -> None:
        silent_s = asyncio.get_running_loop().time() - self._heard_s
        if not liveness.hang_up(self._client) and silent_s > self._patience.anew_s:
            self._again.set()

    def _tell(self, reply: Reply) -> None:
        _log.warning("%s", reply.title)
        if self._board is not None:
            self._board.say(reply, besides="discord")

    # ------------------------------------------------------------ the board

    def _lost(self, ref: str) -> None:
        if self._board is not None:
            self._board.lost("discord", ref)

    def _messages(self) -> Messages:
        if self._board is None:
            raise Unreachable("the board is not there yet", cure="try again in a moment")
        return self._board.messages

    def _put_by(self, text: str) -> str:
        return self._messages().put_by(text)


def _refused(said: str) -> InputError:
    return InputError(
        said,
        place="chat/discord-token",
        cure="Discord Developer Portal → your application → Bot → Reset Token, write the new one there, and "
        f"chmod 600 it; see {GUIDE}",
    )
