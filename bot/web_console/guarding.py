"""Who may come in, and from where: sessions by cookie, and nothing that another site could send.

A browser sends our cookie along with whatever a page of another site makes it send. So whatever changes
something must come from a page of ours: browsers say so in `Sec-Fetch-Site`, which no page can set.
"""

from typing import Annotated, Final, cast
from urllib.parse import quote, urlsplit

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bot.http_api.door import Rate
from bot.http_api.front import Front, Presence
from bot.http_api.problems import Problem
from bot.web_console.sessions import LOGIN_PATH, Sessions
from engine.errors import WatchkeeperError
from engine.ports import Holder

COOKIE: Final = "watchkeeper"
SAFE: Final = frozenset({"GET", "HEAD"})
BY_SCRIPT: Final = "x-console"
"""The header of requests that our script makes: their answers are parts of pages."""
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types watchkeeper"
)
"""No inline script or style, no eval, no other origin; text becomes markup in one place of ours only."""
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


class NotLoggedIn(Problem):
    """Nobody is logged in here."""

    def __init__(self) -> None:
        """Say where a login link comes from."""
        super().__init__("unauthorised", "nobody is logged in here", cure="watchkeeper console makes a link")


class Guard:
    """Looks at every request of the console."""

    def __init__(self, front: Front, sessions: Sessions, *, requests_per_s: int) -> None:
        """`requests_per_s` holds for the pages of each session, and for its words."""
        self._front, self._sessions = front, sessions
        self._presence = Presence(front)
        self._rate = Rate(requests_per_s)

    async def visitor(self, request: Request) -> Holder:
        """Return who asks. Raises `NotLoggedIn`, and `Problem` for what another site sent, or too much."""
        check_origin(request)
        holder = self.holder_of(request)
        if holder is None:
            raise NotLoggedIn
        # Words have a count of their own: however many pages a session has looked at, it can still stop.
        of_what = "pages" if request.method in SAFE else "words"
        if (wait_s := self._rate.take((holder.token_id, of_what))) > 0:
            raise Problem(
                "too-many",
                f"more than {self._rate.most} requests in a second",
                cure="wait a second",
                headers={"Retry-After": str(max(1, round(wait_s)))},
            )
        holder = self._front.as_captain(holder)
        request.scope.setdefault("state", {})["holder"] = holder
        if request.method not in SAFE or BY_SCRIPT not in request.headers:
            # A page that keeps itself up to date says nothing about who sits before it.
            self._presence.saw(holder)
        return holder

    def holder_of(self, request: Request) -> Holder | None:
        """Return who a request's cookie is of. Nobody comes in where nobody can say."""
        try:
            return self._sessions.who(request.cookies.get(COOKIE, ""))
        except WatchkeeperError:
            return None


def check_origin(request: Request) -> None:
    """Refuse what changes something and does not come from a page of ours."""
    if request.method in SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "")
    # Browsers of before 2023 say nothing of the site; then the origin has to be ours.
    ours = urlsplit(origin).netloc == request.headers.get("host") if site is None else site == "same-origin"
    if not ours:
        raise Problem(
            "forbidden",
            "this did not come from a page of the console",
            cure="press the button on the console's own page",
        )


def to_login(request: Request) -> Response:
    """Send whoever is not logged in to where they can be, and back afterwards."""
    is_page = "text/html" in request.headers.get("accept", "") and BY_SCRIPT not in request.headers
    if request.method not in SAFE or not is_page:
        return Response("log in again", 401, HEADERS, media_type="text/plain")
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{LOGIN_PATH}?next={quote(asked)}", 303, HEADERS)


def set_session(response: Response, session: str, *, is_secure: bool, most_s: int) -> None:
    """Have a browser keep a session. No script reads it, and no other site's page sends it."""
    response.set_cookie(
        COOKIE, session, max_age=most_s, path="/", httponly=True, samesite="strict", secure=is_secure
    )


def visitor_of(request: Request) -> Holder:
    """Return whom the guard let in."""
    return cast("Holder", request.state.holder)


Visitor = Annotated[Holder, Depends(visitor_of)]
