"""The Web API: reads a call, checks token, scope and limits, runs the method, answers in Slack's shape."""

import inspect
import json
from typing import Any, Final

from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from simulator.fakes.fake_slack import methods_chat, methods_reading
from simulator.fakes.fake_slack.calls import Call, Method
from simulator.fakes.fake_slack.desk import Desk
from simulator.fakes.fake_slack.limits import Limits, TooOften
from simulator.fakes.fake_slack.refused import Refused
from simulator.fakes.fake_slack.workspace import Json

METHODS: Final[dict[str, Method]] = {**methods_reading.METHODS, **methods_chat.METHODS}
_JSON_IN_FORMS: Final = ("attachments", "blocks", "files", "metadata", "view")
_OF_EVERY_METHOD: Final = {"token", "team_id"}
_NEVER_REFUSED: Final = "apps.connections.open"


class WebApi:
    """Answers what the bot calls."""

    def __init__(
        self,
        *,
        desk: Desk,
        limits: Limits,
        bot_token: str,
        app_token: str,
        bot_scopes: frozenset[str],
        app_scopes: frozenset[str],
    ) -> None:
        self._desk = desk
        self._limits = limits
        self._bot_token = bot_token
        self._app_token = app_token
        self.bot_scopes = bot_scopes
        self.app_scopes = app_scopes
        self.calls: list[tuple[str, Json]] = []
        """Every call with its arguments, in order, the refused ones too."""

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call."""
        with self._desk.activity.under_way():
            name = request.match_info["method"]
            args = await _arguments(request)
            token = request.headers.get("Authorization", "").removeprefix("Bearer ") or args.pop("token", "")
            self.calls.append((name, args))
            try:
                # A refused or failing service would keep the bot out for good; these count what it says.
                if name != _NEVER_REFUSED and (status := self._limits.one_call()) is not None:
                    return web.Response(status=status, text="the fake was told to fail")
                return self._run(name, args, str(token))
            except TooOften as no:
                self._desk.activity.refuse_for(no.retry_after_s)
                headers = {"Retry-After": str(no.retry_after_s)}
                return web.json_response({"ok": False, "error": no.error}, status=429, headers=headers)
            except Refused as no:
                if no.problem:
                    self._desk.problems.append(f"{name}: {no.problem}")
                return web.json_response({"ok": False, "error": no.error, **no.more})

    def _run(self, name: str, args: Json, token: str) -> web.Response:
        method = METHODS.get(name)
        if method is None:
            raise Refused(
                "unknown_method", problem="no such method, or one this fake does not have", req_method=name
            )
        self._let_in(method, token)
        scopes = self.app_scopes if method.app_level else self.bot_scopes
        call = Call(name=name, args=args, scopes=scopes, desk=self._desk, limits=self._limits)
        if method.scope is not None:
            call.needs(method.scope)
        problems = [f"{key} is no argument of it" for key in unknown_arguments(name, args)]
        answer = method.run(call)
        self._desk.problems.extend(f"{name}: {detail}" for detail in [*problems, *call.problems])
        headers = {"X-OAuth-Scopes": ",".join(sorted(scopes)), "X-Accepted-OAuth-Scopes": method.scope or ""}
        return web.json_response({"ok": True, **answer}, headers=headers)

    def _let_in(self, method: Method, token: str) -> None:
        if not token:
            raise Refused("not_authed", problem="a call without a token")
        if token not in {self._bot_token, self._app_token}:
            raise Refused("invalid_auth")
        if token != (self._app_token if method.app_level else self._bot_token):
            raise Refused("not_allowed_token_type", problem="a call with the wrong kind of token")

    async def upload(self, request: web.Request) -> web.Response:
        """Take the bytes of a file that was announced."""
        with self._desk.activity.under_way():
            upload = self._desk.workspace.uploads.get(request.match_info["file"])
            if upload is None:
                return web.Response(status=404, text="no such upload")
            if request.content_type.startswith("multipart/"):
                form = await request.post()
                part: Any = next(iter(form.values()))
                data = part.file.read() if hasattr(part, "file") else str(part).encode()
            else:
                data = await request.read()
            if len(data) != upload.size:
                self._desk.problems.append(
                    f"upload of {upload.name}: {len(data)} bytes, {upload.size} announced"
                )
                return web.Response(status=400, text="the length is not what was announced")
            upload.data = data
            return web.Response(text=f"OK - {len(data)}")


async def _arguments(request: web.Request) -> Json:
    """Read the arguments wherever the client put them; objects inside a form are JSON."""
    args: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            body = None
        return args | body if isinstance(body, dict) else args
    if request.method == "POST":
        args |= dict(await request.post())
    for key in _JSON_IN_FORMS:
        if isinstance(args.get(key), str):
            try:
                args[key] = json.loads(args[key])
            except ValueError:
                continue  # the method refuses a string where an object belongs
    return args


def unknown_arguments(name: str, args: Json) -> list[str]:
    """Name each argument that slack_sdk's client does not know of a method; Slack overlooks them in silence.

    >>> unknown_arguments("chat.delete", {"channel": "C1", "ts": "1.2", "timestamp": "1.2"})
    ['timestamp']
    """
    known = getattr(AsyncWebClient, name.replace(".", "_"), None)
    if known is None or name == "api.test":
        return []
    return sorted(set(args) - set(inspect.signature(known).parameters) - _OF_EVERY_METHOD)
