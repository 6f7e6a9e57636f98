"""Time as the fake platform has it: the machine's, or one that a test moves by hand."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the platform measures answers and tokens by."""

    def now(self) -> float:
        """Return the time, seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Wait until that much of this clock's time has gone by."""


class WallClock:
    """The machine's clock, which never goes back."""

    def __init__(self) -> None:
        """Start from the date the machine has now."""
        self._ahead_s = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the time, seconds since 1970."""
        return time.monotonic() + self._ahead_s

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class HandClock:
    """A clock that stands still until somebody moves it, so that no test waits for a token to run out."""

    def __init__(self, start: float | None = None) -> None:
        """Start at a time, seconds since 1970; without one, at the machine's date."""
        self._now = time.time() if start is None else start
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Return the time, seconds since 1970."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time go by, and wake who slept until then."""
        self._now += seconds
        for until, sleeper in self._sleepers:
            if until <= self._now and not sleeper.done():
                sleeper.set_result(None)
        self._sleepers = [(until, sleeper) for until, sleeper in self._sleepers if not sleeper.done()]

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was moved that far."""
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, sleeper))
        await sleeper
