"""Sending one HTTP request: to an address that was looked at first, with a limit on the answer.

What matters afterwards is whether the request was sent. The connection says so at the moment it writes the
first byte; that moment is also the one a stop can still prevent.
"""

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from msgspec import Struct

from engine.adapters.http_requests import Origin, Request, address_allowed, entry_for, origin_of
from engine.errors import EffectRefused
from engine.ports import Watch

_SENDING: Final = "send_request_headers"
# A server that accepts and then reads nothing must not keep the fence waiting.
_WRITE_S: Final = 5.0


class Answer(Struct, frozen=True, kw_only=True):
    """What came back."""

    status: int
    reason: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    whole: bool
    """Whether this is all of the body: `False` when it was longer than the limit."""
    broke_off: str = ""
    """Why the body ended before its end; empty when it did not."""

    @property
    def text(self) -> str:
        """The answer as people read it."""
        body = self.body.decode(errors="replace")
        if self.headers.get("content-encoding", "identity") != "identity":
            body = f"[{len(self.body)} bytes, compressed though we asked for none]"
        more = "" if self.whole else "\n[the rest was not read]"
        return f"{self.status} {self.reason}\n\n{body}{more}"


class NotSent(Exception):
    """The request never left this machine."""


class LedAstray(Exception):
    """The answer leads on to where we do not go."""


class Sent:
    """Whether a request has begun to leave, and the fence held open for that moment."""

    def __init__(self, watch: Watch) -> None:
        """Nothing has left."""
        self._watch, self._holding = watch, contextlib.ExitStack()
        self.begun = False

    async def trace(self, name: str, _: Mapping[str, Any]) -> None:
        """Hear from the connection what it does. Raises `Stopped` behind a stop: then nothing is sent."""
        if name.endswith(f"{_SENDING}.started"):
            self._holding.enter_context(self._watch.starting())
            self.begun = True
        elif name.endswith((f"{_SENDING}.complete", f"{_SENDING}.failed")):
            self._holding.close()

    def over(self) -> None:
        """Let go of the fence, whatever happened."""
        self._holding.close()


class Limits(Struct, frozen=True, kw_only=True):
    """What a request is held to."""

    network: tuple[str, ...]
    """Where it may go."""
    most_bytes: int
    """How much of the answer is read."""
    connect_s: float
    authorities: Path | None = None
    """A file with the certificates of those trusted to say who a host is; `None`: the usual ones."""


@functools.cache
def _tls(authorities: Path | None) -> ssl.SSLContext:
    """Make a context once: loading certificates takes 20 ms."""
    if authorities is not None:
        return ssl.create_default_context(cafile=authorities)
    return httpx.create_ssl_context(trust_env=False)


async def send(request: Request, limits: Limits, sent: Sent) -> Answer:
    """Send a request and read the answer. Redirects are answers.

    Raises `EffectRefused` when the list does not let it go there, `NotSent` when nothing was sent, and
    `httpx.TransportError` when it was sent and no answer came.
    """
    origin = origin_of(request.url)
    addresses = await _addresses(origin, limits.network)
    for number, address in enumerate(addresses):
        try:
            return await _send_to(address, origin, request, limits, sent)
        except httpx.TransportError as error:
            if sent.begun:
                raise
            if number == len(addresses) - 1:
                said = str(error) or type(error).__name__
                raise NotSent(f"{origin.host}:{origin.port} cannot be reached: {said}") from error
        finally:
            sent.over()
    raise NotSent(f"{origin.host} has no address")


async def _addresses(origin: Origin, network: Sequence[str]) -> list[str]:
    """Look the host up. Raises `EffectRefused` when it may not be reached, `NotSent` when it is not known."""
    entry = entry_for(origin, network)
    if entry is None:
        raise EffectRefused(
            "is not on the action's list of hosts",
            place=f"{origin.host}:{origin.port}",
            cure="whoever keeps the registry may add it to run.network",
        )
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            origin.host, origin.port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise NotSent(f"{origin.host} is not known: {error}") from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    allowed = [address for address in addresses if address_allowed(address, origin, entry)]
    if not allowed:
        raise EffectRefused(
            f"leads to {', '.join(addresses)}, which is not on the public internet",
            place=origin.host,
            cure="whoever keeps the registry may add this very host to run.network",
        )
    return allowed


