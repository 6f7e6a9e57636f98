"""How often a bot may call: one message a second and channel, and refusals that a script asks for."""

import math
from collections.abc import Callable
from typing import Final

from simulator.fakes.fake_slack.refused import Refused

BURST: Final = 10
"""How many messages a channel takes at once before one a second counts. Slack only says it allows bursts."""


class TooOften(Refused):
    """A call that comes too often, answered with 429 and `Retry-After`."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("ratelimited")
        self.retry_after_s = math.ceil(retry_after_s)
        """Whole seconds, as the header has them."""


class Limits:
    """Counts calls, and says no."""

    def __init__(self, *, clock: Callable[[], float], burst: int = BURST) -> None:
        self._clock = clock
        self._burst = burst
        self._room: dict[str, tuple[float, float]] = {}
        """By channel: how many messages fit, and when that was so."""
        self._limited = 0
        self._retry_after_s = 0.0
        self._failing = 0
        self._status = 500
        self.refused = 0
        """How many calls came too often."""

    def limit(self, *, calls: int, retry_after_s: float) -> None:
        """Refuse this many of the following calls."""
        self._limited, self._retry_after_s = calls, retry_after_s

    def fail(self, *, calls: int, status: int) -> None:
        """Answer this many of the following calls with an HTTP error."""
        self._failing, self._status = calls, status

    def one_call(self) -> int | None:
        """Count one call; returns the HTTP error it is to get. Raises `TooOften`."""
        if self._limited > 0:
            self._limited -= 1
            self.refused += 1
            raise TooOften(self._retry_after_s)
        if self._failing > 0:
            self._failing -= 1
            return self._status
        return None

    def one_message(self, channel: str) -> None:
        """Count one message to a channel. Raises `TooOften`."""
        now = self._clock()
        room, then = self._room.get(channel, (float(self._burst), now))
        room = min(float(self._burst), room + (now - then))
        if room < 1:
            self._room[channel] = (room, now)
            self.refused += 1
            raise TooOften(1 - room)
        self._room[channel] = (room - 1, now)
