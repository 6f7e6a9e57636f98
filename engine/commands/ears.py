"""Ears: whether a front-end still hears people. A socket may stay open with nobody on the other end.

Anything that comes in is a sign. When nothing came for a while the front-end asks for a sign: it does
something it must hear of itself. No sign in time means deaf: others are told, and it connects anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from engine.commands.model import Front, Reply

_log = logging.getLogger("watchkeeper.ears")

QUIET_S: Final = 6.0
"""How long nothing may come in before a sign is asked for, seconds."""
DEAF_S: Final = 8.0
"""How long a sign may take, seconds: with the quiet before it well under twenty until people are told."""


class Ears:
    """Listens for signs of life of one front-end."""

    def __init__(
        self,
        front: Front,
        *,
        ask: Callable[[], Awaitable[None]],
        reconnect: Callable[[], Awaitable[None]],
        tell: Callable[[Reply], None],
        quiet_s: float = QUIET_S,
        deaf_s: float = DEAF_S,
    ) -> None:
        """`ask` does what must be heard; `tell` tells people by every other way."""
        self._front, self._ask, self._reconnect, self._tell = front, ask, reconnect, tell
        self._quiet_s, self._deaf_s = quiet_s, deaf_s
        self._sign = asyncio.Event()
        self.deaf = False

    def heard(self) -> None:
        """Note a sign: anything that came in."""
        self._sign.set()

    async def run(self) -> None:
        """Listen for ever. End it by cancelling."""
        while True:
            if await self._sign_within(self._quiet_s):
                self._hears()
                continue
            # What cannot even be asked is deaf as well: the sign will not come.
            asking = asyncio.ensure_future(self._ask())
            heard = await self._sign_within(self._deaf_s)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            if heard:
                self._hears()
                continue
            self._is_deaf()
            try:
                async with asyncio.timeout(self._deaf_s * 2):
                    await self._reconnect()
            except Exception as failed:  # noqa: BLE001 - it is tried again as long as it takes
                _log.warning("%s did not connect anew: %s", self._front, failed)

    async def _sign_within(self, seconds: float) -> bool:
        # Not `wait_for`, which on Python 3.11 may swallow that we are told to end.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._sign.wait()
            # Cleared only now: a sign may come while it is still being asked for.
            self._sign.clear()
            return True
        return False

    def _is_deaf(self) -> None:
        if not self.deaf:
            self.deaf = True
            text = (
                "What is said there does not reach us. Use another way; the terminal stops everything, too."
            )
            self._tell(Reply(title=f"{self._front} is deaf", tone="danger", text=text, private=False))

    def _hears(self) -> None:
        if self.deaf:
            self.deaf = False
            self._tell(Reply(title=f"{self._front} hears again", tone="good", private=False))
