"""Rate limits: how much may be used within a sliding window, by each agent and by all of them.

What was allowed and executed counts against everybody. What was allowed in shadow counts only against other
shadowed proposals: it was never used, yet the question in shadow is what would have happened.
"""

from collections import deque
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any

from msgspec import Struct, field

from engine.core.vocabulary.facts import Limit, Measured
from engine.core.vocabulary.ids import AgentId
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.units import SECOND_US, duration_text, time_text
from engine.core.vocabulary.verdicts import Answer, Check, Verdict, Wait

GATE = "limits"
_UNUSED = Answer(gate=GATE, ruling="allow", rule="limits.windows", owner="captain")
_ZERO = Decimal(0)

Amount = int | Decimal
"""Files and calls are counted in whole numbers, money is exact: both add up without rounding."""


class Window(Struct):
    """What was used lately: entries `(when, how much)`, oldest first, never none, and their sum.

    What is too old to count stays in it until the next charge.
    """

    entries: deque[tuple[int, Amount]] = field(default_factory=deque)
    total: Amount = 0

    def forget(self, until_us: int) -> None:
        """Drop what was used at or before `until_us`."""
        entries, total = self.entries, self.total
        while entries and entries[0][0] <= until_us:
            total -= entries.popleft()[1]
        # Not 0.00: a sum must read the same whether its window was emptied now or tidied away before.
        self.total = total if entries else 0


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
    _charge(usage.shadow, usage.limits, verdict.agent, verdict.impact, verdict.at_us)
    if not verdict.shadowed:
        _charge(usage.live, usage.limits, verdict.agent, verdict.impact, verdict.at_us)


def fold_granted(usage: Usage, agent: AgentId, impact: Impact, at_us: int) -> None:
    """Charge what was held and is let run now: it counts from this moment, not from when it was proposed."""
    _charge(usage.shadow, usage.limits, agent, impact, at_us)
    _charge(usage.live, usage.limits, agent, impact, at_us)


def _charge(
    lane: dict[str, dict[AgentId, Window]],
    limits: tuple[Limit, ...],
    agent: AgentId,
    impact: Impact,
    now_us: int,
) -> None:
    for measure, _, rows in _read(limits):
        amount: Amount = getattr(impact, measure)
        if not amount:
            continue
        for name, each, window_us, _, _, _ in rows:
            by_agent = lane.get(name)
            if by_agent is None:
                by_agent = lane[name] = {}
            who = agent if each else _EVERYBODY
            window = by_agent.get(who)
            if window is None:
                window = by_agent[who] = Window()
            elif window.entries[0][0] <= now_us - window_us:
                window.forget(now_us - window_us)
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


def used_now(usage: Usage, limit: Limit, now_us: int) -> dict[AgentId, Amount]:
    """Return what still counts of a limit, by agent; under `""` for all together. Who used nothing is not in.

    Changes nothing: what has left the windows stays until the next charge.
    """
    since_us = now_us - limit.window_us
    found: dict[AgentId, Amount] = {}
    for who, window in usage.live.get(limit.id, {}).items():
        left = sum((amount for at_us, amount in window.entries if at_us > since_us), _ZERO)
        if left:
            found[who] = left
    return found


def judge(
    usage: Usage,
    agent: AgentId,
    impact: Impact,
    now_us: int,
    shadowed: bool,  # noqa: FBT001 - it runs for every proposal, and keywords are slower
) -> Answer:
    """Deny what would pass a limit, saying when there will be room. Exactly at the limit is within it.

    What is larger than a whole window is held for the limit's owner instead: no waiting makes room for it,
    so only a person can say whether it should be (ADR 7).
    """
    checks: list[Check] = []
    over: list[tuple[Limit, Amount]] = []
    lane = usage.shadow if shadowed else usage.live
    for measure, money, rows in _read(usage.limits):
        amount: Any = getattr(impact, measure)
        if not amount:
            continue
        for name, each, window_us, most, shown, limit in rows:
            used = amount
            window = lane.get(name, _NOBODY).get(agent if each else _EVERYBODY)
            if window is not None:
                since_us = now_us - window_us
                used += window.total
                for at_us, past in window.entries:
                    if at_us > since_us:
                        break
                    used -= past
                else:
                    # Not the sum less itself, which has the places of what was in it: 1 would read 1.00.
                    used = amount
            # Added to a plain zero, 1E+1 reads 10, as it does beside an emptied window: bytes are compared.
            checks.append(Check(name, str(used + _ZERO) if money else used, shown))
            if used > most:
                over.append((limit, used - most))
    if over:
        return _passed(over, tuple(checks), lane, agent, impact, now_us)
    if not checks:
        return _UNUSED
    owner = usage.limits[0].owner
    return Answer(gate=GATE, ruling="allow", rule="limits.windows", owner=owner, checks=tuple(checks))


