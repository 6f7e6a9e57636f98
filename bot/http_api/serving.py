"""Serving the application: one socket, one address file, and an end that lets open requests finish."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
import uvloop
from fastapi import FastAPI

from bot.http_api.address import Address, read_address
from bot.http_api.connections import Connection
from bot.http_api.front import Front
from bot.http_api.outside import WithRequestId
from engine.adapters.files import atomic_write
from engine.errors import InputError, StorageError

_BACKLOG: Final = 512
_DRAIN_S: Final = 10.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run(
    make: Callable[[], FastAPI], *, host: str, port: int, address_file: Path, drain_s: float = _DRAIN_S
) -> None:
    """Serve until SIGTERM or SIGINT, on an event loop of uvloop's.

    `make` is called inside the loop. Raises `StorageError` when the address cannot be listened on.
    """

    async def main() -> None:
        await serve(make(), host=host, port=port, address_file=address_file, drain_s=drain_s)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def serve(
    app: FastAPI,
    *,
    host: str,
    port: int,
    address_file: Path,
    drain_s: float = _DRAIN_S,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`: then take no more connections and finish what is open.

    The address, with the port that was chosen for 0, stands in `address_file` while it is listened on. What
    is still open after `drain_s` is cut. Raises `StorageError` when the address cannot be listened on.
    """
    ended = stop if stop is not None else asyncio.Event()
    listener = _listen(host, port)
    front: Front = app.state.front
    server = _Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=max(1, round(drain_s)),
        ),
        front,
    )
    with _told(ended), _address(address_file, listener, host):
        ending = asyncio.create_task(_end(server, ended))
        try:
            await server.serve(sockets=[listener])
        finally:
            ending.cancel()
            listener.close()


class _Server(uvicorn.Server):
    """uvicorn, but we listen to signals ourselves, and wake those who wait before it waits for them."""

    def __init__(self, config: uvicorn.Config, front: Front) -> None:
        super().__init__(config)
        self._front = front

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: uvicorn would raise them again after a clean stop."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let streams and waiting requests come to their end first."""
        self._front.hearing.close()
        await super().shutdown(sockets)


async def _end(server: uvicorn.Server, ended: asyncio.Event) -> None:
    await ended.wait()
    server.should_exit = True


@contextlib.contextmanager
def _told(ended: asyncio.Event) -> Iterator[None]:
    """Raise a flag at the signals that mean: come to an end."""
    loop = asyncio.get_running_loop()
    heard = []
    for number in _SIGNALS:
        # Only the main thread may listen to signals; elsewhere the flag alone ends it.
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, ended.set)
            heard.append(number)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _address(path: Path, listener: socket.socket, host: str) -> Iterator[None]:
    """Say where we listen, for as long as we do."""
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    address = Address(url=f"http://{shown}:{port}", host=host, port=port, pid=os.getpid())
    with atomic_write(path) as file:
        file.write(msgspec.json.encode(address) + b"\n")
    try:
        yield
    finally:
        # One that came after us may have written its own.
        if read_address(path) == address:
            path.unlink(missing_ok=True)


def _listen(host: str, port: int) -> socket.socket:
    place = f"http.host {host}, http.port {port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise InputError(
            f"{host} is no address of this machine", place=place, cure="give 127.0.0.1"
        ) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise StorageError(
            f"cannot listen: {(error.strerror or str(error)).lower()}",
            place=place,
            cure="stop what listens there, or choose another port; 0 takes a free one",
        ) from error
    return listener


def log_requests(stream_handler: logging.Handler) -> None:
    """Have a handler write our log lines, each with the id of its request."""
    stream_handler.addFilter(WithRequestId())
    stream_handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s [%(request)s] %(message)s")
    )
    for name in ("watchkeeper", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(stream_handler)
        logger.propagate = False
