"""A provider of messages on loopback that fails in every way one can: a real HTTP server, told what to do.

What it does with a request that nothing was scripted for is its contract: a function from request to answer.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

_LONGEST_HEAD: Final = 1 << 16


class Request(Struct, frozen=True, kw_only=True):
    """What was asked of it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def table(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body read as a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Reply(Struct, frozen=True, kw_only=True):
    """What it answers."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""

    @classmethod
    def of(cls, table: object, *, status: int = 200) -> Self:
        """Answer with JSON."""
        body = json.dumps(table).encode()
        return cls(status=status, headers={"Content-Type": "application/json"}, body=body)


Contract = Callable[[Request], Reply]
"""What a provider does with a request."""

Fault = Reply | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What it does once instead."""


async def hang(_: asyncio.StreamWriter) -> None:
    """Take the request, and never answer."""
    await asyncio.Event().wait()


async def drop(writer: asyncio.StreamWriter) -> None:
    """Take the request, and close the connection."""
    writer.close()


async def babble(writer: asyncio.StreamWriter) -> None:
    """Answer with what is no HTTP."""
    writer.write(b"\x00\xff\xfe220 not what you think\r\n\r\n")
    writer.close()


async def break_off(writer: asyncio.StreamWriter) -> None:
    """Promise more of an answer than comes."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()


async def trickle(writer: asyncio.StreamWriter) -> None:
    """Answer a byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


class FakeProvider:
    """One provider. Use it as `async with FakeProvider(contract) as provider`."""

    def __init__(self, contract: Contract) -> None:
        """Do with requests what `contract` says, except for what `faults` holds first."""
        self._contract = contract
        self.faults: deque[Fault] = deque()
        self.requests: list[Request] = []
        """All that was asked of it, failed or not."""
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it is."""
        assert self._server is not None, "it has not begun"  # noqa: S101 - a fake asked out of turn
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def asked(self, path: str) -> list[Request]:
        """Return what was asked of one path."""
        return [request for request in self.requests if request.path == path]

    async def __aenter__(self) -> Self:
        """Begin to answer."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=_LONGEST_HEAD)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cease, whoever is still talking."""
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None  # noqa: S101 - a coroutine that runs is in a task
        self._talks.add(talk)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._answer(await _read(reader), writer)
                    if writer.is_closing():
                        break
        except asyncio.CancelledError:
            # It ends because the fake does; asyncio would log it as unhandled.
            pass
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        fault = self.faults.popleft() if self.faults else None
        if fault is not None and not isinstance(fault, Reply):
            await fault(writer)
            return
        reply = fault or self._contract(request)
        lines = [f"HTTP/1.1 {reply.status} Whatever", f"Content-Length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body)
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Request(
        method=method,
        path=unquote(parts.path),
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers=headers,
        body=body,
    )
