"""Taking notice: Slack hears at once that something came in, before anything is done about it.

Slack's library acknowledges when it has found out whom a delivery is for, and looks for that every ten
milliseconds. Where many people type in the same moment, what is done for the first would keep the last.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from bot.slack_app.manifest import line_of
from engine.commands.catalogue import stops

_log = logging.getLogger("watchkeeper.slack")

_ONLY_NOTICED: Final = frozenset({"block_actions", "event_callback"})
"""What Slack wants no answer to, commands besides. What is wrong with a form, and what a menu offers, is said
with the acknowledgement itself.
"""
_END_S: Final = 1.0


class Turns:
    """Lets one thing begin in each turn of the loop, so that others are heard meanwhile."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._lock = asyncio.Lock()

    async def come(self, payload: Mapping[str, Any]) -> None:
        """Wait for the turn of what came in; a stop waits for none."""
        if not _stops(payload):
            async with self._lock:
                await asyncio.sleep(0)


class Noticing(AsyncSocketModeHandler):
    """Socket Mode: the library's own handler, with the acknowledgement first."""

    def __init__(self, app: AsyncApp, app_token: str, *, ping_s: float) -> None:
        """Connect nothing yet."""
        super().__init__(app, app_token, ping_interval=ping_s)
        self._turns = Turns()

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]  # as the library does
        """Acknowledge, and then hand it to the app."""
        payload: dict[str, Any] = req.payload
        if not _only_noticed(payload):
            await super().handle(client, req)
            return
        try:
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=req.envelope_id))
        except ConnectionError as lost:
            # Whoever said it sees that it failed; it was said all the same, and stopping must not fail so.
            _log.warning("Slack was not told that something came in: %s", lost)
        await self._turns.come(payload)
        await run_async_bolt_app(self.app, req)


class Called:
    """HTTP mode: Slack's calls, answered as soon as they are known to be Slack's."""

    def __init__(self, app: AsyncApp, signing_secret: str) -> None:
        """Listen nowhere yet."""
        self._app, self._verifier = app, SignatureVerifier(signing_secret)
        self._turns = Turns()
        self._behind: set[asyncio.Task[Any]] = set()

    def web_app(self, path: str) -> web.Application:
        """Return what takes the calls at a path."""
        made = web.Application()
        made.add_routes([web.post(path, self._take)])
        return made

    async def close(self) -> None:
        """Finish what was acknowledged."""
        if self._behind:
            await asyncio.wait(self._behind, timeout=_END_S)
        for task in list(self._behind):
            task.cancel()

    async def _take(self, request: web.Request) -> web.Response:
        heard = await to_bolt_request(request)
        if not (_only_noticed(heard.body) and self._is_signed(heard)):
            # The library refuses what Slack did not sign.
            return await to_aiohttp_response(await self._app.async_dispatch(heard))
        task = asyncio.create_task(self._dispatch(heard))
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return web.Response()

    async def _dispatch(self, heard: AsyncBoltRequest) -> None:
        await self._turns.come(heard.body)
        await self._app.async_dispatch(heard)

    def _is_signed(self, heard: AsyncBoltRequest) -> bool:
        at, signature = (
            heard.headers.get(name, [""])[0] for name in ("x-slack-request-timestamp", "x-slack-signature")
        )
        return at.isdecimal() and self._verifier.is_valid(heard.raw_body, at, signature)


def _only_noticed(payload: Mapping[str, Any]) -> bool:
    return "command" in payload or "event" in payload or payload.get("type") in _ONLY_NOTICED


def _stops(payload: Mapping[str, Any]) -> bool:
    command = payload.get("command")
    return command is not None and stops(line_of(str(command), str(payload.get("text") or "")))
