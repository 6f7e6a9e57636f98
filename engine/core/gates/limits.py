"""Rate limits: how much may be used within a sliding window, by each agent and by all of them.

What was allowed and executed counts against everybody. What was allowed in shadow counts only against other
shadowed proposals: it was never used, yet the question in shadow is what would have happened.
"""

from collections import deque
from decimal import Decimal
from functools import lru_cache

from msgspec import Struct, field

from engine.core.vocabulary.facts import Limit, Measured
from engine.core.vocabulary.ids import AgentId
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.units import SECOND_US, duration_text, time_text
from engine.core.vocabulary.verdicts import Answer, Check, Verdict, Wait

GATE = "limits"
_UNUSED = Answer(gate=GATE, ruling="allow", rule="limits.windows", owner="captain")
_ZERO = Decimal(0)


class Window(Struct):
    """What was used lately: entries `(when, how much)`, oldest first, never none, and their sum."""

    entries: deque[tuple[int, Decimal]] = field(default_factory=deque)
    total: Decimal = _ZERO

    def since(self, since_us: int) -> Decimal:
        """Sum up what was used after `since_us`: what is older stays in `total` until the next charge."""
        used = self.total
        for at_us, past in self.entries:
            if at_us > since_us:
                return used
            used -= past
        return _ZERO

    def forget(self, until_us: int) -> None:
        """Drop what was used at or before `until_us`."""
        entries = self.entries
        while entries and entries[0][0] <= until_us:
            self.total -= entries.popleft()[1]
        if not entries:
            # Not 0.00: a sum must read the same whether its window was emptied now or tidied away before.
            self.total = _ZERO


class Usage(Struct):
    """The limits in force and what was used under each, by limit and agent (`""` for all agents together)."""

    limits: tuple[Limit, ...] = ()
    live: dict[str, dict[AgentId, Window]] = {}
    """What was really used."""
    shadow: dict[str, dict[AgentId, Window]] = {}
    """What would have been used, had everything allowed in shadow been executed beside it."""


def fold_verdict(usage: Usage, verdict: Verdict) -> None:
    """Charge an allowed proposal's estimate; let what has left those windows go."""
    if verdict.word != "allow":
        return
    _charge(usage.shadow, usage.limits, verdict)
    if not verdict.shadowed:
        _charge(usage.live, usage.limits, verdict)


def _charge(lane: dict[str, dict[AgentId, Window]], limits: tuple[Limit, ...], verdict: Verdict) -> None:
    now_us, agent, amounts = verdict.at_us, verdict.agent, _amounts(verdict.impact)
    for limit in limits:
        amount = amounts[limit.measure]
        if not amount:
            continue
        by_agent = lane.get(limit.id)
        if by_agent is None:
            by_agent = lane[limit.id] = {}
        who = agent if limit.per == "agent" else _EVERYBODY
        window = by_agent.get(who)
        if window is None:
            window = by_agent[who] = Window()
        elif window.entries[0][0] <= now_us - limit.window_us:
            window.forget(now_us - limit.window_us)
        window.entries.append((now_us, amount))
        window.total += amount


def trim(usage: Usage, now_us: int) -> None:
    """Drop everything that no longer counts, so that equal states have equal bytes."""
    for lane in (usage.live, usage.shadow):
        for limit in usage.limits:
            by_agent = lane.get(limit.id, {})
            for who in list(by_agent):
                by_agent[who].forget(now_us - limit.window_us)
                if not by_agent[who].entries:
                    del by_agent[who]
            if not by_agent:
                lane.pop(limit.id, None)


def judge(usage: Usage, agent: AgentId, impact: Impact, now_us: int, *, shadowed: bool) -> Answer:
    """Deny what would pass a limit, saying when there will be room. Exactly at the limit is within it.

    What is larger than a whole window is held for the limit's owner instead: no waiting makes room for it,
    so only a person can say whether it should be (ADR 7).
    """
    checks: list[Check] = []
    over: list[tuple[Limit, Decimal]] = []
    lane = usage.shadow if shadowed else usage.live
    amounts = _amounts(impact)
    for limit in usage.limits:
        measure, most = limit.measure, limit.most
        used = amounts[measure]
        if not used:
            continue
        window = lane.get(limit.id, _NOBODY).get(agent if limit.per == "agent" else _EVERYBODY)
        if window is not None:
            since_us = now_us - limit.window_us
            used += window.total if window.entries[0][0] > since_us else window.since(since_us)
        if measure == "cost_usd":
            # Added to a plain zero, 1E+1 reads 10, as it does beside an emptied window: replays compare
            # bytes.
            checks.append(Check(limit.id, str(used + _ZERO), str(most)))
        else:
            checks.append(Check(limit.id, _count(used), _count(most)))
        if used > most:
            over.append((limit, used - most))
    if not over:
        if not checks:
            return _UNUSED
        owner = usage.limits[0].owner
        return Answer(gate=GATE, ruling="allow", rule="limits.windows", owner=owner, checks=tuple(checks))
    beyond = [limit for limit, _ in over if amounts[limit.measure] > limit.most]
    reasons = [
        f"{'all agents together' if limit.per == 'all' else agent} may use {limit.most} {limit.measure} in "
        f"{duration_text(limit.window_us / SECOND_US)}; {_room_again(lane, limit, agent, excess, now_us)}"
        for limit, excess in over
    ]
    owner = over[0][0].owner
    return Answer(
        gate=GATE,
        ruling="escalate" if len(beyond) == len(over) else "deny",
        reason="; ".join(reasons),
        rule=f"limits.{over[0][0].id}",
        owner=owner,
        checks=tuple(checks),
        waits=(Wait(kind="person", role=owner),) if len(beyond) == len(over) else (),
    )


_EVERYBODY = AgentId("")
_NOBODY: dict[AgentId, Window] = {}


def _amounts(impact: Impact) -> dict[Measured, Decimal]:
    return {
        "cost_usd": impact.cost_usd,
        "files": _whole(impact.files),
        "api_calls": _whole(impact.api_calls),
    }


# Counts are small numbers that come again and again, and turning one into the other costs more than asking.
_whole = lru_cache(maxsize=1024)(Decimal)
_count = lru_cache(maxsize=1024)(int)


def _room_again(
    lane: dict[str, dict[AgentId, Window]], limit: Limit, agent: AgentId, excess: Decimal, now_us: int
) -> str:
    """Say when enough will have left the window."""
    window = lane.get(limit.id, {}).get(agent if limit.per == "agent" else _EVERYBODY)
    for at_us, amount in window.entries if window is not None else ():
        if at_us > now_us - limit.window_us:
            excess -= amount
            if excess <= 0:
                return f"there is room again at {time_text(at_us + limit.window_us)}"
    return "this alone is more than the limit allows, so a person must"
