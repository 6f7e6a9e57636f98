"""Stages: what each fact about a rollout itself changes."""

from collections import OrderedDict

from engine.core.statistics import agreement, risk_ratio, sample_ratio
from engine.core.vocabulary.facts import (
    CapabilityDemoted,
    CapabilityPromoted,
    CapabilityReplayed,
    PromotionReady,
    RolloutPaused,
    RolloutResumed,
    StageChanged,
)
from engine.core.vocabulary.ids import CapabilityId, capability_name
from engine.core.vocabulary.rollouts import ArmTally, RolloutSettings
from engine.core.work.rollout import missing
from engine.core.work.rollout.candidates import Candidate, Rollouts


def adopt(rollouts: Rollouts, settings: RolloutSettings) -> None:
    """Take new plans, and who held authority before: each of these once, and only where nobody is live."""
    rollouts.settings = settings
    for capability in settings.established:
        if capability not in rollouts.established:
            rollouts.established.add(capability)
            rollouts.live.setdefault(capability_name(capability), capability)


def fold_replayed(rollouts: Rollouts, fact: CapabilityReplayed) -> None:
    """Keep the newest replay of a version."""
    rollouts.replays[fact.capability] = fact


def fold_changed(rollouts: Rollouts, fact: StageChanged) -> None:
    """Take a step, up or down."""
    name, capability = capability_name(fact.capability), fact.capability
    if fact.now == "rolled_back":
        _fold_rolled_back(rollouts, capability, fact.at_us)
        return
    candidate = rollouts.candidate_of(capability)
    if candidate is None or not candidate.watched:
        # A version that was rolled back begins anew, with nothing for or against it but its replay.
        candidate = rollouts.candidates[name] = Candidate(
            capability=capability, stage=fact.now, since_us=fact.at_us
        )
        return
    if fact.now == "live":
        candidate.before = rollouts.live.get(name, CapabilityId(""))
        candidate.promoted_on = fact.evidence.control
        rollouts.live[name] = capability
        candidate.episodes, candidate.awaited = OrderedDict(), {}
    candidate.stage, candidate.since_us, candidate.ready = fact.now, fact.at_us, False
    candidate.compared = candidate.agreed = candidate.days = candidate.late = 0
    _count_anew(candidate)
    candidate.explored_canary = candidate.explored_control = candidate.held_back = ArmTally(0, 0)
    candidate.twins, candidate.twins_agreed, candidate.last_day = 0, 0, -1
    candidate.disagreements = {}
    candidate.agreement, candidate.ratio = agreement.begin(), sample_ratio.begin()


def _count_anew(candidate: Candidate) -> None:
    candidate.canary = candidate.canary_failures = candidate.canary_missing = 0
    candidate.control = candidate.control_failures = candidate.control_missing = 0
    candidate.good, candidate.missing = risk_ratio.begin_good(), sample_ratio.begin()
    candidate.entities = {}


def _fold_rolled_back(rollouts: Rollouts, capability: CapabilityId, at_us: int) -> None:
    name = capability_name(capability)
    candidate = rollouts.candidate_of(capability)
    if rollouts.live.get(name) == capability:
        del rollouts.live[name]
        if candidate is not None and candidate.before:
            rollouts.live[name] = candidate.before
    if candidate is not None:
        rollouts.candidates[name] = Candidate(
            capability=capability,
            stage="rolled_back",
            since_us=at_us,
            breach=candidate.breach,
            mixed_up=candidate.mixed_up,
        )


def fold_ready(rollouts: Rollouts, fact: PromotionReady) -> None:
    """Remember that people were told."""
    candidate = rollouts.candidate_of(fact.capability)
    if candidate is not None:
        candidate.ready = True


def fold_promoted(rollouts: Rollouts, fact: CapabilityPromoted) -> None:
    """Make this version the live one, as it was elsewhere; any other of the name is in shadow again."""
    name = capability_name(fact.capability)
    rollouts.live[name] = fact.capability
    rollouts.candidates.pop(name, None)


def fold_demoted(rollouts: Rollouts, fact: CapabilityDemoted) -> None:
    """Put every version of the name back into shadow. One given with its version means its name."""
    name = capability_name(fact.capability)
    rollouts.live.pop(name, None)
    rollouts.candidates.pop(name, None)


def fold_paused(rollouts: Rollouts, fact: RolloutPaused) -> None:
    """Add one reason to hold, for every version of the name. One given with its version means its name.

    Episodes under way are let go, in both arms alike: what people do while they hold a canary back must speak
    neither for nor against it.
    """
    name = capability_name(fact.capability)
    rollouts.paused.setdefault(name, {})[fact.reason] = fact.by
    candidate = rollouts.candidates.get(name)
    if candidate is not None:
        candidate.episodes, candidate.awaited = OrderedDict(), {}


def fold_resumed(rollouts: Rollouts, fact: RolloutResumed) -> None:
    """Take one reason away; the hold ends with the last. Whose arms were mixed up is looked at anew.

    Where outcomes were missing, what was counted in the stage proves nothing and is forgotten; what speaks
    against the candidate is not.
    """
    name = capability_name(fact.capability)
    reasons = rollouts.paused.get(name)
    if reasons is None:
        return
    reasons.pop(fact.reason, None)
    if not reasons:
        del rollouts.paused[name]
    candidate = rollouts.candidates.get(name)
    if candidate is not None:
        candidate.mixed_up = ""
        candidate.ratio = sample_ratio.begin()
        if missing.said(candidate, rollouts.settings.plan_of(name)):
            _count_anew(candidate)
            candidate.ready = False