def _passed(  # noqa: PLR0917 - what `judge` has at hand; within it, its comprehensions would slow down the rest
    over: list[tuple[Limit, Amount]],
    checks: tuple[Check, ...],
    lane: dict[str, dict[AgentId, Window]],
    agent: AgentId,
    impact: Impact,
    now_us: int,
) -> Answer:
    """Answer where limits would be passed; each comes with how much is too much."""
    alone = all(getattr(impact, limit.measure) > limit.most for limit, _ in over)
    reasons = [
        f"{'all agents together' if limit.per == 'all' else agent} may use {limit.most} {limit.measure} in "
        f"{duration_text(limit.window_us / SECOND_US)}; {_room_again(lane, limit, agent, excess, now_us)}"
        for limit, excess in over
    ]
    owner = over[0][0].owner
    return Answer(
        gate=GATE,
        ruling="escalate" if alone else "deny",
        reason="; ".join(reasons),
        rule=f"limits.{over[0][0].id}",
        owner=owner,
        checks=checks,
        waits=(Wait(kind="person", role=owner),) if alone else (),
    )


_EVERYBODY = AgentId("")
_NOBODY: dict[AgentId, Window] = {}

_Row = tuple[str, bool, int, Amount, str | int, Limit]
"""A limit as it is read for every proposal: its id, whether it holds for each agent alone, its window, the
most, the most as shown, and the limit itself."""
_Rows = tuple[tuple[Measured, bool, tuple[_Row, ...]], ...]
"""All limits in their order, those of one measure that follow each other together: the measure, whether that
is money, and the limits."""

_in_force: list[tuple[tuple[Limit, ...], _Rows]] = []
_MOST_READ = 4
"""A replay compares two policies at a time; more are read anew."""


def _read(limits: tuple[Limit, ...]) -> _Rows:
    """Read limits once, for as long as they are in force.

    They are known by being the same object: equal ones may be written differently (10 and 10.0), and verdicts
    are compared by their bytes.
    """
    for known, rows in _in_force:
        if known is limits:
            return rows
    if len(_in_force) >= _MOST_READ:
        _in_force.clear()
    rows = tuple(
        [
            (measure, measure == "cost_usd", tuple(map(_row, each)))
            for measure, each in groupby(limits, attrgetter("measure"))
        ]
    )
    _in_force.append((limits, rows))
    return rows


def _row(limit: Limit) -> _Row:
    money, whole = limit.measure == "cost_usd", int(limit.most)
    # Whole numbers are the faster to compare, but half a file is a limit too.
    most = limit.most if money or whole != limit.most else whole
    shown = str(limit.most) if money else whole
    return limit.id, limit.per == "agent", limit.window_us, most, shown, limit


def _room_again(
    lane: dict[str, dict[AgentId, Window]], limit: Limit, agent: AgentId, excess: Amount, now_us: int
) -> str:
    """Say when enough will have left the window."""
    window = lane.get(limit.id, _NOBODY).get(agent if limit.per == "agent" else _EVERYBODY)
    since_us = now_us - limit.window_us
    for at_us, amount in window.entries if window is not None else ():
        if at_us > since_us:
            excess -= amount
            if excess <= 0:
                return f"there is room again at {time_text(at_us + limit.window_us)}"
    return "this alone is more than the limit allows, so a person must"
