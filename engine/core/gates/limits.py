"""Rate limits: how much may be used within a sliding window, by each agent and by all of them.

What was allowed and executed counts against everybody. What was allowed in shadow counts only against other
shadowed proposals: it was never used, yet the question in shadow is what would have happened.
"""

from collections import deque
from decimal import Decimal

from msgspec import Struct, field

from engine.core.vocabulary.facts import Limit
from engine.core.vocabulary.ids import AgentId
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.units import duration_text, time_text
from engine.core.vocabulary.verdicts import Answer, Check, Verdict

GATE = "limits"
_UNUSED = Answer(gate=GATE, ruling="allow")
_ZERO = Decimal(0)


class Window(Struct):
    """What was used lately: entries `(when, how much)`, oldest first, and their sum."""

    entries: deque[tuple[int, Decimal]] = field(default_factory=deque)
    total: Decimal = _ZERO

    def used(self, since_us: int) -> Decimal:
        """Sum what was used after `since_us`, without forgetting anything."""
        total = self.total
        for at_us, amount in self.entries:
            if at_us > since_us:
                return total
            total -= amount
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
    """The limits in force and what was used under each, in live and in shadow, by agent (`""` for all)."""

    limits: tuple[Limit, ...] = ()
    live: dict[str, dict[AgentId, Window]] = {}
    shadow: dict[str, dict[AgentId, Window]] = {}


def fold_verdict(usage: Usage, verdict: Verdict) -> None:
    """Charge an allowed proposal's estimate; let what has left the windows go."""
    now_us, impact, agent = verdict.at_us, verdict.impact, verdict.agent
    lane = usage.shadow if verdict.shadowed else usage.live
    charged = verdict.word == "allow"
    for limit in usage.limits:
        by_agent = lane.setdefault(limit.id, {})
        who = agent if limit.per == "agent" else _EVERYBODY
        window = by_agent.get(who)
        amount = _amount(limit, impact) if charged else 0
        if window is None:
            if not amount:
                continue
            window = by_agent[who] = Window()
        window.forget(now_us - limit.window_us)
        if amount:
            exact = Decimal(amount)
            window.entries.append((now_us, exact))
            window.total += exact
        elif not window.entries:
            del by_agent[who]


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


def judge(usage: Usage, agent: AgentId, impact: Impact, now_us: int, shadowed: bool) -> Answer:
    """Deny what would pass a limit, saying when there will be room. Exactly at the limit is within it."""
    checks: list[Check] = []
    over: list[tuple[Limit, str]] = []
    for limit in usage.limits:
        amount = _amount(limit, impact)
        if not amount:
            continue
        since_us = now_us - limit.window_us
        windows = _windows(usage, limit, agent, shadowed=shadowed)
        used = sum((window.used(since_us) for window in windows), _ZERO) + amount
        measured = str(used) if limit.measure == "cost_usd" else int(used)
        most = str(limit.most) if limit.measure == "cost_usd" else int(limit.most)
        checks.append(Check(limit.id, measured, most))
        if used > limit.most:
            over.append((limit, _when(windows, limit, used - limit.most, since_us)))
    if not over:
        return Answer(gate=GATE, ruling="allow", checks=tuple(checks)) if checks else _UNUSED
    reasons = [
        f"{'all agents together' if limit.per == 'all' else agent} may use {limit.most} {limit.measure} in "
        f"{duration_text(limit.window_us / 1_000_000)}; {when}"
        for limit, when in over
    ]
    return Answer(
        gate=GATE,
        ruling="deny",
        reason="; ".join(reasons),
        rule=f"limits.{over[0][0].id}",
        owner="captain",
        checks=tuple(checks),
    )


_EVERYBODY = AgentId("")


def _amount(limit: Limit, impact: Impact) -> Decimal | int:
    if limit.measure == "cost_usd":
        return impact.cost_usd
    return impact.files if limit.measure == "files" else impact.api_calls


def _windows(usage: Usage, limit: Limit, agent: AgentId, *, shadowed: bool) -> list[Window]:
    who = agent if limit.per == "agent" else _EVERYBODY
    lanes = (usage.live, usage.shadow) if shadowed else (usage.live,)
    return [window for lane in lanes if (window := lane.get(limit.id, {}).get(who)) is not None]


def _when(windows: list[Window], limit: Limit, excess: Decimal, since_us: int) -> str:
    """Say when enough will have left the window."""
    waiting = sorted(entry for window in windows for entry in window.entries if entry[0] > since_us)
    for at_us, amount in waiting:
        excess -= amount
        if excess <= 0:
            return f"there is room again at {time_text(at_us + limit.window_us)}"
    return "this is more than the limit ever allows"
