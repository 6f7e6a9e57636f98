"""Socket Mode: up to ten web sockets, each payload to one of them, acknowledged within three seconds."""

import asyncio
import itertools
import json
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import web

from simulator.fakes.fake_slack.activity import Activity
from simulator.fakes.fake_slack.deliveries import TIMED_OUT, UNREACHABLE, Delivered, Kind, Retry
from simulator.fakes.fake_slack.workspace import APP_ID, Json

MOST_SOCKETS: Final = 10
_LIFETIME_S: Final = 3600
_PING_EVERY_S: Final = 5.0


@dataclass(slots=True, eq=False)
class _Socket:
    """One web socket of the bot's."""

    stream: web.WebSocketResponse
    transport: asyncio.Transport | None
    is_silent: bool = False
    is_leaving: bool = False
    """Whether it was told to go; Slack sends nothing more to it."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """An envelope that was sent and is not acknowledged as often as it was sent."""

    first: asyncio.Future[Json | None]
    missing: int
    all_in: asyncio.Event = field(default_factory=asyncio.Event)


class SocketMode:
    """The end of Socket Mode that Slack runs."""

    def __init__(self, *, activity: Activity, ack_within_s: float) -> None:
        self._activity = activity
        self._ack_within_s = ack_within_s
        self._tickets: set[str] = set()
        self._sockets: list[_Socket] = []
        self._waiting: dict[str, _Waiting] = {}
        self._turn = itertools.count()
        self.connections = 0
        """How often a socket said hello, since the start."""
        self.envelopes: list[Json] = []
        """Every envelope sent, in order."""
        self.acks: list[Json] = []
        """Every acknowledgement received, in order, the doubled ones too."""

    @property
    def is_open(self) -> bool:
        """Tell whether there is a socket to send to."""
        return bool(self._usable())

    @property
    def open_sockets(self) -> int:
        """Return how many sockets are open."""
        return len(self._sockets)

    def _usable(self) -> list[_Socket]:
        return [s for s in self._sockets if not s.is_leaving and not s.stream.closed]

    def new_url(self, base_url: str) -> str:
        """Return the address of one web socket, good for one connection."""
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        return f"ws{base_url.removeprefix('http')}/link/?ticket={ticket}&app_id={APP_ID}"

    # ------------------------------------------------------------ the bot's end

    async def link(self, request: web.Request) -> web.StreamResponse:
        """Serve one web socket from hello to the end."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403, text="this address was used already, or never given out")
        self._tickets.discard(ticket)
        stream = web.WebSocketResponse(autoping=False)
        await stream.prepare(request)
        socket = _Socket(stream, request.transport)
        self._sockets.append(socket)
        if len(self._sockets) > MOST_SOCKETS:
            await self._say(
                socket, {"type": "disconnect", "reason": "too_many_websockets", "debug_info": _host()}
            )
            socket.is_leaving = True
        else:
            hello = {
                "type": "hello",
                "num_connections": len(self._sockets),
                "connection_info": {"app_id": APP_ID},
                "debug_info": {**_host(), "approximate_connection_time": _LIFETIME_S},
            }
            await self._say(socket, hello)
            self.connections += 1
        self._activity.happened()
        pinging = asyncio.create_task(self._ping(socket))
        try:
            async for frame in stream:
                await self._hear(socket, frame)
        finally:
            pinging.cancel()
            self._sockets.remove(socket)
            self._activity.happened()
        return stream

    async def _hear(self, socket: _Socket, frame: aiohttp.WSMessage) -> None:
        if socket.is_silent:
            return
        if frame.type is aiohttp.WSMsgType.PING:
            await socket.stream.pong(frame.data)
        elif frame.type is aiohttp.WSMsgType.TEXT:
            ack: Json = json.loads(frame.data)
            self.acks.append(ack)
            waiting = self._waiting.get(str(ack.get("envelope_id")))
            if waiting is not None:
                if not waiting.first.done():
                    waiting.first.set_result(ack.get("payload"))
                waiting.missing -= 1
                if waiting.missing == 0:
                    waiting.all_in.set()
            self._activity.happened()

    async def _ping(self, socket: _Socket) -> None:
        while True:
            await asyncio.sleep(_PING_EVERY_S)
            if not socket.is_silent and not socket.stream.closed:
                await socket.stream.ping(b"Ping from applink")

    async def _say(self, socket: _Socket, frame: Json) -> None:
        # A socket that fell silent, or is half gone, swallows what is sent: only the timeout tells.
        if not socket.is_silent and not socket.stream.closed:
            try:
                await socket.stream.send_json(frame)
            except ConnectionError:
                return

    # ------------------------------------------------------------ deliveries

    async def deliver(
        self, kind: Kind, payload: Json, *, copies: int = 1, retry: Retry | None = None
    ) -> Delivered:
        """Send one envelope, `copies` times, to one socket, and wait for its acknowledgement."""
        usable = self._usable()
        if not usable:
            return Delivered(ack_s=0.0, failed=UNREACHABLE)
        socket = usable[next(self._turn) % len(usable)]
        envelope: Json = {
            "envelope_id": str(uuid.uuid4()),
            "type": kind,
            "accepts_response_payload": kind != "events_api",
            "payload": payload,
        }
        if kind == "events_api":
            envelope["retry_attempt"] = retry.attempt if retry else 0
            envelope["retry_reason"] = retry.reason if retry else ""
        return await self._send(socket, envelope, copies)

    async def _send(self, socket: _Socket, envelope: Json, copies: int) -> Delivered:
        loop = asyncio.get_running_loop()
        waiting = self._waiting[envelope["envelope_id"]] = _Waiting(loop.create_future(), copies)
        began = loop.time()
        try:
            for _ in range(copies):
                self.envelopes.append(envelope)
                await self._say(socket, envelope)
            async with asyncio.timeout(self._ack_within_s):
                payload = await waiting.first
                took_s = loop.time() - began
                if copies > 1:
                    await waiting.all_in.wait()
        except TimeoutError:
            if not waiting.first.done() or waiting.first.cancelled():
                return Delivered(ack_s=loop.time() - began, failed=TIMED_OUT)
        finally:
            del self._waiting[envelope["envelope_id"]]
        return Delivered(payload=payload, ack_s=took_s)

    # ------------------------------------------------------------ what goes wrong

    async def disconnect(self, *, reason: str = "refresh_requested") -> None:
        """Tell every socket to go, as Slack does about hourly (`warning` comes ten seconds before)."""
        for socket in list(self._sockets):
            await self._say(socket, {"type": "disconnect", "reason": reason, "debug_info": _host()})
            socket.is_leaving = reason != "warning"
        self._activity.happened()

    async def drop(self) -> None:
        """Cut every socket without a word."""
        for socket in list(self._sockets):
            socket.is_leaving = True
            if socket.transport is not None:
                socket.transport.abort()
        self._activity.happened()

    def go_silent(self, *, silent: bool) -> None:
        """Say nothing more on the sockets that are open now, and hear nothing; a new one works."""
        for socket in self._sockets:
            socket.is_silent = silent

    async def close(self) -> None:
        """Close every socket."""
        for socket in list(self._sockets):
            await socket.stream.close()


def _host() -> Json:
    return {"host": "applink-fake"}
