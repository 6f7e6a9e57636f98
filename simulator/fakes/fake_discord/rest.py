"""The REST API's door: who calls, how often, with what; then the handlers of `rest_routes`."""

import json
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import BodyPartReader, web
from msgspec import Struct

from simulator.fakes.fake_discord.official import Official
from simulator.fakes.fake_discord.posting import Platform, Upload
from simulator.fakes.fake_discord.rates import Meter
from simulator.fakes.fake_discord.refusals import INVALID_FORM, Json, Refused
from simulator.fakes.fake_discord.talks import Talks

LARGEST_REQUEST_BYTES: Final = 120 * 1024 * 1024
_TOLD_CALLS: Final = 2000
# A late or lost message is the world's doing, not a fault of the bot's.
_NO_PROBLEM: Final = (404, 429)
_TOKEN_RAN_OUT: Final = 50027


class Call(Struct, kw_only=True):
    """One request of the bot's."""

    method: str
    path: str
    query: dict[str, str]
    match: dict[str, str]
    body: Any
    """The JSON that came with it; `None` without."""
    uploads: dict[str, Upload]

    @property
    def table(self) -> Json:
        """The JSON as an object. Raises `Refused`."""
        if isinstance(self.body, dict):
            return self.body
        raise Refused(400, 50109, "The request body contains invalid JSON.")

    def number(self, name: str, without: int) -> int:
        """Return a number of the query. Raises `Refused`."""
        said = self.query.get(name, "")
        if said and not said.isdecimal():
            message = f'Value "{said}" is not int.'
            told = {name: {"_errors": [{"code": "NUMBER_TYPE_COERCE", "message": message}]}}
            raise Refused(400, INVALID_FORM, "Invalid Form Body", errors=told)
        return int(said) if said else without


class Made(Struct, frozen=True, kw_only=True):
    """A request of the bot's and what it was answered, for those who look on."""

    method: str
    path: str
    body: Any
    status: int


class Reply(Struct, frozen=True, kw_only=True):
    """What a handler answers; without a body it is 204."""

    body: Any = None
    status: int = 200


Handler = Callable[[Call], Awaitable[Reply] | Reply]


class Route(Struct, frozen=True, kw_only=True):
    """One endpoint."""

    method: str
    template: str
    handler: Handler
    needs_bot: bool = True
    """Whether the bot's token is asked for; otherwise the address carries one."""


