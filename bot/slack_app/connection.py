"""How Slack reaches us: over a web socket that we open, or by calling us."""

import asyncio
import contextlib
import logging
from typing import Final, Protocol

from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_app.calls import slack_errors
from bot.slack_app.manifest import EVENTS_PATH
from bot.slack_app.noticing import Called, Noticing
from engine.adapters.files import storage_errors

_log = logging.getLogger("watchkeeper.slack")

PING_S: Final = 3.0
"""How often the socket is tried; the library takes a half-open one for dead after four times this."""
_CONNECT_S: Final = 10.0
_FAREWELL_S: Final = 0.5


class Line(Protocol):
    """One way to be reached."""

    async def connect(self) -> None:
        """Be reachable, anew where it was before. Raises `InputError` for a refused token, and
        `Unreachable`.
        """

    async def close(self) -> None:
        """Be reachable no more."""


class SocketLine:
    """Socket Mode: no address of ours is needed."""

    def __init__(self, app: AsyncApp, client: AsyncWebClient, app_token: str, *, ping_s: float) -> None:
        """Connect nothing yet."""
        self._app, self._client, self._token, self._ping_s = app, client, app_token, ping_s
        self._handler: Noticing | None = None

    async def connect(self) -> None:
        """Open a new socket, and let go of the old one, which may be half-open and never say goodbye."""
        with slack_errors("opening Socket Mode"):
            opened = await self._client.apps_connections_open(app_token=self._token)
        handler = Noticing(self._app, self._token, ping_s=self._ping_s)
        # The library would ask for an address itself, and for ever when its token is refused.
        handler.client.wss_uri = str(opened["url"])
        try:
            with slack_errors("connecting to Socket Mode"):
                # Not `wait_for`, which on Python 3.11 may swallow that we are told to end.
                async with asyncio.timeout(_CONNECT_S):
                    await handler.client.connect()  # type: ignore[no-untyped-call]  # it says no types
        except BaseException:
            # Being told to end counts too: no socket stays open behind it.
            await _let_go(handler)
            raise
        old, self._handler = self._handler, handler
        if old is not None:
            await _let_go(old)

    async def close(self) -> None:
        """Close the socket."""
        if self._handler is not None:
            handler, self._handler = self._handler, None
            await _let_go(handler)


async def _let_go(handler: Noticing) -> None:
    """End a connection without much of a farewell: its own `close` waits ten seconds for one."""
    client = handler.client
    client.closed, client.auto_reconnect_enabled = True, False
    tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    if client.current_session is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_FAREWELL_S):
                await client.current_session.close()
    await client.aiohttp_client_session.close()


class HttpLine:
    """HTTP mode: Slack calls us, through something that encrypts."""

    def __init__(self, app: AsyncApp, listen: str, *, signing_secret: str) -> None:
        """Listen nowhere yet; `listen` is a host and a port."""
        self._called, self._listen = Called(app, signing_secret), listen
        self._runner: web.AppRunner | None = None
        self.port = 0
        """Where it listens."""

    async def connect(self) -> None:
        """Listen, where it does not yet: there is nothing else we could do anew. Raises `StorageError`."""
        if self._runner is not None:
            return
        host, _, port = self._listen.rpartition(":")
        runner = web.AppRunner(self._called.web_app(EVENTS_PATH), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            with storage_errors(self._listen):
                await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except BaseException:
            # Being told to end counts too: no server stays behind it.
            await runner.cleanup()
            raise
        self._runner, self.port = runner, int(runner.addresses[0][1])
        _log.info("Slack may call us at %s:%d%s", host, self.port, EVENTS_PATH)

    async def close(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            await self._called.close()
