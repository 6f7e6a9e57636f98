"""Unix sockets by their path, however long it is, and lines of JSON over them."""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import cast

from engine.errors import Unreachable
from engine.runtime.wire import MOST_BYTES


def bound(path: Path) -> socket.socket:
    """Bind a listening socket that only its owner may use, in place of one that a dead process left.

    The system takes at most 107 bytes of path; through an open folder the name alone is enough.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        previous = os.umask(0o177)
        try:
            listening.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.umask(previous)
        listening.listen(128)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    finally:
        os.close(folder)
    return listening


async def connected(path: Path) -> socket.socket:
    """Connect to a socket. Raises `Unreachable` when nobody listens there."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            await asyncio.get_running_loop().sock_connect(made, f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except OSError as error:
        made.close()
        raise unreachable(path, error.strerror or "no answer") from error
    except BaseException:
        made.close()
        raise
    return made


def unreachable(path: Path, why: str) -> Unreachable:
    """Say that the engine does not answer."""
    return Unreachable(
        f"the engine does not answer: {why.lower()}",
        place=str(path),
        cure="see `watchkeeper status`; `watchkeeper up` starts it",
    )


class Lines(asyncio.Protocol):
    """One end of a connection that speaks in lines. Nothing is awaited between a line and its reader."""

    def __init__(self, take: Callable[["Lines", bytes], None], lost: Callable[["Lines"], None]) -> None:
        """`take` gets every line, without its end; `lost` is called once, at the end."""
        self._take, self._lost = take, lost
        self._transport: asyncio.Transport | None = None
        self._rest = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # A stream socket has no other kind; uvloop's are not of asyncio's class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Cut what came into lines."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        if len(rest) > MOST_BYTES:
            self.close()
            return
        self._rest = rest
        for line in lines:
            self._take(self, bytes(line))

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        del exc
        self._transport = None
        self._lost(self)

    def send(self, line: bytes) -> None:
        """Send one line. One that nobody will read any more is dropped."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line + b"\n")

    @property
    def waiting_bytes(self) -> int:
        """How much was sent and not yet taken by the system."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def close(self) -> None:
        """Close after what was sent."""
        if self._transport is not None:
            self._transport.close()
