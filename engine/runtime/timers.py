"""Timers: APScheduler as the clock, and nothing but the clock.

Every firing is a fact keyed by its schedule and the time it was due, so a second scheduler would change
nothing. What must survive a restart lies in the journal.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from msgspec import Struct

from engine.core.kpis.uptime import TICK
from engine.core.vocabulary.facts import TimePassed
from engine.core.vocabulary.units import MINUTE_US
from engine.errors import WatchkeeperError
from engine.ports import Announcer, Durability
from engine.runtime.crontab import crontab
from engine.runtime.live import Live
from engine.runtime.wire_escalations import RaiseEscalation

_log = logging.getLogger(__name__)
MINUTE: Final = TICK


class DrillPlan(Struct, frozen=True, kw_only=True):
    """A drill that comes round by itself."""

    ladder: str
    cron: str
    """Minute, hour, day, month and weekday, as cron reads them."""
    zone: str


class Timers:
    """The schedules of one engine."""

    def __init__(
        self,
        live: Live,
        announcer: Announcer,
        *,
        snapshot_every_s: float,
        tidy: Callable[[], Awaitable[None]],
        drills: Iterable[DrillPlan] = (),
    ) -> None:
        """`snapshot_every_s` of 0 means only by hand. `tidy` lets go of what is kept long enough."""
        self._live, self._announcer, self._tidy = live, announcer, tidy
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1})
        add = self._scheduler.add_job
        add(self.minute, CronTrigger(second=0, timezone=UTC), misfire_grace_time=None)
        add(self.hour, CronTrigger(minute=0, timezone=UTC), misfire_grace_time=None)
        if snapshot_every_s:
            every = IntervalTrigger(seconds=round(snapshot_every_s), timezone=UTC)
            add(self.snapshot, every, misfire_grace_time=None)
        for plan in drills:
            # A drill that was missed is not made up for: it would ring at another hour than people agreed to.
            add(self.drill, crontab(plan.cron, plan.zone), args=(plan,))

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """End at once; what is under way comes to its end by itself."""
        self._scheduler.shutdown(wait=False)

    async def minute(self) -> None:
        """Tell the core that time passed, and let go of what was kept long enough."""
        due_us = self._live.clock.now_us() // MINUTE_US * MINUTE_US
        fact = TimePassed(at_us=due_us, schedule=MINUTE)
        await self._quietly(
            self._live.intake.take(f"time:{MINUTE}:{due_us}", fact, durability=Durability.RELAXED)
        )
        await self._quietly(self._live.answers.finish())
        await self._quietly(self._tidy())

    async def hour(self) -> None:
        """Write state down, so that a start is quick."""
        try:
            self._live.intake.snapshot()
        except WatchkeeperError as failure:
            _log.warning("state could not be written down: %s", failure)

    async def snapshot(self) -> None:
        """Copy journal, configuration and workspace."""
        try:
            saved = await self._live.save_snapshot()
        except WatchkeeperError as failure:
            self._announcer.announce("failsafe", f"the snapshot failed: {failure}", urgent=True)
            return
        _log.info("snapshot %s at %s", saved.snapshot_id, datetime.now(UTC).isoformat(timespec="seconds"))

    async def drill(self, plan: DrillPlan) -> None:
        """Ring a ladder for practice."""
        due_us = self._live.clock.now_us() // MINUTE_US * MINUTE_US
        await self._quietly(
            self._live.answer(
                RaiseEscalation(
                    key=f"drill:{plan.ladder}:{due_us}",
                    kind="drill",
                    # Quiet hours hold: what is rehearsed is nothing that could break them.
                    severity="warning",
                    summary=f"Drill of the ladder {plan.ladder}",
                    by="schedule",
                    ladder=plan.ladder,
                )
            )
        )

    @staticmethod
    async def _quietly(work: Awaitable[object]) -> None:
        """What fails here was announced where it failed, and the next firing tries again."""
        try:
            await work
        except WatchkeeperError as failure:
            _log.warning("a timer could not do its work: %s", failure)
