"""Taking notice: Slack hears at once that something came in, before anything is done about it.

Slack's library acknowledges when it has found out whom a delivery is for, and looks for that every ten
milliseconds. Where many people type in the same moment, what is done for the first would keep the last.
"""

import asyncio
import logging
from typing import Any, Final

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from bot.slack_app.manifest import line_of
from engine.commands.catalogue import stops

_log = logging.getLogger("watchkeeper.slack")

_ANSWERED_BY_TAKING_NOTICE: Final = frozenset({"view_submission", "block_suggestion"})
"""What is wrong with a form, and what a menu offers, is said with the acknowledgement itself."""


class Noticing(AsyncSocketModeHandler):
    """The library's own handler, with the acknowledgement first."""

    def __init__(self, app: AsyncApp, app_token: str, *, ping_s: float) -> None:
        """Connect nothing yet."""
        super().__init__(app, app_token, ping_interval=ping_s)
        self._turn = asyncio.Lock()

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]  # as the library does
        """Acknowledge, and then hand it to the app, one each turn of the loop, so that others are heard."""
        payload: dict[str, Any] = req.payload
        if payload.get("type") in _ANSWERED_BY_TAKING_NOTICE:
            await super().handle(client, req)
            return
        try:
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=req.envelope_id))
        except ConnectionError as lost:
            # Whoever said it sees that it failed; it was said all the same, and stopping must not fail so.
            _log.warning("Slack was not told that something came in: %s", lost)
        if not _stops(payload):
            async with self._turn:
                await asyncio.sleep(0)
        await run_async_bolt_app(self.app, req)


def _stops(payload: dict[str, Any]) -> bool:
    command = payload.get("command")
    return command is not None and stops(line_of(str(command), str(payload.get("text") or "")))