class Door:
    """Takes the bot's requests."""

    def __init__(
        self, platform: Platform, talks: Talks, routes: list[Route], *, token: str, meter: Meter,
        official: Official | None,
    ) -> None:  # fmt: skip
        """Take the routes and what is asked of each call."""
        self.platform, self.talks, self.meter, self._token, self._official = (
            platform,
            talks,
            meter,
            token,
            official,
        )
        self._routes = [
            (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.template)), route) for route in routes
        ]
        self.problems: list[str] = []
        self.made: deque[Made] = deque(maxlen=_TOLD_CALLS)
        self._to_limit, self._retry_after_s = 0, 0.0
        self._to_fail, self._fail_status = 0, 500

    def limit(self, calls: int, retry_after_s: float) -> None:
        """Refuse so many of the following calls for coming too often."""
        self._to_limit, self._retry_after_s = calls, retry_after_s

    def fail(self, calls: int, status: int) -> None:
        """Answer so many of the following calls with an error."""
        self._to_fail, self._fail_status = calls, status

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        with self.talks.call():
            path = "/" + request.match_info["tail"]
            body, raw, uploads = await _read(request)
            answer = await self._answer(request, path, body, raw, uploads)
            self.made.append(Made(method=request.method, path=path, body=body, status=answer.status))
            return answer

    async def _answer(
        self, request: web.Request, path: str, body: Any, raw: bytes, uploads: dict[str, Upload]
    ) -> web.Response:
        if trouble := self._trouble():
            return trouble
        found = self._found(request.method, path)
        if isinstance(found, int):
            name = {404: "Not Found", 405: "Method Not Allowed"}[found]
            self._problem(request.method, path, raw, f"{found}: there is no such endpoint in this fake")
            return _json({"message": f"{found}: {name}", "code": 0}, status=found)
        route, match = found
        if route.needs_bot and request.headers.get("Authorization") != f"Bot {self._token}":
            self.meter.count_invalid()
            self._problem(request.method, path, raw, "401: the bot's token is missing or wrong")
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        place = next((match[name] for name in ("channel_id", "guild_id", "token") if name in match), "")
        let = self.meter.take(f"{route.method} {route.template}", place, counts_for_all=route.needs_bot)
        if let.retry_after_s:
            scope = "global" if let.is_global else "user"
            return self._limited(let.retry_after_s, is_global=let.is_global, headers=let.headers, scope=scope)
        self._hold_against_official(request, path, raw)
        return await self._call(
            route,
            Call(
                method=request.method,
                path=path,
                query=dict(request.query),
                match=match,
                body=body,
                uploads=uploads,
            ),
            raw,
            let.headers,
        )

    def _trouble(self) -> web.Response | None:
        """Return the answer of a platform that is in trouble, or was told to be."""
        if self.meter.is_banned:
            return web.Response(status=429, text="error code: 1015")
        if self._to_fail > 0:
            self._to_fail -= 1
            told = {"message": f"{self._fail_status}: made to fail", "code": 0}
            return _json(told, status=self._fail_status)
        if self._to_limit > 0:
            self._to_limit -= 1
            return self._limited(self._retry_after_s, is_global=False, headers={}, scope="shared")
        return None

    async def _call(self, route: Route, call: Call, raw: bytes, headers: dict[str, str]) -> web.Response:
        try:
            reply = route.handler(call)
            reply = reply if isinstance(reply, Reply) else await reply
        except Refused as refused:
            if refused.status in (401, 403):
                self.meter.count_invalid()
            if refused.status not in _NO_PROBLEM and refused.code != _TOKEN_RAN_OUT:
                self._problem(call.method, call.path, raw, json.dumps(refused.body))
            return _json(refused.body, status=refused.status, headers=headers)
        if reply.body is None:
            return web.Response(status=204, headers=headers)
        return _json(reply.body, status=reply.status, headers=headers)

    def _found(self, method: str, path: str) -> tuple[Route, dict[str, str]] | int:
        """Return the route and what its template matched, or the status that says there is none."""
        status = 404
        for pattern, route in self._routes:
            matched = pattern.fullmatch(path)
            if matched and route.method == method:
                return route, matched.groupdict()
            status = 405 if matched else status
        return status

    def _limited(
        self, after_s: float, *, is_global: bool, headers: dict[str, str], scope: str
    ) -> web.Response:
        if scope != "shared":
            self.meter.count_invalid()
        told = {**headers, "Retry-After": f"{after_s:.3f}", "Via": "1.1 google", "X-RateLimit-Scope": scope}
        if is_global:
            told["X-RateLimit-Global"] = "true"
        body = {
            "message": "You are being rate limited.",
            "retry_after": round(after_s, 3),
            "global": is_global,
        }
        return _json(body, status=429, headers=told)

    def _hold_against_official(self, request: web.Request, path: str, raw: bytes) -> None:
        if self._official is None:
            return
        authorization = request.headers.get("Authorization")
        headers = {"Authorization": authorization} if authorization else {}
        for fault in self._official.faults(
            method=request.method, path=f"/api/v10{path}", query=request.query, headers=headers, body=raw
        ):
            self._problem(request.method, path, raw, f"the official description forbids it: {fault}")

    def _problem(self, method: str, path: str, raw: bytes, why: str) -> None:
        shown = raw.decode("utf-8", "replace")
        self.problems.append(f"{method} {path}: {why}" + (f"\n  {shown[:2000]}" if shown else ""))


async def _read(request: web.Request) -> tuple[Any, bytes, dict[str, Upload]]:
    """Return a request's JSON, its bytes, and the files that came with it."""
    if request.content_type != "multipart/form-data":
        raw = await request.read()
        return _parsed(raw), raw, {}
    raw, uploads = b"{}", {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        content = bytes(await part.read())
        if part.name == "payload_json":
            raw = content
        elif part.name and (number := re.fullmatch(r"files\[(\d+)\]", part.name)):
            kind = part.headers.get("Content-Type", "application/octet-stream")
            uploads[number[1]] = Upload(name=part.filename or "file", kind=kind, content=content)
    return _parsed(raw), raw, uploads


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None


def _json(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with JSON of exactly `application/json`: discord.py takes anything else for text."""
    told = {"Via": "1.1 google", **(headers or {}), "Content-Type": "application/json"}
    return web.Response(body=json.dumps(body).encode(), status=status, headers=told)
