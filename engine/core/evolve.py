"""Evolve: the only fold. `state + fact → state`, with no clock, no chance and no input or output.

`evolve` consumes the state it is given, as a Rust function takes ownership: it changes the slices in place
and returns the same object. The same facts in the same order give the same state (ADR 2 says why not a new
object for every fact).
"""

from collections.abc import Callable
from typing import Any

from engine.core import provenance, signals
from engine.core.gates import breaker, kill_switch, limits, rollout
from engine.core.state import State
from engine.core.vocabulary.facts import (
    CapabilityDemoted,
    CapabilityPromoted,
    EffectEnded,
    EffectStarted,
    EpisodeClosed,
    Fact,
    KillSwitchCleared,
    KillSwitchSet,
    MessageObserved,
    MetricObserved,
    OutcomeReported,
    PersonSeen,
    PolicyAdopted,
    ProcessEnded,
    ProposalReceived,
    RolloutPaused,
    RolloutResumed,
    SnapshotRestored,
    SnapshotSaved,
    SnapshotTaken,
    TimePassed,
    TroubleFound,
    TroubleGone,
    UndoRequested,
    VerdictReached,
)
from engine.core.work import holds, presence, troubles


def evolve(state: State, fact: Fact) -> State:
    """Fold one fact into state and return it."""
    if fact.at_us > state.now_us:
        state.now_us = fact.at_us
    FOLDS[type(fact)](state, fact)
    return state


def _adopt(state: State, fact: PolicyAdopted) -> None:
    # What the old policy has already forgotten must not come back under longer windows of the new one, tidied
    # away by a snapshot yet or not.
    limits.trim(state.usage, state.now_us)
    provenance.trim(state.episodes, state.now_us)
    state.policy_hash = fact.policy_hash
    state.usage.limits = fact.limits
    state.breakers.settings = fact.breaker
    state.holds.hold_us = fact.hold_us
    state.episodes.idle_us = fact.episode_idle_us


def _noted(_state: State, _fact: Fact) -> None:
    """Change nothing: of a proposal only the verdict counts, of an effect only what follows from its end."""


def _decided(state: State, fact: VerdictReached) -> None:
    verdict = fact.verdict
    limits.fold_verdict(state.usage, verdict)
    breaker.fold_verdict(state.breakers, verdict)
    holds.fold_verdict(state.holds, verdict)


FOLDS: dict[type[Fact], Callable[[State, Any], None]] = {
    PolicyAdopted: _adopt,
    ProposalReceived: _noted,
    VerdictReached: _decided,
    OutcomeReported: lambda state, fact: breaker.fold_outcome(state.breakers, fact),
    MessageObserved: lambda state, fact: provenance.fold_message(state.episodes, fact),
    EpisodeClosed: lambda state, fact: provenance.fold_closed(state.episodes, fact),
    MetricObserved: lambda state, fact: signals.fold_metric(state.signals, fact),
    KillSwitchSet: lambda state, fact: kill_switch.fold_set(state.stops, fact),
    KillSwitchCleared: lambda state, fact: kill_switch.fold_cleared(state.stops, fact),
    CapabilityPromoted: lambda state, fact: rollout.fold_promoted(state.rollouts, fact),
    CapabilityDemoted: lambda state, fact: rollout.fold_demoted(state.rollouts, fact),
    RolloutPaused: lambda state, fact: rollout.fold_paused(state.rollouts, fact),
    RolloutResumed: lambda state, fact: rollout.fold_resumed(state.rollouts, fact),
    SnapshotTaken: _noted,
    EffectStarted: _noted,
    EffectEnded: lambda state, fact: holds.fold_ended(state.holds, fact),
    UndoRequested: _noted,
    PersonSeen: lambda state, fact: presence.fold_seen(state.presence, fact),
    TimePassed: lambda state, fact: presence.fold_time(state.presence, fact.at_us),
    ProcessEnded: _noted,
    TroubleFound: lambda state, fact: troubles.fold_found(state.troubles, fact),
    TroubleGone: lambda state, fact: troubles.fold_gone(state.troubles, fact),
    SnapshotSaved: _noted,
    SnapshotRestored: _noted,
}

KEYED = (MessageObserved, EpisodeClosed, MetricObserved)
"""Facts that touch keyed slices only: they can be folded apart, key by key."""
