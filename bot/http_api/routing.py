"""How every route reads a request: what is accepted, which bodies, and JSON that means one thing only."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.problems import Fault, Problem

JSON: Final = "application/json"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRequest(Request):
    """A request whose JSON is read strictly: no NaN, no half characters, no bottomless nesting."""

    async def json(self) -> Any:
        """Return the body. Raises a problem, which the framework lets through as it is."""
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json = msgspec.json.decode(body)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as wrong:
                why = "nested too deeply" if isinstance(wrong, RecursionError) else str(wrong)
                raise Problem(
                    "invalid",
                    f"the body is not JSON as RFC 8259 has it: {why}",
                    cure="numbers are finite, texts are whole characters in UTF-8",
                    faults=(Fault(place="body", pointer="", detail=why),),
                ) from None
        return self._json


class StrictRoute(APIRoute):
    """A route that checks Accept and Content-Type before it reads a body."""

    def get_route_handler(self) -> Handler:
        """Wrap the framework's handler."""
        handler = super().get_route_handler()
        offered = tuple(_offered(self.responses))
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            check_accept(request, offered)
            if takes_body:
                _check_body_type(request)
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def _offered(responses: dict[int | str, dict[str, Any]]) -> list[str]:
    found = [
        media_type
        for status, response in responses.items()
        if str(status).startswith("2")
        for media_type in response.get("content", {})
    ]
    return found or [JSON]


def check_accept(request: Request, offered: tuple[str, ...]) -> str:
    """Return the offered media type that a request likes best. Raises a problem when it likes none."""
    accept = ",".join(request.headers.getlist("accept"))
    if not accept.strip():
        return offered[0]
    wishes = [_wish(part) for part in accept.split(",") if part.strip()]
    best = max(offered, key=lambda media_type: _liking(media_type, wishes))
    if _liking(best, wishes) <= 0:
        raise Problem(
            "not-acceptable", f"this is given as {' or '.join(offered)}", cure="accept one of these"
        )
    return best


def _wish(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip().casefold() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media_range, float(value)
            except ValueError:
                return media_range, 0.0
    return media_range, 1.0


def _liking(media_type: str, wishes: list[tuple[str, float]]) -> float:
    """How much a media type is liked, 0 to 1: the most exact range that covers it says so."""
    for media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        for wished, liking in wishes:
            if wished == media_range:
                return liking
    return 0.0


def _check_body_type(request: Request) -> None:
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.casefold().replace('"', "").replace(" ", "").partition("charset=")[2]
    if has_body and (kind.strip().casefold() != JSON or charset not in {"", "utf-8", "utf8"}):
        raise Problem(
            "wrong-media-type",
            "bodies are JSON in UTF-8",
            cure=f"send the header Content-Type: {JSON}",
        )
