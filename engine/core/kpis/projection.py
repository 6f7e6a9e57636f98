"""The projection: every KPI's sums, folded from the journal one fact at a time.

The same facts in the same order give the same sums, whatever the pieces they come in and whenever somebody
looks. Nothing is decided by it: gates read state, people read this.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from engine.core.kpis import cases, comparisons, costs, uptime
from engine.core.kpis.cases import Cases
from engine.core.kpis.comparisons import Comparisons
from engine.core.kpis.costs import Costs
from engine.core.kpis.definitions import COMPARED, Kpi
from engine.core.kpis.uptime import SILENT_US, TICK, Halts, Uptime
from engine.core.kpis.windows import Window
from engine.core.vocabulary.facts import (
    Fact,
    HoldEnded,
    IncumbentActed,
    KillSwitchCleared,
    KillSwitchSet,
    OutcomeReported,
    PolicyAdopted,
    RolloutPaused,
    RolloutResumed,
    TimePassed,
    TroubleFound,
    TroubleGone,
    VerdictReached,
)
from engine.core.vocabulary.ids import capability_name
from engine.core.vocabulary.rollouts import RolloutSettings
from engine.core.vocabulary.units import MINUTE_US
from engine.core.work.rollout import candidates
from engine.core.work.rollout.candidates import Rollouts

Sums = Cases | Costs | Uptime | Comparisons


class Projection(Struct, kw_only=True):
    """Every KPI and what was folded for it."""

    kpis: tuple[Kpi, ...]
    sums: list[Sums]
    """One for each KPI, in their order."""
    now_us: int = 0
    """The latest time any fact carried."""
    first_us: int | None = None
    """The time of the first fact; `None` before it."""
    hold_us: int = 0
    plans: RolloutSettings = RolloutSettings()
    """For how long after its beginning an episode is judged; they hold without a rollout too."""
    halts: Halts = msgspec.field(default_factory=Halts)
    rollouts: Rollouts = msgspec.field(default_factory=Rollouts)
    """Folded only where a KPI compares a candidate with its incumbent."""
    compares: bool


def begin(kpis: Iterable[Kpi]) -> Projection:
    """Begin before the first fact."""
    defined = tuple(kpis)
    return Projection(
        kpis=defined,
        sums=[_begun(kpi) for kpi in defined],
        compares=any(kpi.kind in COMPARED for kpi in defined),
    )


def _begun(kpi: Kpi) -> Sums:
    window = Window(step_us=kpi.step_us, steps=kpi.steps)
    match kpi.kind:
        case "success" | "holds_upheld":
            return Cases(window=window)
        case "cost_per_decision":
            return Costs(window=window)
        case "uptime":
            return Uptime(window=window)
        case "agreement" | "value":
            return Comparisons(window=window)


def fold(projection: Projection, fact: Fact) -> None:
    """Take one fact, in the order of the journal."""
    saw(projection, fact.at_us)
    take = _FOLDS.get(type(fact))
    if take is not None:
        take(projection, fact)
    if projection.compares and type(fact) in comparisons.FOLDS:
        found = comparisons.counted(projection.rollouts, fact)
        if found:
            _compared(projection, found)


def saw(projection: Projection, at_us: int) -> None:
    """Take the time of a fact; of most facts nothing else counts."""
    if projection.first_us is None:
        projection.first_us = at_us
        _settle(projection, at_us)
    elif projection.halts.ticks and at_us - projection.now_us > SILENT_US:
        _settle(projection, at_us)
    projection.now_us = max(projection.now_us, at_us)


def advance(projection: Projection, now_us: int) -> None:
    """Judge what is due by now. No fact that comes later may have happened before."""
    for sums in projection.sums:
        if isinstance(sums, Cases):
            cases.advance(sums, now_us)


def _settle(projection: Projection, at_us: int) -> None:
    for kpi, sums in zip(projection.kpis, projection.sums, strict=True):
        if isinstance(sums, Uptime):
            uptime.advance(sums, kpi, projection.halts, projection.now_us, at_us)


def _decided(projection: Projection, fact: VerdictReached) -> None:
    verdict, plans = fact.verdict, projection.plans
    for kpi, sums in zip(projection.kpis, projection.sums, strict=True):
        if isinstance(sums, Cases):
            cases.advance(sums, fact.at_us)
            lasts_us = (
                projection.hold_us
                if kpi.kind == "holds_upheld"
                else plans.plan_of(capability_name(verdict.capability)).horizon_us
            )
            cases.fold_verdict(sums, kpi, verdict, lasts_us)
        elif isinstance(sums, Costs):
            costs.fold_verdict(sums, kpi, verdict)


def _came_of(projection: Projection, fact: OutcomeReported) -> None:
    for kpi, sums in zip(projection.kpis, projection.sums, strict=True):
        if isinstance(sums, Cases):
            cases.advance(sums, fact.at_us)
            cases.fold_outcome(sums, kpi, fact)
        elif isinstance(sums, Costs):
            costs.fold_outcome(sums, fact)


def _hold_ended(projection: Projection, fact: HoldEnded) -> None:
    for kpi, sums in zip(projection.kpis, projection.sums, strict=True):
        if isinstance(sums, Cases):
            cases.advance(sums, fact.at_us)
            cases.fold_hold_ended(sums, kpi, fact)


def _incumbent(projection: Projection, fact: IncumbentActed) -> None:
    lasts_us = projection.plans.plan_of(capability_name(fact.capability)).horizon_us
    for kpi, sums in zip(projection.kpis, projection.sums, strict=True):
        if isinstance(sums, Cases) and kpi.kind == "success":
            cases.advance(sums, fact.at_us)
            cases.fold_incumbent(sums, kpi, fact, lasts_us)


def _halted(projection: Projection, fact: uptime.Change) -> None:
    _settle(projection, fact.at_us)
    uptime.fold(projection.halts, fact)


def _time_passed(projection: Projection, fact: TimePassed) -> None:
    halts = projection.halts
    if fact.schedule == TICK:
        halts.ticks = halts.ticks or (halts.tick_us is not None and fact.at_us - halts.tick_us <= MINUTE_US)
        halts.tick_us = fact.at_us


def _adopted(projection: Projection, fact: PolicyAdopted) -> None:
    projection.hold_us, projection.plans = fact.hold_us, fact.rollouts


def _compared(projection: Projection, found: list[comparisons.Counted]) -> None:
    for kpi, sums in zip(projection.kpis, projection.sums, strict=True):
        if isinstance(sums, Comparisons):
            comparisons.fold(sums, kpi, found, projection.now_us)


_FOLDS: Final[dict[type[Fact], Callable[[Projection, Any], None]]] = {
    PolicyAdopted: _adopted,
    VerdictReached: _decided,
    OutcomeReported: _came_of,
    HoldEnded: _hold_ended,
    IncumbentActed: _incumbent,
    TimePassed: _time_passed,
    KillSwitchSet: _halted,
    KillSwitchCleared: _halted,
    TroubleFound: _halted,
    TroubleGone: _halted,
    RolloutPaused: _halted,
    RolloutResumed: _halted,
}

COUNTED: Final = frozenset({*_FOLDS, *comparisons.FOLDS})
"""Facts that some KPI counts; of all others only their time does."""


def encode(projection: Projection) -> bytes:
    """Write a projection down, to go on from later."""
    return _ENCODER.encode(projection)


def decode(body: bytes, kpis: Iterable[Kpi]) -> Projection | None:
    """Read a projection back; `None` when it is of other KPIs, or was written by another version."""
    try:
        projection = _DECODER.decode(body)
    except msgspec.DecodeError:
        return None
    if projection.kpis != tuple(kpis):
        return None
    # What is let go oldest first is a plain dictionary after decoding.
    candidates.put_in_order(projection.rollouts)
    for sums in projection.sums:
        if isinstance(sums, Costs):
            sums.awaited = OrderedDict(sums.awaited)
    return projection


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Projection)
