"""The door: nobody gets past it without a token, and nobody comes too often."""

import math
import time
from collections import defaultdict, deque
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.http_api.front import Front, Presence
from bot.http_api.problems import Problem, of_error
from engine.errors import WatchkeeperError

OPEN: Final = frozenset({"/v1/health", "/v1/version"})
"""What is answered without a token."""
KILL: Final = "/v1/kill"
_PREFIX: Final = "/v1/"


class Rate:
    """At most so many in any second, for each name, counted by a clock that nobody can set.

    The libraries at hand count by the machine's clock: set back an hour, it would keep every busy token out
    for that hour. A second of one token is a short queue of times, and needs no library.
    """

    def __init__(self, most: int) -> None:
        """Begin empty."""
        self.most = most
        self._taken: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def take(self, name: tuple[str, str]) -> float:
        """Take one and return 0, or return how many seconds it is until there is one again."""
        taken, now_s = self._taken[name], time.monotonic()
        while taken and taken[0] <= now_s - 1:
            taken.popleft()
        if len(taken) >= self.most:
            return taken[0] + 1 - now_s
        taken.append(now_s)
        return 0.0


class Door:
    """ASGI middleware for everything below `/v1`: who asks, and how often."""

    def __init__(self, app: ASGIApp, *, front: Front, requests_per_s: int) -> None:
        """Wrap an application; `requests_per_s` holds for each token."""
        self._app, self._front = app, front
        self._presence = Presence(front)
        self._rate = Rate(requests_per_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or refuse it before anything of it is read."""
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIX) or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        token = self._token(Request(scope))
        try:
            holder = self._front.tokens.holder_of(token)
        except WatchkeeperError as error:
            raise of_error(error) from error
        if holder is None:
            raise _unauthorised("no such token, or it was revoked, or its time is over", "invalid_token")
        # The kill switch has a count of its own: whatever else a token was used for, it can still stop.
        count = "kill" if scope["path"] == KILL else "other"
        if (wait_s := self._rate.take((holder.token_id, count))) > 0:
            raise Problem(
                "too-many",
                f"more than {self._rate.most} requests in a second with this token",
                cure="wait as long as the header Retry-After says",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        scope.setdefault("state", {})["holder"] = holder
        # An answer that goes on for hours ends when its token is revoked.
        scope["state"]["still_in"] = lambda: self._front.tokens.holder_of(token) == holder
        self._presence.saw(holder)
        await self._app(scope, receive, send)

    @staticmethod
    def _token(request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            raise _unauthorised("send the header Authorization: Bearer wk_…", "")
        return token.strip()


def _unauthorised(detail: str, error: str) -> Problem:
    challenge = 'Bearer realm="watchkeeper"' + (f', error="{error}"' if error else "")
    return Problem(
        "unauthorised",
        detail,
        cure="make one: watchkeeper token create",
        headers={"WWW-Authenticate": challenge},
    )
