"""Evolve: the only fold. `state + fact → state`, with no clock, no chance and no input or output.

`evolve` consumes the state it is given, as a Rust function takes ownership: it changes the slices in place
and returns the same object. The same facts in the same order give the same state (ADR 2 says why not a new
object for every fact).
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from engine.core import calibrations, signals
from engine.core.gates import breaker, kill_switch, limits
from engine.core.provenance import heard
from engine.core.state import State
from engine.core.vocabulary.escalation_facts import (
    EscalationFact,
    OnCallChanged,
    OnCallRestored,
)
from engine.core.vocabulary.facts import (
    AnswerRefused,
    BallotCast,
    BallotRefused,
    CapabilityDemoted,
    CapabilityPromoted,
    CapabilityReplayed,
    CaptainAway,
    CaptaincyBegun,
    CaptaincyDeclined,
    CaptaincyOffered,
    CaptaincyPassed,
    CommandGiven,
    ContestDecided,
    ContestOpened,
    ContestSettled,
    ContestUndecided,
    DecisionOverridden,
    DecisionRated,
    DeputyNamed,
    EffectEnded,
    EffectEndTold,
    EffectStarted,
    EpisodeClosed,
    Fact,
    HoldAnswered,
    HoldEnded,
    IncumbentActed,
    KillSwitchCleared,
    KillSwitchSet,
    MessageObserved,
    MetricObserved,
    OutcomeReported,
    PersonSeen,
    PolicyAdopted,
    ProcessEnded,
    PromotionAsked,
    PromotionReady,
    PromotionRefused,
    ProposalReceived,
    QuestionAsked,
    QuestionReplied,
    RolloutAborted,
    RolloutPaused,
    RolloutResumed,
    SnapshotRestored,
    SnapshotSaved,
    SnapshotTaken,
    StageChanged,
    StandingEnded,
    StandingGiven,
    TimePassed,
    TroubleFound,
    TroubleGone,
    UndoRequested,
    VerdictReached,
    VoteCast,
    VoteClosed,
)
from engine.core.work import captaincy, contests, holds, presence, standing_approvals, troubles
from engine.core.work.escalations import folding
from engine.core.work.rollout import episodes, stages


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
    heard.trim(state.episodes, state.now_us)
    state.policy_hash = fact.policy_hash
    state.usage.limits = fact.limits
    state.breakers.settings = fact.breaker
    holds.adopt(state.holds, fact.hold_us)
    state.episodes.idle_us = fact.episode_idle_us
    stages.adopt(state.rollouts, fact.rollouts)
    calibrations.adopt(state.calibrations, fact.calibration)


def _noted(_state: State, _fact: Fact) -> None:
    """Change nothing: of a proposal only the verdict counts, of an effect only what follows from its end."""


def _decided(state: State, fact: VerdictReached) -> None:
    verdict = fact.verdict
    limits.fold_verdict(state.usage, verdict)
    breaker.fold_verdict(state.breakers, verdict)
    holds.fold_verdict(state.holds, verdict)
    if verdict.touches:
        hold = state.holds.by_id.get(verdict.decision_id)
        contests.fold_verdict(state.contests, verdict, hold.until_us if hold is not None else verdict.at_us)
    if state.calibrations.settings is not None:
        calibrations.fold_verdict(state.calibrations, verdict)
    if verdict.assignment:
        episodes.fold_verdict(state.rollouts, fact)


def _came_of(state: State, fact: OutcomeReported) -> None:
    breaker.fold_outcome(state.breakers, fact)
    calibrations.fold_outcome(state.calibrations, fact)
    contests.fold_outcome(state.contests, fact)
    episodes.fold_outcome(state.rollouts, fact)


def _measured(state: State, fact: MetricObserved) -> None:
    signals.fold_metric(state.signals, fact)
    if state.rollouts.candidates:
        episodes.fold_metric(state.rollouts, fact)


def _effect_ended(state: State, fact: EffectEnded) -> None:
    holds.fold_effect(state.holds, fact)
    contests.fold_effect(state.contests, fact)
    folding.fold_effect(state.escalations, fact)
    episodes.fold_ended(state.rollouts, fact)


def _undo_asked(state: State, fact: UndoRequested) -> None:
    holds.fold_undo(state.holds, fact)
    episodes.fold_undo(state.rollouts, fact)


def _hold_ended(state: State, fact: HoldEnded) -> None:
    hold = holds.fold_hold_ended(state.holds, fact)
    contests.fold_hold_ended(state.contests, fact)
    if hold is not None and hold.effect_id is None and fact.how == "approved":
        limits.fold_granted(state.usage, hold.agent, hold.impact, fact.at_us)
        breaker.fold_granted(state.breakers, hold.capability, hold.action, fact.at_us)
        episodes.fold_granted(state.rollouts, fact)


def _captained(state: State, fact: captaincy.CaptaincyFact) -> None:
    if state.captaincy is UNSET:
        state.captaincy = captaincy.Captaincy()
    captaincy.fold(state.captaincy, fact)


def _time_passed(state: State, fact: Fact) -> None:
    presence.fold_time(state.presence, fact.at_us)
    holds.fold_time(state.holds, fact.at_us)
    contests.fold_time(state.contests, fact.at_us, state.holds.hold_us)
    episodes.fold_time(state.rollouts, fact.at_us)
    folding.fold_time(state.escalations, fact.at_us)


def _stage_changed(state: State, fact: StageChanged) -> None:
    stages.fold_changed(state.rollouts, fact)
    folding.fold_stage(state.escalations, fact)


def _escalated(state: State, fact: EscalationFact) -> None:
    folding.fold(state.escalations, fact)


def _contest_opened(state: State, fact: ContestOpened) -> None:
    contests.fold_opened(state.contests, fact)
    contests.fold_waits(state.holds, fact)


FOLDS: dict[type[Fact], Callable[[State, Any], None]] = {
    PolicyAdopted: _adopt,
    ProposalReceived: _noted,
    VerdictReached: _decided,
    OutcomeReported: _came_of,
    MessageObserved: lambda state, fact: heard.fold_message(state.episodes, fact),
    EpisodeClosed: lambda state, fact: heard.fold_closed(state.episodes, fact),
    MetricObserved: _measured,
    KillSwitchSet: lambda state, fact: kill_switch.fold_set(state.stops, fact),
    KillSwitchCleared: lambda state, fact: kill_switch.fold_cleared(state.stops, fact),
    CapabilityPromoted: lambda state, fact: stages.fold_promoted(state.rollouts, fact),
    CapabilityDemoted: lambda state, fact: stages.fold_demoted(state.rollouts, fact),
    CapabilityReplayed: lambda state, fact: stages.fold_replayed(state.rollouts, fact),
    IncumbentActed: lambda state, fact: episodes.fold_incumbent(state.rollouts, fact),
    PromotionAsked: lambda state, fact: episodes.fold_time(state.rollouts, fact.at_us),
    RolloutAborted: _noted,
    StageChanged: _stage_changed,
    PromotionRefused: _noted,
    PromotionReady: lambda state, fact: stages.fold_ready(state.rollouts, fact),
    RolloutPaused: lambda state, fact: stages.fold_paused(state.rollouts, fact),
    RolloutResumed: lambda state, fact: stages.fold_resumed(state.rollouts, fact),
    SnapshotTaken: _noted,
    EffectStarted: _noted,
    EffectEnded: _effect_ended,
    EffectEndTold: _noted,
    UndoRequested: _undo_asked,
    PersonSeen: lambda state, fact: presence.fold_seen(state.presence, fact),
    TimePassed: _time_passed,
    ProcessEnded: _noted,
    TroubleFound: lambda state, fact: troubles.fold_found(state.troubles, fact),
    TroubleGone: lambda state, fact: troubles.fold_gone(state.troubles, fact),
    SnapshotSaved: _noted,
    SnapshotRestored: _noted,
    HoldAnswered: lambda state, fact: holds.fold_answer(state.holds, fact),
    DecisionOverridden: lambda state, fact: holds.fold_override(state.holds, fact),
    HoldEnded: _hold_ended,
    AnswerRefused: lambda state, fact: holds.fold_refused(state.holds, fact),
    CaptaincyBegun: _captained,
    CaptaincyOffered: _captained,
    CaptaincyPassed: _captained,
    CaptaincyDeclined: _captained,
    CaptainAway: _captained,
    DeputyNamed: _captained,
    QuestionAsked: _noted,
    QuestionReplied: _noted,
    StandingGiven: lambda state, fact: standing_approvals.fold_given(state.standing, fact),
    StandingEnded: lambda state, fact: standing_approvals.fold_ended(state.standing, fact),
    CommandGiven: _noted,
    VoteCast: lambda state, fact: holds.fold_vote(state.holds, fact),
    VoteClosed: lambda state, fact: holds.fold_vote_closed(state.holds, fact),
    ContestOpened: _contest_opened,
    BallotCast: lambda state, fact: contests.fold_ballot(state.contests, fact),
    BallotRefused: lambda state, fact: contests.fold_refused(state.contests, fact),
    ContestUndecided: lambda state, fact: contests.fold_undecided(state.contests, fact),
    ContestSettled: _noted,
    ContestDecided: lambda state, fact: contests.fold_decided(state.contests, fact),
    DecisionRated: lambda state, fact: calibrations.fold_rated(state.calibrations, fact),
    **dict.fromkeys(EscalationFact.__args__, _escalated),
    OnCallChanged: lambda state, fact: folding.fold_changed(state.escalations, fact),
    OnCallRestored: lambda state, fact: folding.fold_restored(state.escalations, fact),
}

KEYED = (MessageObserved, EpisodeClosed, MetricObserved)
"""Facts that touch keyed slices only: they can be folded apart, key by key."""
