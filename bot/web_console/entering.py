"""Logging in and out. A link that is looked at lets nobody in: only its button does."""

from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bot.http_api.door import Rate
from bot.http_api.problems import Problem
from bot.web_console.console import Console
from bot.web_console.guarding import COOKIE, HEADERS, Visitor, check_origin, set_session
from bot.web_console.saying import form_of
from bot.web_console.sessions import LOGIN_PATH, SESSION_US, Sessions
from engine.core.vocabulary.units import SECOND_US
from engine.errors import WatchkeeperError

_TRIES_PER_S: Final = 20
"""Of all that come: keys cannot be guessed, and this bounds the work."""
_KEY_MOST: Final = 200


def open_routes(console: Console, sessions: Sessions) -> APIRouter:
    """Make the routes that need nobody to be logged in."""
    router = APIRouter(include_in_schema=False)
    tries = Rate(_TRIES_PER_S)

    def shown(key: str, then: str, wrong: str = "", status: int = 200) -> Response:
        try:
            invited = sessions.invited(key[:_KEY_MOST]) if key else None
        except WatchkeeperError as error:
            invited, wrong, status = None, error.message, 503
        if key and invited is None and not wrong:
            wrong, status = "This link was used already, or its time is over.", 403
        values = {"invited": invited, "key": key, "then": then, "wrong": wrong}
        return console.part("login.html.j2", values, status=status)

    def counted() -> None:
        if tries.take(("", "")) > 0:
            raise Problem(
                "too-many", "too many logins at once", cure="wait a second", headers={"Retry-After": "1"}
            )

    @router.get(LOGIN_PATH)
    async def look(key: str = "", next: str = "/") -> Response:  # noqa: A002 - the name in the address
        counted()
        return shown(key, _inside(next))

    @router.post(LOGIN_PATH)
    async def enter(request: Request) -> Response:
        check_origin(request)
        counted()
        form = await form_of(request)
        then = _inside(form.get("next", "/"))
        session = sessions.log_in(form.get("key", "")[:_KEY_MOST])
        if session is None:
            return shown("", then, "This link was used already, or its time is over.", 403)
        response = RedirectResponse(then, 303, HEADERS)
        most_s = SESSION_US // SECOND_US
        set_session(response, session, is_secure=request.url.scheme == "https", most_s=most_s)
        return response

    @router.get("/console/static/{tag}/{name}")
    async def static(request: Request, tag: str, name: str) -> Response:
        found = console.templates.statics.get(name)
        if found is None or found.tag != tag:
            raise Problem("not-found", "there is no such file", cure="load the page again")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": f'"{tag}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(None, 304, headers)
        return Response(found.body, 200, headers, media_type=found.media_type)

    return router


def routes(sessions: Sessions) -> APIRouter:
    """Make the route out."""
    router = APIRouter(include_in_schema=False)

    @router.post("/logout")
    async def leave(visitor: Visitor) -> Response:
        sessions.log_out(visitor)
        response = RedirectResponse(LOGIN_PATH, 303, HEADERS)
        response.delete_cookie(COOKIE, path="/")
        return response

    return router


def _inside(path: str) -> str:
    """Return a path of this site, whatever it was: a login must lead nowhere else.

    >>> _inside("/decisions?word=deny"), _inside("//evil.example"), _inside("https://evil.example/")
    ('/decisions?word=deny', '/', '/')
    """
    parts = urlsplit(path)
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if inside and path.isprintable() and not path.startswith(LOGIN_PATH) else "/"
