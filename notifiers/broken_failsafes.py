"""Broken failsafes: what the supervisor, or a timer, announced of one that did not work wakes somebody.

The supervisor talks to nobody, so that it depends on nothing; it writes down what it has to say. Whoever can
reach people reads it there.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from engine.adapters.announcements import Announcement, Announcements
from engine.errors import WatchkeeperError
from engine.runtime.wire_escalations import RaiseEscalation
from notifiers.pager import Engine

FAILSAFE: Final = "failsafe"
"""The kind of announcement that is meant."""
_LOOK_S: Final = 1.0
_BACK_US: Final = 60_000_000
"""How far back it is looked at the start: what was said while nobody was there to hear it."""
_MOST: Final = 200


class BrokenFailsafes:
    """Has the engine wake somebody for each."""

    def __init__(
        self,
        announcements: Announcements,
        engine: Engine,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`now_us` is the clock that announcements are stamped by."""
        self._announcements, self._engine = announcements, engine
        self._heard_us = now_us() - _BACK_US

    async def run(self) -> None:
        """Listen, for ever. End it by cancelling."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Raise what is new. What cannot be raised now is raised by the next look."""
        for said in await asyncio.to_thread(self._announcements.recent, _MOST):
            if said.kind != FAILSAFE or said.at_us <= self._heard_us:
                continue
            try:
                await self._engine.ask(_raising(said))
            except WatchkeeperError:
                return
            self._heard_us = said.at_us


def _raising(said: Announcement) -> RaiseEscalation:
    return RaiseEscalation(
        key=f"{FAILSAFE}:{said.at_us}",
        group=FAILSAFE,
        kind="failsafe",
        severity="critical",
        summary="a failsafe did not work",
        evidence=(said.text,),
        by="supervisor",
    )
