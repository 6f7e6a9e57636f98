"""Counting for pages: what agents, rules and nights came to lately, once for all viewers."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from msgspec import Struct

from bot.http_api.front import Front
from engine.adapters.machine_time import now_us
from engine.commands import nights
from engine.commands.deeds import COUNTED, Deeds
from engine.commands.lately import DAYS, Lately
from engine.core.vocabulary.units import DAY_US
from engine.errors import WatchkeeperError
from engine.ports import DecisionsReader

_BREATH_S: Final = 0.05
"""Between two pieces, so that whoever asks for anything else gets their turn."""
_Answer = TypeVar("_Answer")


class Counted(Struct, frozen=True):
    """An answer, and how far it can be relied on."""

    since_us: int
    """From when on everything is counted."""
    is_whole: bool
    """Whether that is as far back as it is meant to go; otherwise the rest is being counted."""


class Counting:
    """Counts once from the start on, and then while somebody looks, in pieces; what was added is read on."""

    def __init__(self, front: Front) -> None:
        """Nothing is counted yet."""
        self._front = front
        self._deeds, self._nights = Deeds(), nights.Nights()
        self._of_deeds = Lately(COUNTED, begin=self._deeds.begin)
        self._of_nights = Lately(nights.KEPT, begin=self._nights.begin, days=nights.DAYS)
        self._at_it: set[Lately] = set()

    def begin(self) -> None:
        """Count before anybody looks, so that whoever is first need not wait."""
        for lately in (self._of_nights, self._of_deeds):
            self._behind(lately)

    async def deeds(self, question: Callable[[Deeds, int], _Answer]) -> tuple[_Answer, Counted]:
        """Ask about deeds; the question also gets since when they count. Raises as reading a journal does."""
        return await self._ask(self._of_deeds, lambda since_us: question(self._deeds, since_us), DAYS)

    async def nights(self, question: Callable[[nights.Nights, int], _Answer]) -> tuple[_Answer, Counted]:
        """Ask about nights, likewise."""
        return await self._ask(
            self._of_nights, lambda since_us: question(self._nights, since_us), nights.DAYS
        )

    async def _ask(
        self, lately: Lately, question: Callable[[int], _Answer], days: int
    ) -> tuple[_Answer, Counted]:
        def look(journal: DecisionsReader) -> tuple[_Answer, Counted]:
            since_us = now_us() - days * DAY_US
            lately.look(journal, now_us())
            answer, reached_us = lately.read(lambda: question(since_us))
            return answer, Counted(max(since_us, reached_us or 0), reached_us is None)

        answer, counted = await self._front.look(look)
        if not counted.is_whole:
            self._behind(lately)
        return answer, counted

    def _behind(self, lately: Lately) -> None:
        if lately not in self._at_it:
            self._at_it.add(lately)
            self._front.behind(self._go_on(lately))

    async def _go_on(self, lately: Lately) -> None:
        """Count the rest. Nobody waits for it."""
        try:
            is_left = True
            while is_left:
                is_left = await self._front.look(lambda journal: lately.look(journal, now_us()))
                await asyncio.sleep(_BREATH_S)
        except WatchkeeperError:
            # Whoever looks next is told, and has it tried again.
            return
        finally:
            self._at_it.discard(lately)
