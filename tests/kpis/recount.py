"""KPIs counted anew from a whole list of facts, the slow and plain way; and histories to count in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET

from engine.core.kpis.definitions import Coverage, Kpi
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import capability_name
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tests.builders import NOON_US, impact, shipped, verdict

HORIZON_US = HOUR_US
"""When the shipped plan judges an episode."""


def kpi(kind: str = "success", **values: Any) -> Kpi:
    """A KPI with nothing special about it."""
    given = {"name": kind, "shows": "this", "window_us": 7 * DAY_US, "at_least": 0.95}
    return Kpi(kind=kind, **given | values)


HEAL = Coverage(capability="heal")
EVERY = (
    kpi(name="autonomy"),
    kpi(name="allowed", arm="allowed", window_us=DAY_US),
    kpi(name="incumbent", arm="incumbent", window_us=30 * DAY_US),
    kpi(name="healing", scope=HEAL),
    kpi(name="coder", arm="allowed", scope=Coverage(agent="coder-1", action="cache.clear")),
    kpi("holds_upheld"),
    kpi("cost_per_decision"),
    kpi("cost_per_decision", name="cheap", arm="allowed", scope=HEAL, window_us=HOUR_US),
    kpi("uptime"),
    kpi("uptime", name="healing up", scope=HEAL, window_us=DAY_US),
    kpi("uptime", name="coder up", scope=Coverage(agent="coder-1"), window_us=2 * HOUR_US),
    kpi("agreement"),
    kpi("value"),
)
"""Each kind, arm and part of a scope, and windows of minutes, hours and days."""


# ---------------------------------------------------------------- histories

_GAPS = st.sampled_from([0, 0, SECOND_US, MINUTE_US, 20 * MINUTE_US, HOUR_US, 7 * HOUR_US, 2 * DAY_US])
_SCOPES = st.sampled_from(
    [f.Scope("all"), f.Scope("capability", "heal"), f.Scope("agent", "coder-1"), f.Scope("action", "x")]
)
_ASKED = st.fixed_dictionaries(
    {
        "word": st.sampled_from(["allow", "allow", "allow", "hold", "deny"]),
        "shadowed": st.booleans(),
        "agent": st.sampled_from(["coder-1", "coder-2"]),
        "capability": st.sampled_from(["heal@1", "heal@2", "edit@1"]),
        "action": st.sampled_from(["cache.clear", "file.write"]),
        "episode": st.sampled_from(["", "e-1", "e-2"]),
        "impact": st.sampled_from([impact(), impact("0.1"), impact(3)]),
    }
)
_STEPS = st.one_of(
    st.tuples(st.just("asked"), _ASKED),
    st.tuples(
        st.just("outcome"),
        st.tuples(
            st.integers(0, 30),
            st.booleans(),
            st.sampled_from(["executor", "incumbent"]),
            st.sampled_from([UNSET, Decimal("0.7"), Decimal(5)]),
        ),
    ),
    st.tuples(
        st.just("answer"),
        st.tuples(st.integers(0, 30), st.sampled_from(["approved", "denied", "vetoed", "timeout"])),
    ),
    st.tuples(
        st.just("incumbent"),
        st.tuples(st.sampled_from(["e-1", "e-2"]), st.sampled_from(["heal", "edit"]), st.booleans()),
    ),
    st.tuples(st.just("stop"), _SCOPES),
    st.tuples(st.just("clear"), _SCOPES),
    st.tuples(st.sampled_from(["pause", "resume"]), st.sampled_from(["a sale", "a freeze"])),
    st.tuples(st.sampled_from(["trouble", "gone"]), st.sampled_from(["clock", "disk"])),
    st.tuples(st.sampled_from(["minute", "metric"]), st.none()),
)


@st.composite
def histories(draw: Any, most: int = 40) -> list[f.Fact]:
    """Facts in order of time: proposals decided once each, what came of them, and what holds autonomy up."""
    at_us, history, asked = NOON_US, [shipped().adopted(NOON_US)], []
    for gap_us, (what, told) in draw(st.lists(st.tuples(_GAPS, _STEPS), max_size=most)):
        at_us += gap_us
        if what == "asked":
            proposal = f"p-{len(asked)}"
            asked.append(verdict(at_us=at_us, **told | {"proposal_id": proposal, "decision_id": proposal}))
            history.append(f.VerdictReached(at_us=at_us, verdict=asked[-1]))
        elif what == "answer":
            if asked:
                history.append(_answer(asked[told[0] % len(asked)], at_us, told[1]))
        elif what == "outcome":
            if asked:
                history.append(_outcome(asked[told[0] % len(asked)], at_us, *told[1:]))
        else:
            history.append(_told(what, told, at_us))
    return history


def _answer(of: Any, at_us: int, how: Any) -> f.HoldEnded:
    return f.HoldEnded(
        at_us=at_us,
        decision_id=of.decision_id,
        proposal_id=of.proposal_id,
        agent=of.agent,
        capability=of.capability,
        action=of.action,
        how=how,
    )


def _outcome(of: Any, at_us: int, ok: bool, by: str, cost: Any) -> f.OutcomeReported:
    return f.OutcomeReported(
        at_us=at_us,
        proposal_id=of.proposal_id,
        agent=of.agent,
        capability=of.capability,
        action=of.action,
        ok=ok,
        by=by,
        cost_usd=cost,
    )


def _told(what: str, told: Any, at_us: int) -> f.Fact:
    match what:
        case "incumbent":
            episode, name, ok = told
            return f.IncumbentActed(
                at_us=at_us, episode=episode, capability=name, action="cache.clear", ok=ok, by="ann"
            )
        case "stop":
            return f.KillSwitchSet(at_us=at_us, scope=told, by="ann")
        case "clear":
            return f.KillSwitchCleared(at_us=at_us, scope=told, by="ann")
        case "pause":
            return f.RolloutPaused(at_us=at_us, capability="heal", reason=told, by="ann")
        case "resume":
            return f.RolloutResumed(at_us=at_us, capability="heal", reason=told, by="ann")
        case "trouble":
            return f.TroubleFound(at_us=at_us, trouble=told, detail="")
        case "gone":
            return f.TroubleGone(at_us=at_us, trouble=told, by="engine")
        case "minute":
            return f.TimePassed(at_us=at_us, schedule="minute")
    return f.MetricObserved(at_us=at_us, series="cpu", value=1.0)


# ---------------------------------------------------------------- counting anew


def window(of: Kpi, now_us: int) -> tuple[int, int]:
    """The window that ends now: whole steps, of which the last is under way."""
    step = MINUTE_US if of.window_us <= 6 * HOUR_US else HOUR_US if of.window_us <= 14 * DAY_US else DAY_US
    end = (now_us // step + 1) * step
    return end - of.window_us, end


def within(of: Kpi, at_us: int, now_us: int) -> bool:
    begin, end = window(of, now_us)
    return begin <= at_us < end


def in_scope(of: Kpi, each: Any) -> bool:
    scope = of.scope
    return (
        scope.agent in {"", each.agent}
        and scope.capability in {"", each.capability, capability_name(each.capability)}
        and scope.action in {"", each.action}
    )


def episodes(of: Kpi, history: list[f.Fact], now_us: int) -> tuple[int, int, int]:
    """Succeeded, failed and unreported: each case is a list of what came of it within an hour."""
    cases: list[dict[str, Any]] = []

    def case_of(key: str, at_us: int) -> dict[str, Any]:
        for case in cases:
            if case["key"] == key and at_us < case["due"]:
                return case
        cases.append({"key": key, "due": at_us + HORIZON_US, "waits": [], "ok": []})
        return cases[-1]

    by = {"autonomy": {"executor"}, "incumbent": {"incumbent"}, "allowed": {"executor", "incumbent"}}[of.arm]
    for fact in history:
        if isinstance(fact, f.VerdictReached) and in_scope(of, fact.verdict):
            said = fact.verdict
            allowed = said.word == "allow"
            if of.arm == "incumbent" or (of.arm == "allowed" and allowed) or (allowed and not said.shadowed):
                key = f"{capability_name(said.capability)}|{said.episode or said.proposal_id}"
                case_of(key, fact.at_us)["waits"].append(said.proposal_id)
        elif isinstance(fact, f.OutcomeReported) and fact.by in by:
            for case in cases:
                if fact.proposal_id in case["waits"] and fact.at_us < case["due"]:
                    case["waits"].remove(fact.proposal_id)
                    case["ok"].append(fact.ok)
        elif isinstance(fact, f.IncumbentActed) and of.arm == "incumbent":
            key = f"{fact.capability}|{fact.episode}"
            case_of(key, fact.at_us)["ok"].append(fact.ok)
    judged = [case["ok"] for case in cases if case["due"] <= now_us and within(of, case["due"], now_us)]
    return (
        sum(bool(ok) and all(ok) for ok in judged),
        sum(not all(ok) for ok in judged),
        sum(not ok for ok in judged),
    )


def holds(of: Kpi, history: list[f.Fact], now_us: int) -> tuple[int, int]:
    """Left standing, and carried out anyway."""
    found = [0, 0]
    for place, fact in enumerate(history):
        if isinstance(fact, f.VerdictReached) and fact.verdict.word == "hold" and not fact.verdict.shadowed:
            due_us = fact.at_us + shipped().hold_us
            done = any(
                later.at_us < due_us and _overruled(later, fact.verdict.proposal_id)
                for later in history[place:]
            )
            if due_us <= now_us and within(of, due_us, now_us):
                found[done] += 1
    return found[0], found[1]


def _overruled(fact: f.Fact, proposal: str) -> bool:
    """Whether something was done, or let go on, that was held."""
    if isinstance(fact, f.HoldEnded):
        return (fact.proposal_id, fact.how) == (proposal, "approved")
    return isinstance(fact, f.OutcomeReported) and (fact.proposal_id, fact.by) == (proposal, "incumbent")


def cost(of: Kpi, history: list[f.Fact], now_us: int) -> tuple[int, Decimal]:
    """Decisions, and what they cost: what the first outcome says, or the estimate."""
    decisions, usd = 0, Decimal(0)
    for place, fact in enumerate(history):
        if not isinstance(fact, f.VerdictReached) or fact.verdict.word != "allow":
            continue
        said = fact.verdict
        if (said.shadowed and of.arm != "allowed") or not in_scope(of, said):
            continue
        if within(of, fact.at_us, now_us):
            told = [
                later.cost_usd
                for later in history[place:]
                if isinstance(later, f.OutcomeReported) and later.proposal_id == said.proposal_id
            ]
            decisions += 1
            usd += told[0] if told and told[0] is not UNSET else said.impact.cost_usd
    return decisions, usd


def down_us(of: Kpi, history: list[f.Fact], now_us: int) -> int:
    """Time lost in the window, one stretch between two facts after the other."""
    stops: set[str] = set()
    troubles: set[str] = set()
    paused: set[str] = set()
    ticks, tick_us, lost = False, None, 0
    scope = of.scope
    covering = {"all"} | {f"{kind}:{getattr(scope, kind)}" for kind in ("agent", "capability", "action")}
    begin, _ = window(of, now_us)
    ends = [fact.at_us for fact in history[1:]] + [now_us]
    for fact, end_us in zip(history, ends, strict=True):
        match fact:
            case f.KillSwitchSet():
                stops.add(str(fact.scope))
            case f.KillSwitchCleared():
                stops.discard(str(fact.scope))
            case f.TroubleFound():
                troubles.add(fact.trouble)
            case f.TroubleGone():
                troubles.discard(fact.trouble)
            case f.RolloutPaused():
                paused.add(fact.reason)
            case f.RolloutResumed():
                paused.discard(fact.reason)
            case f.TimePassed():
                ticks = ticks or (tick_us is not None and fact.at_us - tick_us <= MINUTE_US)
                tick_us = fact.at_us
        away = ticks and end_us - fact.at_us > 5 * MINUTE_US
        if covering & stops or troubles or (paused and scope.capability == "heal") or away:
            lost += max(0, end_us - max(fact.at_us, begin))
    return lost
