"""What goes into a container and comes out of it, over the one connection that Docker gives for both."""

import asyncio
import contextlib
import socket
import struct
from typing import Any, Final

from engine.adapters.sandbox import Kept

_CHUNK: Final = 1 << 16
# Each piece of output comes behind eight bytes: which stream it is of, three empty ones, its length.
_HEADER: Final = struct.Struct(">BxxxL")
_ERRORS: Final = 2


class Talk:
    """One attached container: hands it its input, keeps what it prints."""

    def __init__(self, attached: Any, most_bytes: int) -> None:
        """Take over the socket docker-py gives for an attached container that has not started yet."""
        self._attached = attached
        # docker-py hands out the file over the socket; the event loop wants the socket itself.
        self._socket: socket.socket = attached._sock  # noqa: SLF001 - there is no other way to it
        self._socket.setblocking(False)
        self.output, self.errors = Kept(most_bytes), Kept(most_bytes)
        self._flooded: asyncio.Future[None] | None = None
        self._waiting = bytearray()

    @property
    def flooded(self) -> "asyncio.Future[None]":
        """Done once so much came that the program should be ended."""
        if self._flooded is None:
            self._flooded = asyncio.get_running_loop().create_future()
        return self._flooded

    async def listen(self, stdin: bytes) -> None:
        """Write the input and read the output until the container closes both."""
        writing = asyncio.ensure_future(self._write(stdin))
        try:
            await self._read()
        finally:
            writing.cancel()  # who prints no more, reads no more
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, stdin: bytes) -> None:
        if stdin:
            with contextlib.suppress(OSError):  # it ended, and does not want to know the rest
                await asyncio.get_running_loop().sock_sendall(self._socket, stdin)
                self._socket.shutdown(socket.SHUT_WR)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(self._socket, _CHUNK):
                self._take(data)
                if (self.output.flooded or self.errors.flooded) and not self.flooded.done():
                    self.flooded.set_result(None)

    def _take(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) >= _HEADER.size:
            stream, length = _HEADER.unpack_from(self._waiting)
            end = _HEADER.size + length
            if len(self._waiting) < end:
                return
            kept = self.errors if stream == _ERRORS else self.output
            kept.feed(bytes(self._waiting[_HEADER.size : end]))
            del self._waiting[:end]

    def close(self) -> None:
        """Let go of the connection."""
        # In this order: the answer of the engine ends first, then the file over the socket, then the socket.
        response = getattr(self._attached, "_response", None)
        for end in filter(None, (response, self._attached, self._socket)):
            with contextlib.suppress(OSError, ValueError):
                end.close()
