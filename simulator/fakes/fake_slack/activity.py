"""What the bot is seen to do, and waiting for it: woken by events, never by looking again and again."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

LATER_S: Final = 1.5
"""Slack's own library waits up to a second longer than it was told, so that not all come back at once."""


class Activity:
    """Knows what the bot has shown and which of its calls are under way; wakes those who wait for it."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        """The ts of every message posted or edited, in order; one that was edited stands here again."""
        self.opened: list[str] = []
        """The id of every modal opened, changed or refused, in order."""
        self.cleared = 0
        """How often something was taken away: a message deleted, a modal closed."""
        self._under_way = 0
        self._again_at = 0.0
        """Until when a call that came too often may come again, by the event loop's clock."""
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def steps(self) -> int:
        """Return how much of what a person can see has happened so far."""
        return len(self.shown) + len(self.opened) + self.cleared

    def happened(self) -> None:
        """Wake everybody who waits."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def show(self, ts: str) -> None:
        """Note that a message was posted or edited."""
        self.shown.append(ts)
        self.happened()

    def open(self, view: str) -> None:
        """Note that a modal was opened or changed."""
        self.opened.append(view)
        self.happened()

    def clear(self) -> None:
        """Note that something was taken away."""
        self.cleared += 1
        self.happened()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Hold settling open while a call or a delivery is being dealt with."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self.happened()

    def refuse_for(self, seconds: float) -> None:
        """Note that a call came too often, and may come again after so long, or somewhat later."""
        self._again_at = max(self._again_at, asyncio.get_running_loop().time() + seconds + LATER_S)

    async def next(self, *, within_s: float) -> bool:
        """Wait until something happens; tells whether it did."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait_for(future, within_s)
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    async def until(self, holds: Callable[[], bool], *, within_s: float, what: str) -> None:
        """Wait until something holds. Raises `TimeoutError`, saying `what` did not come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not holds():
            left = deadline - loop.time()
            if left <= 0 or (not await self.next(within_s=left) and not holds()):
                raise TimeoutError(f"{what} within {within_s:g} s")

    async def settle(
        self,
        *,
        is_answered: Callable[[], bool],
        is_busy: Callable[[], bool],
        quiet_s: float,
        settle_s: float,
    ) -> None:
        """Wait until the bot has finished: answered, no call under way or put off, then quiet for `quiet_s`.

        `is_busy` is what the bot itself says, and is asked again every `quiet_s`. Gives up after `settle_s`,
        which is no error: a bot may have nothing to say.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settle_s
        while (left := deadline - loop.time()) > 0:
            busy = is_busy() or loop.time() < self._again_at
            waits = not busy and (self._under_way or not is_answered())
            patience = left if waits else min(quiet_s, left)
            if not await self.next(within_s=patience) and not busy:
                return
