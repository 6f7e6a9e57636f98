"""Uptime: how long autonomy was neither stopped, nor in doubt, nor paused, nor away altogether."""

from typing import Final

from msgspec import Struct, field, structs

from engine.core.kpis.definitions import Kpi
from engine.core.kpis.windows import Window, add, total
from engine.core.vocabulary.facts import (
    KillSwitchCleared,
    KillSwitchSet,
    RolloutPaused,
    RolloutResumed,
    TroubleFound,
    TroubleGone,
)
from engine.core.vocabulary.ids import CapabilityName, capability_name
from engine.core.vocabulary.units import MINUTE_US

TICK: Final = "minute"
"""The schedule by which a live engine says every minute that it is there; other histories have none."""
SILENT_US: Final = 5 * MINUTE_US
"""Where an engine says so every minute, a longer silence means that none was there."""


class Halts(Struct):
    """Everything that holds autonomy up right now."""

    scopes: set[str] = field(default_factory=set)
    """Stops in force, as people write them."""
    troubles: set[str] = field(default_factory=set)
    paused: dict[CapabilityName, set[str]] = {}
    """The reasons that hold each capability."""
    tick_us: int | None = None
    """When it was last said that a minute passed; `None` when it never was."""
    ticks: bool = False
    """Whether it was ever said twice within a minute, as a live engine does."""


class Uptime(Struct, kw_only=True, tag=True):
    """Time lost, microseconds by step, by the first of `LOST` that explains a moment."""

    window: Window
    settled_us: int = 0
    """Up to here everything is counted."""


LOST: Final = ("stopped", "in doubt", "paused", "away")

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


def advance(uptime: Uptime, kpi: Kpi, halts: Halts, heard_us: int, now_us: int) -> None:
    """Count the time since the last look. Nothing changed in it, nor was heard after `heard_us`."""
    lost = _lost(kpi, halts)
    if lost is None and halts.ticks and now_us - heard_us > SILENT_US:
        uptime.settled_us, lost = max(uptime.settled_us, heard_us), "away"
    if lost is not None:
        # Of a long time only what lies in the window is worth its steps.
        at_us = max(uptime.settled_us, kpi.from_us(now_us))
        while at_us < now_us:
            until_us = min((at_us // kpi.step_us + 1) * kpi.step_us, now_us)
            add(uptime.window, at_us, tuple((until_us - at_us) * (each == lost) for each in LOST))
            at_us = until_us
    uptime.settled_us = max(uptime.settled_us, now_us)


def lost_us(uptime: Uptime, kpi: Kpi, halts: Halts, heard_us: int, now_us: int) -> list[int]:
    """Sum up the time lost in the window that ends now. Looking changes nothing: more may be heard."""
    window = structs.replace(uptime.window, by_step=dict(uptime.window.by_step))
    seen = Uptime(window=window, settled_us=uptime.settled_us)
    advance(seen, kpi, halts, heard_us, now_us)
    return total(window, now_us, len(LOST))


def _lost(kpi: Kpi, halts: Halts) -> str | None:
    """Say what holds up all that a KPI is about; `None` when nothing does."""
    scope = kpi.scope
    scopes = {"all"}
    if scope.agent:
        scopes.add(f"agent:{scope.agent}")
    if scope.action:
        scopes.add(f"action:{scope.action}")
    if scope.capability:
        scopes |= {f"capability:{scope.capability}", f"capability:{capability_name(scope.capability)}"}
    if not scopes.isdisjoint(halts.scopes):
        return "stopped"
    if halts.troubles:
        return "in doubt"
    return "paused" if scope.capability and capability_name(scope.capability) in halts.paused else None
