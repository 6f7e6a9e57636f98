"""Steps: what follows from a fact for the rollouts it touches. Up on evidence, down at once."""

from collections.abc import Callable
from typing import Final

from engine.core.vocabulary.facts import (
    CapabilityReplayed,
    Fact,
    IncumbentActed,
    MetricObserved,
    OutcomeReported,
    PromotionAsked,
    PromotionReady,
    PromotionRefused,
    RolloutAborted,
    RolloutPaused,
    StageChanged,
    TimePassed,
    UndoRequested,
)
from engine.core.vocabulary.ids import CapabilityId, CapabilityName, capability_name, undo_id
from engine.core.vocabulary.rollouts import Evidence, Requirement, RolloutPlan, Stage
from engine.core.work.endings import ENGINE
from engine.core.work.rollout import evidence
from engine.core.work.rollout.candidates import TWIN, Candidate, Rollouts, in_order

WATCHED: Final = (
    OutcomeReported, IncumbentActed, TimePassed, MetricObserved,
    CapabilityReplayed, PromotionAsked, RolloutAborted,
)  # fmt: skip
"""Facts from which a step may follow."""
_OF_ONE: Final = (OutcomeReported, IncumbentActed)
"""Those that concern one capability alone."""

Stopped = Callable[[CapabilityId], str]
"""Says which stop covers a version; empty when none does."""


def after(rollouts: Rollouts, fact: Fact, stopped: Stopped) -> tuple[Fact, ...]:
    """Say which facts follow from one that `rollouts` has already folded."""
    # Outcomes first: nothing else that may move a rollout is as frequent.
    if isinstance(fact, _OF_ONE):
        name = capability_name(fact.capability)
        candidate = rollouts.candidates.get(name)
        if candidate is not None and candidate.watched:
            return _looked(rollouts, name, candidate, fact.at_us, stopped)
    elif isinstance(fact, PromotionAsked):
        return _asked(rollouts, fact, stopped)
    elif isinstance(fact, RolloutAborted):
        return _aborted(rollouts, fact)
    elif isinstance(fact, CapabilityReplayed):
        return _replayed(rollouts, fact)
    elif isinstance(fact, TimePassed | MetricObserved):
        watched = [
            (name, each)
            for name, each in in_order(rollouts)
            if each.watched and _concerns(fact, rollouts.settings.plan_of(name))
        ]
        found = [_looked(rollouts, name, each, fact.at_us, stopped) for name, each in watched]
        return tuple(each for facts in found for each in facts)
    return ()


def _concerns(fact: TimePassed | MetricObserved, plan: RolloutPlan) -> bool:
    """Whether a rollout is to be looked at now: a point of any other series is nothing to it.

    A replay folds such points apart from rollouts, so nothing may follow from the time they carry.
    """
    return isinstance(fact, TimePassed) or any(each.series == fact.series for each in plan.guardrails)


def _looked(
    rollouts: Rollouts, name: CapabilityName, candidate: Candidate, now_us: int, stopped: Stopped
) -> tuple[Fact, ...]:
    """Look at one candidate: roll back or pause at once, step up where no person is needed, or tell them."""
    plan = rollouts.settings.plan_of(name)
    judged = evidence.judge(candidate, plan, rollouts.replays.get(candidate.capability), now_us)
    if judged.word == "rollback":
        return roll_back(candidate, plan, now_us, by=ENGINE, reason=judged.reason, on=judged.evidence)
    paused = rollouts.paused.get(name, {})
    if judged.word == "pause" and judged.reason not in paused:
        return (RolloutPaused(at_us=now_us, capability=name, reason=judged.reason, by=ENGINE),)
    if judged.word != "advance" or paused or stopped(candidate.capability):
        return ()
    if plan.automatic:
        return (
            StageChanged(
                at_us=now_us,
                capability=candidate.capability,
                was=candidate.stage,
                now=judged.to,
                by=ENGINE,
                reason=judged.reason,
                evidence=judged.evidence,
            ),
        )
    if candidate.ready:
        return ()
    return (
        PromotionReady(
            at_us=now_us, capability=candidate.capability, stage=judged.to, evidence=judged.evidence
        ),
    )


def _asked(rollouts: Rollouts, fact: PromotionAsked, stopped: Stopped) -> tuple[Fact, ...]:
    """Take the step a person asks for, or say what is missing. A wish that was refused is not kept."""
    name, capability = capability_name(fact.capability), fact.capability
    candidate = rollouts.candidate_of(capability)
    reason, on, likely_us = "", Evidence(since_us=fact.at_us), None
    stage: Stage = candidate.stage if candidate is not None else "unproven"
    if candidate is None or not candidate.watched:
        begun = _begun(rollouts, fact)
        if begun:
            return begun
        stage = "live" if rollouts.live.get(name) == capability else stage
        plan, replay = rollouts.plan_of(capability), rollouts.replays.get(capability)
        needed = evidence.replay_requirements(replay, plan, fact.at_us)
        reason = _why_not_begun(rollouts, capability, stage, needed)
        if plan.replay_decisions:
            on = Evidence(since_us=fact.at_us, requirements=tuple(needed))
    elif covering := stopped(capability):
        reason = f"{covering} is stopped, and behind a stop nothing gains authority"
    elif name in rollouts.paused:
        reason = "it is paused: " + "; ".join(sorted(rollouts.paused[name]))
    else:
        plan = rollouts.settings.plan_of(name)
        judged = evidence.judge(candidate, plan, rollouts.replays.get(capability), fact.at_us)
        if judged.word == "rollback":
            return roll_back(candidate, plan, fact.at_us, by=ENGINE, reason=judged.reason, on=judged.evidence)
        if judged.word == "advance":
            return (
                StageChanged(
                    at_us=fact.at_us,
                    capability=capability,
                    was=stage,
                    now=judged.to,
                    by=fact.by,
                    reason=fact.reason,
                    evidence=judged.evidence,
                ),
            )
        on = judged.evidence
        reason, likely_us = evidence.waits_for(candidate, plan, judged, fact.at_us)
    return (
        PromotionRefused(
            at_us=fact.at_us,
            capability=capability,
            stage=stage,
            by=fact.by,
            reason=reason,
            evidence=on,
            likely_us=likely_us,
        ),
    )


