"""Comparisons: what rollouts count of a candidate beside its incumbent, kept by time instead of by stage.

The rollouts' own folds do the counting, so a figure here and in `canary status` cannot mean two things. They
run on a state of their own: nothing is decided by it.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from engine.core.kpis.definitions import Kpi
from engine.core.kpis.windows import Window, add
from engine.core.vocabulary.facts import (
    CapabilityDemoted,
    CapabilityPromoted,
    Fact,
    IncumbentActed,
    OutcomeReported,
    PolicyAdopted,
    PromotionAsked,
    RolloutPaused,
    RolloutResumed,
    StageChanged,
    TimePassed,
    VerdictReached,
)
from engine.core.vocabulary.ids import CapabilityName, capability_name
from engine.core.vocabulary.rollouts import SHARES, Stage
from engine.core.work.rollout import episodes, stages
from engine.core.work.rollout.candidates import Candidate, Rollouts

CANARIES: Final[tuple[Stage, ...]] = tuple(SHARES)
"""Arms are compared within each of these stages: between two of them the share differs, and the world."""

AGREEMENT: Final = 2
VALUE: Final = 4 * len(CANARIES)
"""How many sums each kind keeps."""


class Comparisons(Struct, kw_only=True, tag=True):
    """Sums by the step in which the rollout counted an episode.

    Of agreement `[agreed, compared]`; of value, stage after stage, `[canary's episodes, its failures,
    control's episodes, its failures]`.
    """

    window: Window


Counted = tuple[CapabilityName, Candidate, tuple[int, ...]]
"""What one fact had a rollout count: `agreed, compared, canary, its failures, control, its failures`."""


def counted(rollouts: Rollouts, fact: Fact) -> list[Counted]:
    """Fold a fact into rollouts, and say what was counted."""
    fold = FOLDS.get(type(fact))
    if fold is None:
        return []
    if type(fact) not in _COUNTING:
        fold(rollouts, fact)
        return []
    names = list(rollouts.candidates)
    if isinstance(fact, VerdictReached):
        if not fact.verdict.assignment:
            return []
        names = [capability_name(fact.verdict.capability)]
    elif isinstance(fact, OutcomeReported | IncumbentActed):
        names = [capability_name(fact.capability)]
    watched = [
        (name, candidate) for name in names if (candidate := rollouts.candidates.get(name)) is not None
    ]
    before = [_tallies(candidate) for _, candidate in watched]
    fold(rollouts, fact)
    return [
        (name, candidate, more)
        for (name, candidate), was in zip(watched, before, strict=True)
        if any(more := tuple(now - then for now, then in zip(_tallies(candidate), was, strict=True)))
    ]


def fold(comparisons: Comparisons, kpi: Kpi, found: list[Counted], at_us: int) -> None:
    """Take what was counted of a capability that the KPI is about."""
    for name, candidate, more in found:
        if kpi.scope.capability not in {"", name, candidate.capability}:
            continue
        if kpi.kind == "agreement":
            if more[1]:
                add(comparisons.window, at_us, more[:AGREEMENT])
        elif candidate.stage in CANARIES:
            place = 4 * CANARIES.index(candidate.stage)
            counts = [0] * VALUE
            counts[place : place + 4] = more[AGREEMENT:]
            add(comparisons.window, at_us, tuple(counts))


def _tallies(candidate: Candidate) -> tuple[int, ...]:
    return (
        candidate.agreed,
        candidate.compared,
        candidate.canary,
        candidate.canary_failures,
        candidate.control,
        candidate.control_failures,
    )


_COUNTING: Final = {VerdictReached, OutcomeReported, IncumbentActed, TimePassed, PromotionAsked}
"""Facts with which a rollout may judge episodes."""

FOLDS: Final[dict[type[Fact], Callable[[Rollouts, Any], None]]] = {
    PolicyAdopted: lambda rollouts, fact: stages.adopt(rollouts, fact.rollouts),
    VerdictReached: episodes.fold_verdict,
    OutcomeReported: episodes.fold_outcome,
    IncumbentActed: episodes.fold_incumbent,
    TimePassed: lambda rollouts, fact: episodes.fold_time(rollouts, fact.at_us),
    PromotionAsked: lambda rollouts, fact: episodes.fold_time(rollouts, fact.at_us),
    CapabilityPromoted: stages.fold_promoted,
    CapabilityDemoted: stages.fold_demoted,
    StageChanged: stages.fold_changed,
    RolloutPaused: stages.fold_paused,
    RolloutResumed: stages.fold_resumed,
}
