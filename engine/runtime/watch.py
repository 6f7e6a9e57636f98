"""The watch: what the engine looks at again and again, whether anybody asks or not."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.core.vocabulary.facts import TroubleFound, TroubleGone
from engine.core.vocabulary.units import SECOND_US, duration_text
from engine.errors import WatchkeeperError
from engine.ports import Announcer
from engine.runtime.intake import JOURNAL_TROUBLE
from engine.runtime.live import CLOCK_TROUBLE, Live

DISK_TROUBLE: Final = "disk"
# Room for what is under way to be journaled to its end. Found below the first, gone above the second, so
# that it does not come and go with every file.
_LOW_BYTES: Final = 64 << 20
_ENOUGH_BYTES: Final = 96 << 20
# How long a stop in the fence may go without its journal entry. The fence itself holds at once.
_MIRROR_S: Final = 0.05
_LOOK_S: Final = 1.0


class Watch:
    """Compares fence and journal, clock and clock, disk and need, until cancelled."""

    def __init__(
        self,
        live: Live,
        announcer: Announcer,
        home: Path,
        *,
        clock_slack_s: float,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        """`clock_slack_s` is how far the machine's clock may be off before effects wait."""
        self._live, self._announcer, self._home = live, announcer, home
        self._slack_us, self._free_bytes = round(clock_slack_s * SECOND_US), free_bytes
        self._announced_failure = False

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mirror())
            group.create_task(self._look())
            group.create_task(self._live.leases.reap())

    async def _mirror(self) -> None:
        while True:
            # What cannot be journaled is held back by the fence all the same, and journaled when it can be.
            with suppress(WatchkeeperError):
                await self._live.stops.mirror()
            await asyncio.sleep(_MIRROR_S)

    async def _look(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Look at everything once."""
        if not await self._journal():
            return
        with suppress(WatchkeeperError):
            await self._clock()
            await self._disk()
            self._live.intake.journal.maintain()

    async def _journal(self) -> bool:
        intake = self._live.intake
        failure = intake.failure
        if failure is None:
            return True
        if not self._announced_failure:
            self._announced_failure = True
            told = f"the journal cannot be written, so no effect starts: {failure}"
            self._announcer.announce("trouble", told, urgent=True)
        if not await intake.recover():
            return False
        self._announced_failure = False
        # Nobody could renew a lease meanwhile.
        self._live.leases.give_time()
        if self._live.waking is not None:
            self._live.waking.restored()
        self._announcer.announce("trouble", "the journal can be written again; work goes on", urgent=True)
        await self._live.begin()
        self._live.leases.wake()
        return True

    async def _clock(self) -> None:
        # Also what it was set back by while no engine ran: then ours counts on from the journal's newest.
        drift_us = self._live.clock.drift_us()
        if abs(drift_us) > self._slack_us:
            way = "ahead of" if drift_us > 0 else "behind"
            by = duration_text(abs(drift_us) // SECOND_US)
            await self._found(CLOCK_TROUBLE, f"the machine's clock is {by} {way} the steady one")
        else:
            await self._gone(CLOCK_TROUBLE)
            if drift_us > 0:
                # Small steps, as time servers make them, are taken over. None of them empties a window.
                self._live.clock.follow()
                self._live.clock_moved(drift_us)

    async def _disk(self) -> None:
        free = self._free_bytes(self._home)
        if free < _LOW_BYTES:
            await self._found(DISK_TROUBLE, f"only {free >> 20} MiB are free where the journal is")
        elif free > _ENOUGH_BYTES:
            await self._gone(DISK_TROUBLE)

    async def _found(self, trouble: str, detail: str) -> None:
        if trouble in self._live.intake.state.troubles.by_name:
            return
        now_us = self._live.clock.now_us()
        fact = TroubleFound(at_us=now_us, trouble=trouble, detail=detail)
        await self._live.intake.take(f"trouble:{trouble}:{now_us}", fact)
        self._announcer.announce("trouble", f"{detail}; no effect starts until that is mended", urgent=True)

    async def _gone(self, trouble: str) -> None:
        if trouble not in self._live.intake.state.troubles.by_name:
            return
        now_us = self._live.clock.now_us()
        fact = TroubleGone(at_us=now_us, trouble=trouble, by="engine")
        await self._live.intake.take(f"trouble:{trouble}:{now_us}:gone", fact)
        self._announcer.announce("trouble", f"{trouble}: mended; work goes on", urgent=True)
        self._live.leases.wake()


__all__ = ["DISK_TROUBLE", "JOURNAL_TROUBLE", "Watch"]
