"""What a scrape gathers: from the engine while it answers, from the fence and the journal in any case."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from bot.http_api.front import Front
from bot.http_api.metric_page import Page, Printer
from engine.adapters.counts_view import CountsSeen
from engine.adapters.kpi_view import PIECE
from engine.core.kpis import counting
from engine.core.kpis.standing import KpiStanding
from engine.core.vocabulary.ids import CapabilityId, capability_name, capability_version
from engine.core.vocabulary.units import SECOND_US
from engine.errors import WatchkeeperError
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.wire_figures import Figures, GetFigures, GetUsage, UsageList

_Each = TypeVar("_Each")
FRESH_S: Final = 1.0
"""For how long a page is given again instead of being gathered anew, however many scrape."""
_ENGINE_S: Final = 2.0
_SCOPES: Final = ("all", "agent", "capability", "action")
_TROUBLES: Final = ("clock", "disk", "journal")
"""Said to be 0 while they are not there, so that an alert on them has something to end by."""
_MOST_NAMES: Final = counting.MOST_NAMES


class Watching:
    """Makes the pages of one front."""

    def __init__(self, front: Front) -> None:
        """Nothing is gathered yet."""
        self._front, self._printer = front, Printer()
        self._one = asyncio.Lock()
        self._page, self._made_s = Page(), float("-inf")
        self._written: dict[str, tuple[bytes, str]] = {}

    async def page(self, media_type: str) -> tuple[bytes, str]:
        """Return a page that is at most a second old, and its content type."""
        loop = asyncio.get_running_loop()
        async with self._one:
            if loop.time() - self._made_s >= FRESH_S:
                self._page = await self._gathered()
                self._made_s = loop.time()
                self._written.clear()
            if media_type not in self._written:
                self._written[media_type] = self._printer.write(self._page, media_type)
            return self._written[media_type]

    async def _gathered(self) -> Page:
        front, page = self._front, Page()
        page.say("front_info", version=front.version)
        page.put("front_start_time_seconds", front.started_us / SECOND_US)
        front.requests.put(page)
        put_stops(page, await asyncio.to_thread(front.fence.stops))
        await self._ask_engine(page)
        await self._read_journal(page)
        put_kpis(page, front.kpis_last)
        return page

    async def _ask_engine(self, page: Page) -> None:
        """Ask it three things at once. Where it said nothing lately it is not waited for."""
        front, loop = self._front, asyncio.get_running_loop()
        began_s, answered = loop.time(), None
        if front.hearing.engine_answers:
            asking = (
                front.ask(wire.GetStatus(), wire.EngineStatus, timeout_s=_ENGINE_S),
                front.ask(GetUsage(), UsageList, timeout_s=_ENGINE_S),
                front.ask(GetFigures(), Figures, timeout_s=_ENGINE_S),
            )
            try:
                answered = await asyncio.gather(*asking)
            except WatchkeeperError:
                answered = None
        page.put("engine_up", answered is not None)
        if answered is not None:
            status, usage, figures = answered
            page.put("engine_answer_seconds", loop.time() - began_s)
            put_status(page, status)
            put_usage(page, usage)
            put_figures(page, figures)

    async def _read_journal(self, page: Page) -> None:
        try:
            seen = await self._front.counted(PIECE)
        except WatchkeeperError:
            page.put("journal_readable", 0)
            return
        page.put("journal_readable", 1)
        put_journal(page, seen)


def put_stops(page: Page, stops: Iterable[Stop]) -> None:
    """Put in how many stops there are of each kind, none included."""
    kinds = Counter(stop.scope.kind for stop in stops)
    for kind in _SCOPES:
        page.put("stops", kinds[kind], kind)


def put_status(page: Page, status: wire.EngineStatus) -> None:
    """Put in how the engine is."""
    page.say("engine_info", version=status.version, policy=status.policy_hash[:12])
    page.put("engine_start_time_seconds", status.started_us / SECOND_US)
    page.put("engine_draining", status.draining)
    for trouble in sorted({*_TROUBLES, *status.troubles}):
        page.put("trouble", trouble in status.troubles, trouble)
    for name, live in _first(sorted(status.live.items())):
        page.put("rollout_stage", 1, name, capability_version(CapabilityId(live)), "live")
    for rollout in _first(status.rollouts):
        page.put("rollout_paused", bool(rollout.paused), rollout.name)
        if rollout.candidate is not None:
            labels = capability_name(rollout.candidate), capability_version(rollout.candidate)
            page.put("rollout_stage", 1, *labels, rollout.stage)
            page.put("rollout_share_ratio", rollout.share, *labels)
    for agent in sorted(status.agents, key=lambda seen: -seen.last_us)[:_MOST_NAMES]:
        page.put("agent_last_seen_timestamp_seconds", agent.last_us / SECOND_US, agent.agent)


def put_usage(page: Page, usage: UsageList) -> None:
    """Put in every limit, and what is used of it: of those for each agent, by those who used most."""
    limits = {each.limit.id: each.limit for each in usage.usage}
    for limit in limits.values():
        page.put("limit_most", float(limit.most), limit.id, limit.measure)
        page.put("limit_window_seconds", limit.window_us / SECOND_US, limit.id, limit.measure)
        used = [each for each in usage.usage if each.limit.id == limit.id]
        for each in sorted(used, key=lambda one: -one.used)[:_MOST_NAMES]:
            page.put("limit_used", float(each.used), limit.id, limit.measure, each.agent or "")


def put_figures(page: Page, figures: Figures) -> None:
    """Put in what waits, rests and rings."""
    page.put("holds_open", figures.holds)
    if figures.oldest_hold_us is not None:
        page.put("hold_oldest_start_timestamp_seconds", figures.oldest_hold_us / SECOND_US)
    if figures.next_hold_end_us is not None:
        page.put("hold_next_end_timestamp_seconds", figures.next_hold_end_us / SECOND_US)
    for breaker in _first(figures.breakers):
        page.put("breaker_state", 1, breaker.capability, breaker.action, breaker.state)
    for ringing in figures.escalations:
        page.put("escalations_open", ringing.count, ringing.severity, ringing.stage)
    for channel in _first(figures.dead_channels):
        page.put("channel_dead", 1, channel)


def put_journal(page: Page, seen: CountsSeen) -> None:
    """Put in how the journal is, and what was counted in it.

    Counts that were never whole are left out: what happened long ago would look like a rush of today.
    """
    page.put("journal_records", seen.records)
    page.put("journal_size_bytes", seen.size_bytes)
    page.put("journal_free_bytes", seen.free_bytes)
    page.put("journal_uncounted_records", seen.behind)
    page.put("effects_queued", seen.queued)
    page.put("effects_running", seen.running)
    if seen.caught_up:
        _put_counts(page, seen.counts)


def _put_counts(page: Page, counts: counting.Counts) -> None:
    if counts.now_us:
        page.put("journal_last_record_timestamp_seconds", counts.now_us / SECOND_US)
    for name, by_labels in counts.totals.items():
        for labels, count in by_labels.items():
            page.put(f"{name}_total", count, *labels)
    for basis, usd in counts.dollars.items():
        page.put("cost_dollars_total", float(usd), basis)
    for name, span in counts.spans.items():
        page.spread(_SPANS[name], counting.BOUNDS_S[name], span.buckets, span.sum_us / SECOND_US)
    for role, at_us in counts.seen_us.items():
        page.put("person_last_seen_timestamp_seconds", at_us / SECOND_US, role)
    if counts.snapshot_us:
        page.put("snapshot_last_timestamp_seconds", counts.snapshot_us / SECOND_US)
        page.put("snapshot_last_size_bytes", counts.snapshot_bytes)


_SPANS: Final = {
    "hold_wait": "hold_wait_seconds",
    "acknowledge": "escalation_acknowledge_seconds",
    "effect": "effect_duration_seconds",
}


def put_kpis(page: Page, kpis: Iterable[KpiStanding]) -> None:
    """Put in what KPIs come to, and what they should."""
    for kpi in kpis:
        for bound, target in (("at_least", kpi.at_least), ("at_most", kpi.at_most)):
            if target is not None:
                page.put("kpi_target", target, kpi.name, bound)
        if kpi.value is not None:
            page.put("kpi_value", kpi.value, kpi.name)
            page.put("kpi_missed", kpi.word == "missed", kpi.name)


def _first(found: Sequence[_Each]) -> Sequence[_Each]:
    return found[:_MOST_NAMES]
