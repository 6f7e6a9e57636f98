"""Serving the application: one socket, one address file, and an end that lets open requests finish."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
import uvloop
from fastapi import FastAPI

from bot.http_api.address import Address, address_of, read_address
from bot.http_api.connections import Connection
from bot.http_api.front import Front
from bot.http_api.outside import WithRequestId
from engine.adapters.files import atomic_write
from engine.adapters.log_lines import CleanFormatter
from engine.errors import InputError, StorageError

_BACKLOG: Final = 512
_DRAIN_S: Final = 10.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Encryption(msgspec.Struct, frozen=True, kw_only=True):
    """How what is sent is kept from others on the way."""

    certificate: Path | None = None
    """PEM file; `None` means that we do not encrypt."""
    key: Path | None = None
    name: str = ""
    """What the certificate calls us; empty: we are called by our address."""
    behind_proxy: bool = False
    """Whether `X-Forwarded-Proto` is believed: all come through a proxy that sets it."""

    def context(self) -> ssl.SSLContext | None:
        """Read the files; `None` where we do not encrypt. Raises `InputError` when they do not do."""
        if self.certificate is None or self.key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        place = f"http.tls_certificate {self.certificate}, http.tls_key {self.key}"
        try:
            # An empty passphrase opens no key, and keeps it from asking for one at a terminal.
            context.load_cert_chain(self.certificate, self.key, password="")
        except ssl.SSLError as error:
            raise InputError(
                f"cannot encrypt with these: {error.reason or error}",
                place=place,
                cure="give PEM files that belong together, the key without a passphrase",
            ) from error
        except OSError as error:
            raise InputError(
                f"cannot be read: {error.strerror or error}",
                place=place,
                cure="give both files whole paths, and let the user of the service read them",
            ) from error
        return context


PLAIN: Final = Encryption()


def run(
    make: Callable[[], FastAPI],
    *,
    host: str,
    port: int,
    address_file: Path,
    drain_s: float = _DRAIN_S,
    encryption: Encryption = PLAIN,
) -> None:
    """Serve until SIGTERM or SIGINT, on an event loop of uvloop's.

    `make` is called inside the loop. Raises `StorageError` when the address cannot be listened on, and
    `InputError` when the certificate does not do.
    """

    async def main() -> None:
        await serve(
            make(), host=host, port=port, address_file=address_file, drain_s=drain_s, encryption=encryption
        )

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
    encryption: Encryption = PLAIN,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`: then take no more connections and finish what is open.

    The address, with the port that was chosen for 0, stands in `address_file` while it is listened on. What
    is still open after `drain_s` is cut. Raises as `run`.
    """
    context = encryption.context()
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
            # Believed from whoever connects, for only the proxy does; else from nobody.
            proxy_headers=encryption.behind_proxy,
            forwarded_allow_ips="*",
            ssl_context_factory=(lambda _config, _default: context) if context is not None else None,
        ),
        front,
    )
    address = address_of(
        host,
        listener.getsockname()[1],
        os.getpid(),
        certificate=str(encryption.certificate or ""),
        name=encryption.name,
    )
    with _told(ended), _address(address_file, address):
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
def _address(path: Path, address: Address) -> Iterator[None]:
    """Say where we listen, for as long as we do."""
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
        # The address is known before we are ready: whoever comes by then waits, and is not refused.
        listener.listen(_BACKLOG)
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
        CleanFormatter("%(asctime)s %(levelname)s %(name)s [%(request)s] %(message)s")
    )
    for name in ("watchkeeper", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(stream_handler)
        logger.propagate = False
