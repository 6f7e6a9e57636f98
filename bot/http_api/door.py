"""The door: nobody gets past it without a token, and nobody comes too often."""

import math
import time
from collections import Counter, defaultdict, deque
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.http_api.front import Front, Presence
from bot.http_api.problems import Problem, of_error
from engine.errors import WatchkeeperError
from engine.ports import Holder

OPEN: Final = frozenset({"/v1/health", "/v1/version"})
"""What is answered without a token."""
SIGNED: Final = ("/v1/twilio/", "/v1/events/")
"""What lies below proves who asks by a signature of its own: bot/http_api/phone.py and events.py."""
KILL: Final = "/v1/kill"
METRICS: Final = "/v1/metrics"
"""Scraped by a machine with a person's token: nobody is at the controls because of that."""
BODIES: Final = "/v1/body/"
"""What lies below is for bodies, and a body's token is good for nothing else."""
_PREFIX: Final = "/v1/"
MOST_AT_ONCE: Final = 64
"""How many requests of one token may be under way at once: each that waits holds a connection."""


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
        self._under_way: Counter[tuple[str, str]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or refuse it before anything of it is read."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path in OPEN or not path.startswith(_PREFIX) or path.startswith(SIGNED):
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
        count = (holder.token_id, "kill" if scope["path"] == KILL else "other")
        if self._under_way[count] >= MOST_AT_ONCE:
            raise Problem(
                "too-many",
                f"{MOST_AT_ONCE} requests with this token are under way",
                cure="wait for some of them, or ask with a smaller wait_s",
                headers={"Retry-After": "1"},
            )
        if (wait_s := self._rate.take(count)) > 0:
            raise Problem(
                "too-many",
                f"more than {self._rate.most} requests in a second with this token",
                cure="wait as long as the header Retry-After says",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        if (holder.kind == "body") != scope["path"].startswith(BODIES):
            raise _other_door(holder)
        given, holder = holder, self._front.as_captain(holder)
        scope.setdefault("state", {})["holder"] = holder
        # An answer that goes on for hours ends when its token is revoked.
        scope["state"]["still_in"] = lambda: self._front.tokens.holder_of(token) == given
        if path != METRICS:
            self._presence.saw(holder)
        self._under_way[count] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[count] -= 1

    @staticmethod
    def _token(request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            raise _unauthorised("send the header Authorization: Bearer wk_…", "")
        return token.strip()


def _other_door(holder: Holder) -> Problem:
    """Refuse a body that asks for anything else, and whoever else asks for its work."""
    if holder.kind == "body":
        return Problem(
            "forbidden",
            f"{holder.name} is a body: its token performs effects, and opens nothing else",
            cure="use an agent's or a person's token: watchkeeper token create",
        )
    return Problem(
        "forbidden",
        f"only bodies perform effects, and {holder.name} is none",
        cure="use a body's token: watchkeeper token create --body NAME",
    )


def _unauthorised(detail: str, error: str) -> Problem:
    challenge = 'Bearer realm="watchkeeper"' + (f', error="{error}"' if error else "")
    return Problem(
        "unauthorised",
        detail,
        cure="make one: watchkeeper token create",
        headers={"WWW-Authenticate": challenge},
    )
