"""Showing: one rollout as people look at it, with what its evidence says now."""

from msgspec import Struct

from engine.core.statistics import paired
from engine.core.statistics.confounding import confounding
from engine.core.statistics.intervals import Interval, rate, ratio
from engine.core.vocabulary.facts import CapabilityReplayed
from engine.core.vocabulary.ids import CapabilityId, CapabilityName
from engine.core.vocabulary.rollouts import SHARES, Disagreement, Evidence, RolloutPlan, Stage
from engine.core.work.rollout import evidence
from engine.core.work.rollout.candidates import Candidate, Rollouts


class Rates(Struct, frozen=True, kw_only=True):
    """What the true rates may be: confidence sequences, right at every look at once.

    Nothing is decided by them.
    """

    confidence: float
    """With which probability each holds the true value, over 0 and under 1."""
    canary: Interval
    """How often an episode fails in the canary's hands, in this stage."""
    control: Interval
    ratio: Interval
    """How many times as often as in control's, over the whole rollout."""


class HeldBack(Struct, frozen=True, kw_only=True):
    """Episodes in shadow in which the candidate would have done nothing and the incumbent acted."""

    went_wrong: int
    """Whose acting went wrong, so that holding back was better."""
    went_well: int
    better: float
    """E-value against "holding back was right in half of them at most"."""
    worse: float
    """E-value against "it was right in half of them at least"."""


class RolloutShown(Struct, frozen=True, kw_only=True):
    """Where one capability stands."""

    name: CapabilityName
    live: CapabilityId | None
    """The version whose allowed actions are executed; `None` when people do the work."""
    candidate: CapabilityId | None
    """The version on its way, or the last one that was; `None` when there never was one."""
    stage: Stage
    """Of the candidate; `unproven` when there is none."""
    share: float
    """Of the episodes that are the candidate's, 0 to 1."""
    says: str
    """What the evidence says now: advance, hold, pause or rollback; empty without a rollout."""
    reason: str
    next_stage: Stage
    evidence: Evidence | None
    likely_us: int | None
    """When what is missing may be there; `None` when nobody can say, or nothing is."""
    automatic: bool
    confounded: str
    """Why its arms cannot be compared as they stand; empty when they can."""
    rates: Rates | None
    """`None` where no episodes are counted."""
    held_back: HeldBack | None
    """`None` outside shadow."""
    disagreements: tuple[Disagreement, ...]
    """The most frequent first."""
    twins: int
    """Episodes in which the incumbent ran twice, and how often it agreed with itself."""
    twins_agreed: int
    paused: dict[str, str]
    """Each reason that holds it back, and who gave it."""
    replay: CapabilityReplayed | None


class UnderWay(Struct, frozen=True, kw_only=True):
    """One rollout that is on its way or held back, in short."""

    name: CapabilityName
    candidate: CapabilityId | None
    """`None` when a capability is held back without any version on its way."""
    stage: Stage
    share: float
    """Of the episodes that are the candidate's, 0 to 1."""
    paused: dict[str, str]
    """Each reason that holds it back, and who gave it."""


def under_way(rollouts: Rollouts) -> tuple[UnderWay, ...]:
    """Return what is on its way or held back, by name. What arrived or was rolled back is not."""
    found = []
    for name in names(rollouts):
        candidate, paused = rollouts.candidates.get(name), rollouts.paused.get(name, {})
        climbs = candidate is not None and candidate.watched and candidate.stage != "live"
        if not climbs and not paused:
            continue
        found.append(
            UnderWay(
                name=name,
                candidate=candidate.capability if climbs and candidate is not None else None,
                stage=candidate.stage if candidate is not None else "unproven",
                share=candidate.share if candidate is not None else 0.0,
                paused=dict(sorted(paused.items())),
            )
        )
    return tuple(found)


def names(rollouts: Rollouts) -> list[CapabilityName]:
    """Return every capability that has a version live, on its way, or held back, by name."""
    return sorted({*rollouts.live, *rollouts.candidates, *rollouts.paused})


def show(rollouts: Rollouts, name: CapabilityName, now_us: int) -> RolloutShown:
    """Say where one capability stands."""
    candidate, plan = rollouts.candidates.get(name), rollouts.settings.plan_of(name)
    replay = rollouts.replays.get(candidate.capability) if candidate is not None else None
    weighed = (
        evidence.judge(candidate, plan, replay, now_us)
        if candidate is not None and candidate.watched
        else None
    )
    reason, likely_us = "", None
    if candidate is not None and weighed is not None:
        reason, likely_us = evidence.waits_for(candidate, plan, weighed, now_us)
    found = candidate.disagreements.values() if candidate is not None else ()
    return RolloutShown(
        name=name,
        live=rollouts.live.get(name),
        candidate=candidate.capability if candidate is not None else None,
        stage=candidate.stage if candidate is not None else "unproven",
        share=candidate.share if candidate is not None else 0.0,
        says=weighed.word if weighed is not None else "",
        reason=reason,
        next_stage=weighed.to if weighed is not None else "unproven",
        evidence=weighed.evidence if weighed is not None else None,
        likely_us=likely_us,
        automatic=plan.automatic,
        confounded=confounded(rollouts, name),
        rates=_rates(candidate, plan) if candidate is not None and candidate.share > 0 else None,
        held_back=_held_back(candidate) if candidate is not None and candidate.stage == "shadow" else None,
        disagreements=tuple(sorted(found, key=lambda each: (-each.episodes, each.reason))),
        twins=candidate.twins if candidate is not None else 0,
        twins_agreed=candidate.twins_agreed if candidate is not None else 0,
        paused=dict(sorted(rollouts.paused.get(name, {}).items())),
        replay=replay,
    )


def confounded(rollouts: Rollouts, name: CapabilityName) -> str:
    """Say why a rollout's arms cannot be compared as they stand, by its data where they show it, else by its
    plan; empty when they can.
    """
    candidate = rollouts.candidates.get(name)
    kind, _, argument = rollouts.settings.plan_of(name).unit.partition(":")
    if kind == "episode":
        return ""
    found = confounding(candidate.entities, f"values of {argument}") if candidate is not None else None
    if found is not None:
        return found.reason
    return (
        f"the arm is drawn for each {argument}, not for each episode: what differs between two of them looks "
        "like a difference between the versions, so a few bad ones decide. Assign by episode where you can"
    )


def _rates(candidate: Candidate, plan: RolloutPlan) -> Rates:
    failed = candidate.failed
    by_share = zip(SHARES.values(), failed[::2], failed[1::2], strict=True)
    return Rates(
        confidence=1 - plan.alpha,
        canary=rate(candidate.canary_failures, candidate.canary, plan.alpha),
        control=rate(candidate.control_failures, candidate.control, plan.alpha),
        ratio=ratio(by_share, plan.alpha),
    )


def _held_back(candidate: Candidate) -> HeldBack:
    wrong = candidate.held_back.failures
    well = candidate.held_back.episodes - wrong
    # Where the act went well, doing nothing was the failure.
    return HeldBack(
        went_wrong=wrong,
        went_well=well,
        better=paired.counted(well, wrong, "better"),
        worse=paired.counted(well, wrong, "worse"),
    )
