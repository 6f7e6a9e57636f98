"""Uptime: how long autonomy was neither stopped, nor in doubt, nor paused."""

from msgspec import Struct, field

from engine.core.kpis.definitions import Kpi
from engine.core.kpis.windows import Window, add
from engine.core.vocabulary.facts import (
    KillSwitchCleared,
    KillSwitchSet,
    RolloutPaused,
    RolloutResumed,
    TroubleFound,
    TroubleGone,
)
from engine.core.vocabulary.ids import CapabilityName, capability_name


class Halts(Struct):
    """Everything that holds autonomy up right now."""

    scopes: set[str] = field(default_factory=set)
    """Stops in force, as people write them."""
    troubles: set[str] = field(default_factory=set)
    paused: dict[CapabilityName, set[str]] = {}
    """The reasons that hold each capability."""


class Uptime(Struct, kw_only=True, tag=True):
    """Time lost, microseconds by step: `[stopped, in doubt, paused]`. One moment counts for the gravest."""

    window: Window
    settled_us: int = 0
    """Up to here everything is counted."""


Change = KillSwitchSet | KillSwitchCleared | TroubleFound | TroubleGone | RolloutPaused | RolloutResumed


def fold(halts: Halts, fact: Change) -> None:
    """Take what sets autonomy back, or lets it go on."""
    match fact:
        case KillSwitchSet():
            halts.scopes.add(str(fact.scope))
        case KillSwitchCleared():
            halts.scopes.discard(str(fact.scope))
        case TroubleFound():
            halts.troubles.add(fact.trouble)
        case TroubleGone():
            halts.troubles.discard(fact.trouble)
        case RolloutPaused():
            halts.paused.setdefault(capability_name(fact.capability), set()).add(fact.reason)
        case RolloutResumed():
            name = capability_name(fact.capability)
            halts.paused.get(name, set()).discard(fact.reason)
            if not halts.paused.get(name):
                halts.paused.pop(name, None)


def advance(uptime: Uptime, kpi: Kpi, halts: Halts, now_us: int) -> None:
    """Count the time since the last look, in which nothing changed."""
    lost = _lost(kpi, halts)
    if lost is not None:
        # Of a long time only what lies in the window is worth its steps.
        at_us = max(uptime.settled_us, kpi.from_us(now_us))
        while at_us < now_us:
            until_us = min((at_us // kpi.step_us + 1) * kpi.step_us, now_us)
            took_us = until_us - at_us
            add(uptime.window, at_us, (took_us * (lost == 0), took_us * (lost == 1), took_us * (lost == 2)))
            at_us = until_us
    uptime.settled_us = max(uptime.settled_us, now_us)


def _lost(kpi: Kpi, halts: Halts) -> int | None:
    """Say what holds up all that a KPI is about, by its place among the sums; `None` when nothing does."""
    scope = kpi.scope
    scopes = {"all"}
    if scope.agent:
        scopes.add(f"agent:{scope.agent}")
    if scope.action:
        scopes.add(f"action:{scope.action}")
    if scope.capability:
        scopes |= {f"capability:{scope.capability}", f"capability:{capability_name(scope.capability)}"}
    if not scopes.isdisjoint(halts.scopes):
        return 0
    if halts.troubles:
        return 1
    return 2 if scope.capability and capability_name(scope.capability) in halts.paused else None
