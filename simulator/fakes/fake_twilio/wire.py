"""The server's end of a connection: HTTP/1.1 read by httptools, cheap enough to be no bottleneck."""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import httptools
from msgspec import Struct

from simulator.fakes.fake_twilio.records import Asked

_NAMES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


class Reply(Struct, frozen=True, kw_only=True):
    """What is answered."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    piecewise_s: float = 0.0
    """How long to wait between the bytes of the answer; 0: all of it comes at once."""


class Silence(Struct, frozen=True):
    """No answer: the connection stays open, or is cut."""

    cut: bool


Handle = Callable[[Asked], Reply | Silence]


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, handle: Handle, connections: set["Wire"], tasks: set["asyncio.Task[None]"]) -> None:
        self._handle, self._connections, self._tasks = handle, connections, tasks
        self._parser = httptools.HttpRequestParser(self)
        self.transport: Any = None
        self._at_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what writes."""
        self.transport = transport
        self._connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Be gone."""
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if not self._at_s:
            self._at_s = time.monotonic()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._at_s = self._at_s or time.monotonic()
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._target = b""

    def on_url(self, url: bytes) -> None:
        """Keep the target, which may come in pieces."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Keep a piece."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Answer."""
        asked = Asked(
            at_s=self._at_s,
            method=self._parser.get_method().decode(),
            target=self._target.decode("latin-1"),
            headers=self._headers,
            body=b"".join(self._pieces),
        )
        self._at_s = 0.0
        reply = self._handle(asked)
        if isinstance(reply, Silence):
            if reply.cut:
                self.transport.abort()
        elif reply.piecewise_s:
            task = asyncio.get_running_loop().create_task(self._trickle(reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self.transport.write(_written(reply))

    async def _trickle(self, reply: Reply) -> None:
        for byte in _written(reply):
            self.transport.write(bytes([byte]))
            await asyncio.sleep(reply.piecewise_s)


def _written(reply: Reply) -> bytes:
    head = [b"HTTP/1.1 %d %b" % (reply.status, _NAMES.get(reply.status, b""))]
    head += [f"{name}: {value}".encode("latin-1") for name, value in reply.headers]
    head += [b"Content-Type: application/json;charset=utf-8", b"Content-Length: %d" % len(reply.body)]
    return b"\r\n".join([*head, b"", reply.body])