async def _send_to(address: str, origin: Origin, request: Request, limits: Limits, sent: Sent) -> Answer:
    # The address is the one that was looked at: a second look-up could lead elsewhere.
    try:
        url = httpx.URL(request.url).copy_with(host=address)
    except httpx.InvalidURL as error:
        raise NotSent(f"it is no URL: {error}") from error
    default = {"http": 80, "https": 443}[origin.scheme] == origin.port
    headers = {
        # No compression: a small answer must not become a large one here.
        "Accept-Encoding": "identity",
        "Accept": "*/*",
        "User-Agent": "watchkeeper",
        **request.headers,
        "Host": origin.host if default else f"{origin.host}:{origin.port}",
        "Connection": "close",
    }
    timeout = httpx.Timeout(None, connect=limits.connect_s, write=_WRITE_S)
    made = httpx.Request(
        request.method,
        url,
        headers=headers,
        content=request.body or None,
        extensions={"timeout": timeout.as_dict(), "trace": sent.trace, "sni_hostname": origin.host},
    )
    context = _tls(limits.authorities) if origin.scheme == "https" else False
    # Not a client: that reads redirects before it gives them away, and stumbles over strange ones.
    async with httpx.AsyncHTTPTransport(verify=context, trust_env=False) as transport:
        response = await transport.handle_async_request(made)
        try:
            body, whole, broke_off = await _read(response, limits.most_bytes)
        finally:
            await response.aclose()
    return Answer(
        status=response.status_code,
        reason=response.reason_phrase,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=body,
        whole=whole,
        broke_off=broke_off,
    )


async def _read(response: httpx.Response, most_bytes: int) -> tuple[bytes, bool, str]:
    pieces, size = [], 0
    try:
        async for piece in response.aiter_raw():
            pieces.append(piece)
            size += len(piece)
            if size > most_bytes:
                return b"".join(pieces)[:most_bytes], False, ""
    except httpx.TransportError as error:
        return b"".join(pieces), False, str(error) or type(error).__name__
    return b"".join(pieces), True, ""


def redirect_of(answer: Answer, request: Request) -> Request | None:
    """Return where an answer sends a request on to, `None` when it does not.

    Secrets go along only to the same host: another one has no business with them. Raises `LedAstray` when it
    leads to what is no URL, and `EffectRefused` when that is no plain one.
    """
    if answer.status not in {301, 302, 303, 307, 308} or "location" not in answer.headers:
        return None
    try:
        url = str(httpx.URL(request.url).join(answer.headers["location"]))
    except httpx.InvalidURL as error:
        raise LedAstray(f"the answer leads to something that is no URL: {error}") from error
    headers = request.headers
    if origin_of(url) != origin_of(request.url):
        headers = {
            name: value for name, value in headers.items() if not _holds_secret(name, value, request.secrets)
        }
    return Request(
        method=request.method, url=url, headers=headers, body=request.body, secrets=request.secrets
    )


def _holds_secret(name: str, value: str, secrets: Sequence[str]) -> bool:
    return name.lower() in {"authorization", "cookie"} or any(secret in value for secret in secrets)


def pieces_of(statuses: Sequence[int | str]) -> Iterator[range]:
    """Read statuses that count as success: numbers, and classes such as `2xx`. Raises `ValueError`."""
    for status in statuses:
        if isinstance(status, str):
            if len(status) != 3 or not status.endswith("xx") or status[0] not in "12345":
                raise ValueError(f"{status!r} is neither a status nor a class such as 2xx")
            yield range(int(status[0]) * 100, int(status[0]) * 100 + 100)
        elif 100 <= status <= 599:
            yield range(status, status + 1)
        else:
            raise ValueError(f"{status} is not a status")
