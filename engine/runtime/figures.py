"""Figures: what the engine's state holds, counted for those who watch it. Nothing is decided by them."""

from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from engine.core.gates import breaker, limits
from engine.core.vocabulary.ids import AgentId
from engine.runtime import wire, wire_figures
from engine.runtime.intake import Intake


class FigureKeeper:
    """Counts when it is asked."""

    def __init__(self, intake: Intake, now_us: Callable[[], int]) -> None:
        """Look at the state behind an intake."""
        self._intake, self._now_us = intake, now_us

    def handlers(self) -> dict[type[wire.Request], Callable[[Any], Awaitable[wire.AnyAnswer]]]:
        """Say which request is answered by what."""
        return {wire_figures.GetUsage: self.usage, wire_figures.GetFigures: self.figures}

    async def usage(self, request: wire_figures.GetUsage) -> wire_figures.UsageList:
        """Say what was used of each limit. One that nobody used shows as nothing used by all together."""
        usage, now_us = self._intake.state.usage, self._now_us()
        shown = []
        for limit in usage.limits:
            used = limits.used_now(usage, limit, now_us)
            wanted = {AgentId("")} if limit.per == "all" else {request.agent} if request.agent else set(used)
            shown += [
                wire_figures.UsageShown(limit=limit, agent=who or None, used=Decimal(used.get(who, 0)))
                for who in sorted(wanted)
            ]
        return wire_figures.UsageList(usage=tuple(shown))

    async def figures(self, _request: wire_figures.GetFigures) -> wire_figures.Figures:
        """Say how much waits, rests and rings."""
        state, now_us = self._intake.state, self._now_us()
        waiting = [hold for hold in state.holds.by_id.values() if hold.is_open(now_us)]
        ringing = Counter(
            (one.severity, one.stage) for one in state.escalations.by_id.values() if one.is_open
        )
        return wire_figures.Figures(
            holds=len(waiting),
            oldest_hold_us=min((hold.since_us for hold in waiting), default=None),
            next_hold_end_us=min((hold.until_us for hold in waiting), default=None),
            breakers=breaker.not_closed(state.breakers, now_us),
            escalations=tuple(
                wire_figures.Ringing(severity=severity, stage=stage, count=count)
                for (severity, stage), count in sorted(ringing.items())
            ),
            dead_channels=tuple(
                sorted(name for name, failing in state.escalations.failures.items() if failing.is_dead)
            ),
        )
