"""The sign of life: a message of our own in the channel, edited to hear Slack say so."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_app.answering import QUIET
from bot.slack_app.calls import GONE, SlackRefused, slack_errors
from engine.commands.board import Board
from engine.ports import Messages, Posted

_ABOUT: Final = "sign-of-life"


class SignOfLife:
    """Keeps one message in a channel, and edits it to be told of the edit."""

    def __init__(self, client: AsyncWebClient, channel: str) -> None:
        """Write nothing yet."""
        self._client, self._channel = client, channel
        self._board: Board | None = None
        self._posting: asyncio.Task[None] | None = None

    def attach(self, board: Board) -> None:
        """Take the board, which remembers the message through restarts."""
        self._board = board

    async def close(self) -> None:
        """Wait for nothing any more."""
        if self._posting is not None:
            self._posting.cancel()
            await asyncio.gather(self._posting, return_exceptions=True)

    async def ask(self) -> None:
        """Edit the message, posted where it is missing: Slack tells us of it. Raises as Slack refuses."""
        messages = self._board.messages if self._board is not None else None
        if self._posting is not None and not self._posting.done():
            await asyncio.shield(self._posting)
            return
        posted = messages.find("slack", self._channel, _ABOUT) if messages is not None else None
        now = datetime.now(UTC).strftime("%H:%M:%S")
        text = f"The watchkeeper listens here; /wk help says to what. Last asked itself at {now} UTC."
        if posted is not None and await self._edit(posted.ref, text):
            return
        # Slack may tell us of the message before it says what it is called, and then nobody waits for that.
        self._posting = asyncio.create_task(self._post(text, messages))
        await asyncio.shield(self._posting)

    async def _post(self, text: str, messages: Messages | None) -> None:
        with slack_errors("posting a sign of life"):
            answer = await self._client.chat_postMessage(channel=self._channel, text=text, **QUIET)
        if messages is not None:
            ref = str(answer["ts"])
            messages.keep(Posted(front="slack", channel=self._channel, about=_ABOUT, ref=ref, open=False))

    async def _edit(self, ref: str, text: str) -> bool:
        try:
            with slack_errors("editing the sign of life"):
                await self._client.chat_update(channel=self._channel, ts=ref, text=text)
        except SlackRefused as refused:
            if refused.word in GONE:
                return False
            raise
        return True
