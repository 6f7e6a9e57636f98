"""How often the bot may call: a bucket for each route, one for everything, and a ban for calling wrongly.

The numbers behind Discord's buckets are not published and change; only the headers are to be believed.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct, field

MOST_INVALID: Final = 10_000
INVALID_WITHIN_S: Final = 600.0


class Rates(Struct, frozen=True, kw_only=True):
    """What the platform puts up with."""

    calls: int = 40
    """Calls a route takes in one window."""
    per_s: float = 1.0
    """How long that window is, seconds."""
    everything: int = 50
    """Calls to all routes within a second; answers to interactions do not count."""
    routes: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Other numbers for some routes, such as `POST /channels/{channel_id}/messages`."""


class Pass(Struct, frozen=True, kw_only=True):
    """What a call is told of its bucket."""

    headers: dict[str, str]
    retry_after_s: float = 0.0
    """How long to wait; 0 when the call goes through."""
    is_global: bool = False


class Meter:
    """Counts calls."""

    def __init__(self, rates: Rates, now: Callable[[], float]) -> None:
        """Start empty."""
        self.rates, self._now = rates, now
        self._ends: dict[str, tuple[float, int]] = {}
        self._all: deque[float] = deque()
        self._invalid: deque[float] = deque()

    def take(self, route: str, place: str, *, counts_for_all: bool) -> Pass:
        """Count a call to a route; `place` is the channel, guild or webhook that has a bucket of its own."""
        now = self._now()
        calls, per_s = self.rates.routes.get(route, (self.rates.calls, self.rates.per_s))
        key = f"{route} {place}"
        ends, used = self._ends.get(key, (now + per_s, 0))
        if ends <= now:
            ends, used = now + per_s, 0
        used += 1
        headers = {
            "X-RateLimit-Limit": str(calls),
            "X-RateLimit-Remaining": str(max(calls - used, 0)),
            "X-RateLimit-Reset": f"{time.time() + ends - now:.3f}",
            "X-RateLimit-Reset-After": f"{ends - now:.3f}",
            "X-RateLimit-Bucket": hashlib.blake2b(route.encode(), digest_size=16).hexdigest(),
        }
        if counts_for_all:
            while self._all and self._all[0] <= now - 1.0:
                self._all.popleft()
            if len(self._all) >= self.rates.everything:
                return Pass(headers=headers, retry_after_s=self._all[0] + 1.0 - now, is_global=True)
            self._all.append(now)
        if used > calls:
            return Pass(headers=headers, retry_after_s=ends - now)
        self._ends[key] = ends, used
        return Pass(headers=headers)

    def count_invalid(self) -> None:
        """Count a call that was answered with 401, 403 or 429."""
        self._invalid.append(self._now())

    @property
    def invalid(self) -> int:
        """How many such calls there were within ten minutes."""
        while self._invalid and self._invalid[0] <= self._now() - INVALID_WITHIN_S:
            self._invalid.popleft()
        return len(self._invalid)

    @property
    def is_banned(self) -> bool:
        """Whether the address is shut out for calling wrongly too often."""
        return self.invalid >= MOST_INVALID
