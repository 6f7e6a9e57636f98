"""The outermost layer: which host was asked, how much comes in and how slowly, and what goes into the log."""

import asyncio
import contextlib
import contextvars
import logging
import re
import secrets
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.http_api.problems import Problem
from bot.http_api.requests_seen import RequestsSeen
from engine.adapters.link_tokens import PREFIX

log = logging.getLogger("watchkeeper.http")
current_request: contextvars.ContextVar[str] = contextvars.ContextVar("current_request", default="-")
"""The id of the request being answered; every log line carries it."""

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::\d{1,5})?")
_OURS: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
# What a client still sends is read and thrown away before it is refused, within these bounds: closing at once
# would reset the connection, and the refusal would be lost with it.
_DRAIN_BYTES: Final = 16 << 20
_DRAIN_S: Final = 2.0

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class WithRequestId(logging.Filter):
    """Gives every log record the id of the request it was written for, as `request`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add it; let everything pass."""
        record.request = current_request.get()
        return True


class Outside:
    """ASGI middleware. Refuses other hosts' requests (DNS rebinding), large bodies and slow ones."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        names: Iterable[str],
        most_body_bytes: int,
        body_within_s: float,
        requests: RequestsSeen,
    ) -> None:
        """Wrap an application; `names` are the hosts it answers to besides the loopback ones.

        Every answer is counted in `requests`.
        """
        self._app, self._requests = app, requests
        self._names = LOOPBACK | {name.casefold() for name in names}
        self._most, self._within_s = most_body_bytes, body_within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _OURS.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        before = current_request.set(request_id)
        answer = _Answer(send, request_id)
        body = _Body(receive, self._most, self._within_s)
        started_s = asyncio.get_running_loop().time()
        try:
            await self._inside(scope, headers, body, answer)
        finally:
            took_s = asyncio.get_running_loop().time() - started_s
            route = getattr(scope.get("route"), "path", None)
            self._requests.saw(scope["method"], route, answer.status, took_s)
            holder = scope["state"].get("holder")
            log.info(
                "%s %s %s %.1f ms by %s",
                scope["method"],
                _loggable(scope["path"]),
                answer.status or "-",
                took_s * 1000,
                f"{holder.kind} {holder.name} ({holder.token_id})" if holder else "nobody",
            )
            current_request.reset(before)

    async def _inside(
        self, scope: Scope, headers: dict[bytes, bytes], body: "_Body", answer: "_Answer"
    ) -> None:
        try:
            self._check_host(headers.get(b"host", b""))
            body.check_declared(headers.get(b"content-length"))
            await self._app(scope, body, answer)
        except Problem as problem:
            await self._refuse(problem, scope, body, answer)
        except (
            Exception
        ):  # whatever it was: whoever asked gets an answer with a number to report, not a cut line
            log.exception("a bug of ours")
            if answer.status:
                raise  # the answer is half out: the server cuts the connection
            bug = Problem("bug", "something of ours broke", cure="report it with the request id")
            await self._refuse(bug, scope, body, answer)

    @staticmethod
    async def _refuse(problem: Problem, scope: Scope, body: "_Body", answer: "_Answer") -> None:
        request_id = scope["state"]["request_id"]
        await body.drain()
        await problem.response(request_id)(scope, body, answer)

    def _check_host(self, host: bytes) -> None:
        found = _HOST.fullmatch(host.decode("latin-1"))
        if found is None or found[1].casefold() not in self._names:
            raise Problem(
                "misdirected",
                "this server is not called by the name in the header Host",
                cure="ask it as localhost, or add the name to http.names in watchkeeper.yaml",
            )


def _loggable(path: str) -> str:
    """Return what may be logged of an address: no query, and of a link that answers not the link."""
    if path.startswith(PREFIX):
        return f"{PREFIX}…"
    return path.encode("unicode_escape").decode()


class _Answer:
    """Sends an answer, with what belongs to every answer unless it has its own."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._more = (*_HEADERS, (b"x-request-id", request_id.encode()))
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", ()))
            has = {name for name, _ in given}
            message = {**message, "headers": given + [pair for pair in self._more if pair[0] not in has]}
        await self._send(message)


class _Body:
    """Receives a body, counting it and watching the time."""

    def __init__(self, receive: Receive, most: int, within_s: float) -> None:
        self._receive, self._most, self._within_s = receive, most, within_s
        self._bytes = 0
        self._end_s: float | None = None
        self._whole = False

    def check_declared(self, length: bytes | None) -> None:
        """Refuse by what the request says of itself, before anything is read."""
        if length is not None and length.isdigit() and int(length) > self._most:
            raise self._too_large()

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()  # what comes now is only the news that the client has gone
        now_s = asyncio.get_running_loop().time()
        self._end_s = self._end_s or now_s + self._within_s
        try:
            message = await asyncio.wait_for(self._receive(), max(self._end_s - now_s, 0))
        except TimeoutError:
            raise Problem(
                "too-slow",
                f"the body was not complete after {self._within_s:g} s",
                cure="send it in one piece",
                headers={"Connection": "close"},
            ) from None
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._bytes > self._most:
                raise self._too_large()
        return message

    async def drain(self) -> None:
        """Read and throw away what still comes, within bounds."""
        drained = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while not self._whole and drained < _DRAIN_BYTES:
                    message = await self._receive()
                    drained += len(message.get("body", b""))
                    self._whole = not message.get("more_body", False)

    def _too_large(self) -> Problem:
        return Problem(
            "too-large",
            f"more than {self._most} bytes",
            cure="send less: put large things where an action can read them, and name the place",
            headers={"Connection": "close"},
        )