def _begun(rollouts: Rollouts, fact: PromotionAsked) -> tuple[Fact, ...]:
    """Begin in shadow without a replay, where the plan asks for none: shadow gives no authority."""
    plan = rollouts.plan_of(fact.capability)
    if plan.replay_decisions or not _free_for(rollouts, fact.capability):
        return ()
    return (
        StageChanged(
            at_us=fact.at_us,
            capability=fact.capability,
            was="unproven",
            now="shadow",
            by=fact.by,
            reason=fact.reason,
            evidence=Evidence(since_us=fact.at_us),
        ),
    )


def _replayed(rollouts: Rollouts, fact: CapabilityReplayed) -> tuple[Fact, ...]:
    """Begin a rollout whose replay shows enough: it goes on into shadow, where nothing is executed yet."""
    capability, plan = fact.capability, rollouts.plan_of(fact.capability)
    needed = evidence.replay_requirements(fact, plan, fact.at_us)
    if not _free_for(rollouts, capability) or not all(each.met for each in needed):
        return ()
    on = Evidence(since_us=fact.at_us, requirements=tuple(needed))
    replayed = StageChanged(
        at_us=fact.at_us,
        capability=capability,
        was="unproven",
        now="replayed",
        by=fact.by,
        reason="a replay of recorded history went well",
        evidence=on,
    )
    shadow = StageChanged(
        at_us=fact.at_us,
        capability=capability,
        was="replayed",
        now="shadow",
        by=ENGINE,
        reason="shadow gives no authority, so nobody need be asked",
        evidence=on,
    )
    return replayed, shadow


def _free_for(rollouts: Rollouts, capability: CapabilityId) -> bool:
    """Whether a rollout of this version may begin: one at a time, and not of what is live already."""
    name = capability_name(capability)
    candidate = rollouts.candidates.get(name)
    taken = candidate is not None and candidate.watched and candidate.stage != "live"
    return not taken and rollouts.live.get(name) != capability and not capability.endswith(TWIN)


def _why_not_begun(
    rollouts: Rollouts, capability: CapabilityId, stage: Stage, needed: list[Requirement]
) -> str:
    name = capability_name(capability)
    if stage == "live":
        return "it is live already"
    candidate = rollouts.candidates.get(name)
    if candidate is not None and candidate.watched and candidate.stage != "live":
        return f"{candidate.capability} is on its way, and there is one rollout at a time"
    missing = [f"{each.name} {evidence.shown(each)}" for each in needed if not each.met]
    return "it must show in a replay what it would have done: " + (
        "; ".join(missing) or "replay it once more"
    )


def _aborted(rollouts: Rollouts, fact: RolloutAborted) -> tuple[Fact, ...]:
    """Take authority away because a person says so: from the candidate on its way, else from what is live."""
    candidate, live = rollouts.candidates.get(fact.capability), rollouts.live.get(fact.capability)
    reason = fact.reason or "a person ended it"
    if candidate is not None and candidate.watched:
        plan = rollouts.settings.plan_of(fact.capability)
        on = evidence.judge(candidate, plan, rollouts.replays.get(candidate.capability), fact.at_us).evidence
        return roll_back(candidate, plan, fact.at_us, by=fact.by, reason=reason, on=on)
    if live is None:
        return ()
    return (
        StageChanged(
            at_us=fact.at_us,
            capability=live,
            was="live",
            now="rolled_back",
            by=fact.by,
            reason=reason,
            evidence=Evidence(since_us=fact.at_us),
        ),
    )


def roll_back(
    candidate: Candidate, plan: RolloutPlan, at_us: int, *, by: str, reason: str, on: Evidence
) -> tuple[Fact, ...]:
    """Give the work back to the incumbent and, where the plan says so, take back what the canary did."""
    capability = candidate.capability
    changed = StageChanged(
        at_us=at_us,
        capability=capability,
        was=candidate.stage,
        now="rolled_back",
        by=by,
        reason=reason,
        evidence=on,
    )
    if not plan.undo_on_rollback:
        return (changed,)
    done = sorted(candidate.performed.items(), key=lambda item: (item[1].at_us, item[0]), reverse=True)
    return (
        changed,
        *(
            UndoRequested(
                at_us=at_us,
                effect_id=undo_id(effect, 1),
                of=effect,
                decision_id=each.decision_id,
                proposal_id=each.proposal_id,
                agent=each.agent,
                capability=capability,
                action=each.action,
                by=ENGINE,
                reason=f"{capability} was rolled back",
            )
            for effect, each in done
        ),
    )
