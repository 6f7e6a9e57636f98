"""The only way out of a sandbox: a proxy that connects to the hosts an action declares, and no others."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from engine.adapters.addresses import leads_back
from engine.errors import EffectRefused
from engine.ports import Program

DOOR: Final = "/run/watchkeeper"
"""Where a sandbox finds the proxy's socket."""
SOCKET: Final = "proxy"
_PORT: Final = 8118
_MOST_HEAD: Final = 16 << 10
_HEAD_S: Final = 10.0
_CONNECT_S: Final = 10.0
_CHUNK: Final = 1 << 16
# Each connection takes two descriptors of ours, and a program may open them by the thousand.
_MOST_CONNECTIONS: Final = 64
_RELAY: Final = Path(__file__).with_name("network_relay.py")


class _Refused(Exception):
    """What the program asked for is not on its list, or not to be had."""


@contextlib.asynccontextmanager
async def network_for(
    program: Program, python: str, uid: int, home: Path
) -> AsyncIterator[tuple[tuple[str, ...], dict[str, str], Path | None]]:
    """Give what a program needs for its declared hosts: its command line, its environment, and the door.

    The door is a folder to be shown at `DOOR` with a socket in it; `None` when no host is declared, and then
    the rest is as it was. Within the sandbox, which has no network, a small relay listens on its loopback
    and passes everything to that socket; so `python` must be there. Only programs that obey the usual proxy
    variables get out, by HTTP or by a tunnel (`CONNECT`).

    Raises `EffectRefused` for a list that cannot be kept to.
    """
    if not program.network:
        yield program.argv, {}, None
        return
    allowed = frozenset(parse_host(entry) for entry in program.network)
    # In the state folder rather than among temporary files: a Docker engine often sees others of those.
    with tempfile.TemporaryDirectory(prefix="door-", dir=home) as folder:
        tasks: set[asyncio.Task[None]] = set()

        def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(tasks) >= _MOST_CONNECTIONS:
                writer.transport.abort()
                return
            task = asyncio.ensure_future(_serve(reader, writer, allowed))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_unix_server(greet, sock=_listening(Path(folder)), limit=_MOST_HEAD)
        try:
            if os.geteuid() == 0:
                for place in (Path(folder), Path(folder, SOCKET)):
                    os.chown(place, uid, -1)
            where = f"http://127.0.0.1:{_PORT}"
            names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
            relay = (python, "-I", "-c", _RELAY.read_text(), f"{DOOR}/{SOCKET}", str(_PORT))
            yield (*relay, *program.argv), dict.fromkeys(names, where), Path(folder)
        finally:
            server.close()
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _listening(folder: Path) -> socket.socket:
    """Make the socket by way of an open folder: a socket's path may have a hundred letters, ours has more."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(f"/proc/self/fd/{handle}/{SOCKET}")
    except OSError:
        listener.close()
        raise
    finally:
        os.close(handle)
    return listener


def parse_host(entry: str) -> tuple[str, int]:
    """Read `name:port`; an IPv6 address stands in brackets. Raises `EffectRefused` when it is not that."""
    name, colon, port = entry.rpartition(":")
    name = name.removeprefix("[").removesuffix("]").rstrip(".").lower()
    if not colon or not name or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise EffectRefused(
            f"{entry!r} is not a host and port", place="network", cure="write it as name:443, one entry each"
        )
    return name, int(port)


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, allowed: frozenset[tuple[str, int]]
) -> None:
    """Answer one connection from within: open the way it asks for, or say why not."""
    beyond: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(_HEAD_S):
            head = await reader.readuntil(b"\r\n\r\n")
        host, port, first = _asked(head)
        if (host, port) not in allowed:
            raise _Refused(f"{host}:{port} is not among the hosts this action may reach")
        back, beyond = await _connect(host, port)
        if first:
            beyond.write(first)
        else:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, beyond), _copy(back, writer))
    except _Refused as refusal:
        text = f"{refusal}\n".encode()
        writer.write(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(text), text))
    except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        pass  # either side went away, or never said what it wanted
    finally:
        for end in filter(None, (writer, beyond)):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()


def _asked(head: bytes) -> tuple[str, int, bytes]:
    """Return host, port, and what to send on first: nothing for a tunnel, the whole head for plain HTTP."""
    line, _, rest = head.partition(b"\r\n")
    try:
        method, target, version = line.decode("ascii").split(" ")
        if method == "CONNECT":
            host, port = parse_host(target)
            return host, port, b""
        parts = urlsplit(target)
        host, port = (parts.hostname or "").rstrip(".").lower(), parts.port or 80
    except (ValueError, EffectRefused) as error:
        raise _Refused("only http:// addresses and CONNECT are understood") from error
    if parts.scheme != "http" or not host:
        raise _Refused("only http:// addresses and CONNECT are understood")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # One request for each connection: the next might be for somebody else.
    kept = [
        header
        for header in rest.split(b"\r\n")
        if header and header.partition(b":")[0].strip().lower() not in _HOP_HEADERS
    ]
    kept = [f"{method} {path} {version}".encode(), *kept, f"Host: {parts.netloc.rpartition('@')[2]}".encode()]
    return host, port, b"\r\n".join([*kept, b"Connection: close", b"", b""])


_HOP_HEADERS: Final = {b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"host"}


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            last: OSError | None = None
            for address in dict.fromkeys(str(entry[4][0]) for entry in found):
                if leads_back(host, address):
                    raise _Refused(f"{host} leads to {address}, which belongs to this machine")
                try:
                    return await asyncio.open_connection(address, port)
                except OSError as error:
                    last = error
    except TimeoutError as error:
        raise _Refused(f"{host}:{port} does not answer") from error
    except OSError as error:
        last = error
    raise _Refused(f"{host}:{port} cannot be reached: {last}")


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()
