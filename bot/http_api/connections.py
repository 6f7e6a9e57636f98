"""Connections, before there is a request: how large a head may be, how slow, and how many there are.

Whoever reaches the port may try this without a token. uvicorn reads heads of any size for any time, and a
process that has used up its descriptors answers nobody, not even whoever wants to stop everything.
"""

import asyncio
import resource
from typing import Any, Final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bot.http_api.problems import Problem

MOST_HEAD_BYTES: Final = 32 << 10
"""How much may come before a body, between its pieces and after it: request line, headers, trailers."""
HEAD_WITHIN_S: Final = 10.0
# Descriptors for the journal, the engine's socket, the fence and what a sweep needs.
_OTHERS: Final = 128


def most_connections() -> int:
    """Return how many connections this process may hold at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft - _OTHERS, soft // 2)


class Connection(HttpToolsProtocol):
    """One connection to the API. One that asks for nothing makes way for the next when there are too many."""

    head_within_s = HEAD_WITHIN_S
    most = most_connections()

    def __init__(self, *given: Any, **named: Any) -> None:
        """Take what the server gives."""
        super().__init__(*given, **named)
        self._loose_bytes = 0
        self._in_head = True
        self._is_too_large = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered."""
        # The framework calls it one from the beginning; there is none before the first request.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as there
        """Begin to wait for a request, if there is room."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            # Any idle one will do: it has nothing to lose.
            others = (one for one in self.connections if isinstance(one, Connection) and one is not self)
            next((one for one in others if not one.is_answering), self).transport.abort()
        self._hurry()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless what is no body becomes too long."""
        self._loose_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_too_large or self._loose_bytes > MOST_HEAD_BYTES:
            self._refuse(Problem("head-too-large", f"more than {MOST_HEAD_BYTES} bytes", cure="send less"))
        elif self._in_head or not self.is_answering:
            self._hurry()

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Let a request in, unless its head alone is too long."""
        self._in_head, self._loose_bytes = False, 0
        self._rest()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        self._is_too_large = self._is_too_large or size > MOST_HEAD_BYTES
        if not self._is_too_large:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count anew: bodies have a limit of their own."""
        self._loose_bytes = 0
        if not self._is_too_large:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Count anew."""
        self._loose_bytes = 0
        if not self._is_too_large:
            super().on_message_complete()

    def _hurry(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.head_within_s, self._too_slow)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(
                Problem(
                    "too-slow",
                    f"no whole request came within {self.head_within_s:g} s",
                    cure="send it in one piece",
                )
            )

    def _refuse(self, problem: Problem) -> None:
        """Say why, where nothing else is being said, and close."""
        self._rest()
        if not self.is_answering:
            self.transport.write(_written(problem.response("")))
        self.transport.close()


def _written(response: Response) -> bytes:
    head = [b"HTTP/1.1 %d Refused" % response.status_code, b"connection: close"]
    head += [b"%b: %b" % pair for pair in response.raw_headers]
    return b"\r\n".join([*head, b"", response.body])
