"""The bot on Slack. It translates in and renders out; what may be done is the desk's to say."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize

from bot.slack_app.answering import Answers
from bot.slack_app.calls import make_client, slack_errors
from bot.slack_app.connection import PING_S, HttpLine, Line, SocketLine
from bot.slack_app.listeners import Listeners
from bot.slack_app.liveness import SignOfLife
from bot.slack_app.poster import ChannelPoster
from engine.commands.board import Board, Poster
from engine.commands.desk import Desk
from engine.commands.ears import DEAF_S, QUIET_S, Ears
from engine.commands.following import EVERY_S
from engine.commands.model import Reply
from engine.errors import InputError, StorageError, WatchkeeperError
from engine.settings.service import SlackSection

_log = logging.getLogger("watchkeeper.slack")

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0


class _OneToken(AsyncAuthorize):
    """Says whose token works in a workspace, without asking Slack.

    Slack's library would ask before the first command, and a stop cannot wait for an answer.
    """

    def __init__(self, bot_token: str) -> None:
        self._bot_token = bot_token

    async def __call__(
        self, *, enterprise_id: str | None, team_id: str | None, **_more: Any
    ) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=self._bot_token)


class SlackFront:
    """One bot in one workspace, with one channel for the board."""

    def __init__(
        self,
        desk: Desk,
        section: SlackSection,
        *,
        bot_token: str,
        app_token: str = "",
        signing_secret: str = "",
        quiet_s: float = QUIET_S,
        deaf_s: float = DEAF_S,
        ping_s: float = PING_S,
        every_s: float = EVERY_S,
    ) -> None:
        """Connect nothing yet. The app's token is for Socket Mode, the signing secret for HTTP mode."""
        channel = section.channel or ""
        self._client = make_client(bot_token, section.api)
        app = AsyncApp(
            # Only what it is told about is its business: the calls are ours.
            client=make_client(None, section.api),
            signing_secret=signing_secret,
            authorize=_OneToken(bot_token),
            request_verification_enabled=True,
            # An edit of our own is the sign of life, so we want to hear of it.
            ignoring_self_events_enabled=False,
            logger=_log,
        )
        self.line: Line = (
            SocketLine(app, self._client, app_token, ping_s=ping_s)
            if section.mode == "socket"
            else HttpLine(app, section.listen, signing_secret=signing_secret)
        )
        self._poster = ChannelPoster(self._client, channel)
        self._sign = SignOfLife(self._client, channel)
        self._answers = Answers(self._client, desk.tools, every_s=every_s)
        self._board: Board | None = None
        self._refused: asyncio.Future[InputError] | None = None
        self._ears = Ears(
            "slack",
            ask=self._ask,
            reconnect=self._reconnect,
            tell=self._tell,
            quiet_s=quiet_s,
            deaf_s=deaf_s,
        )
        self._listeners = Listeners(
            desk, self._answers, self._client, heard=self._ears.heard, channel=channel
        )
        self._listeners.join(app)

    @property
    def posters(self) -> Sequence[Poster]:
        """The one channel."""
        return (self._poster,)

    def attach(self, board: Board) -> None:
        """Take the board."""
        self._board = board
        self._listeners.attach(board)
        self._answers.attach(board.messages)
        self._sign.attach(board)

    async def run(self) -> None:
        """Connect, and serve for ever. Raises `InputError` for a refused token, and `StorageError`."""
        self._refused = asyncio.get_running_loop().create_future()
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
                self._client.session = session
                await self._until_connected()
                await self._answers.go_on(self._poster)
                ears = asyncio.create_task(self._ears.run())
                try:
                    raise await self._refused
                finally:
                    ears.cancel()
                    await asyncio.gather(ears, return_exceptions=True)
        finally:
            await self._sign.close()
            await self._answers.close()
            await self.line.close()
            self._client.session = None

    async def _until_connected(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._connect()
            except (InputError, StorageError):
                raise
            except WatchkeeperError as lost:
                _log.warning("%s; trying again in %.0f s", lost, pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            else:
                return

    async def _connect(self) -> None:
        with slack_errors("asking who we are"):
            known: Any = await self._client.auth_test()
        self._listeners.bot_user = str(known["user_id"])
        await self.line.connect()
        _log.info("in Slack as %s in %s", known.get("user"), known.get("team"))

    # ------------------------------------------------------------ ears

    async def _ask(self) -> None:
        try:
            await self._sign.ask()
        except InputError as refused:
            self._is_refused(refused)
            raise
        except WatchkeeperError as lost:
            _log.warning("%s", lost)
            raise

    async def _reconnect(self) -> None:
        try:
            await self.line.connect()
        except InputError as refused:
            self._is_refused(refused)
            raise

    def _is_refused(self, refused: InputError) -> None:
        if self._refused is not None and not self._refused.done():
            self._refused.set_result(refused)

    def _tell(self, reply: Reply) -> None:
        if self._board is not None:
            self._board.say(reply, besides="slack")
