"""Evidence: what a candidate's stage asks for, what is there, and what it adds up to.

The order is fixed: who broke something is rolled back before anybody counts samples, who may be mixed up is
paused, then the samples, then the signal. A person's word comes last, and is never enough.
"""

import math
from typing import Literal

from msgspec import Struct

from engine.core.statistics import detector, excess, mixture, risk_ratio, sample_ratio, thresholds
from engine.core.vocabulary.facts import CapabilityReplayed
from engine.core.vocabulary.rollouts import (
    ORDER,
    ArmTally,
    Evidence,
    Requirement,
    RolloutPlan,
    Stage,
)
from engine.core.vocabulary.units import DAY_US
from engine.core.work.rollout import missing
from engine.core.work.rollout.candidates import Candidate


class Weighing(Struct, frozen=True, kw_only=True):
    """What the evidence says now."""

    word: Literal["advance", "hold", "pause", "rollback"]
    reason: str
    """A sentence: what broke, or that everything is there; `waits_for` says what is missing."""
    to: Stage
    """Where it leads; the stage it is in where it holds or pauses."""
    evidence: Evidence


def judge(
    candidate: Candidate, plan: RolloutPlan, replay: CapabilityReplayed | None, now_us: int
) -> Weighing:
    """Weigh the evidence of one candidate."""
    against = broken(candidate, plan)
    requirements = (*_requirements(candidate, plan, replay, now_us),)
    evidence = _evidence(candidate, (*(each for each in against if not each.met), *requirements))
    stage = candidate.stage
    for each in against:
        if not each.met:
            if each.name in _DOUBTS:
                return Weighing(word="pause", reason=_why(candidate, each), to=stage, evidence=evidence)
            return Weighing(
                word="rollback", reason=_why(candidate, each), to="rolled_back", evidence=evidence
            )
    if all(each.met for each in requirements) and stage in ORDER[:-1]:
        return Weighing(word="advance", reason="the evidence is there", to=_next(stage), evidence=evidence)
    return Weighing(
        word="hold",
        reason="",
        to=stage,
        evidence=evidence,
    )


def waits_for(
    candidate: Candidate, plan: RolloutPlan, weighed: Weighing, now_us: int
) -> tuple[str, int | None]:
    """Say what a stage that holds waits for, and when that may be there; `None` when nobody can say.

    Worked out for whoever reads it only: the evidence is weighed with every outcome.
    """
    if weighed.word != "hold":
        return weighed.reason, None
    unmet = [each for each in weighed.evidence.requirements if not each.met]
    said = [f"{each.name} {shown(each)}" for each in unmet if each.name not in (_LOST, _UNEVEN)]
    # What has to be repaired stands first: without that the rest never comes.
    said[:0] = [lost] if candidate.share and (lost := missing.said(candidate, plan)) else []
    return "; ".join(said) or f"it is {candidate.stage} already", _likely(candidate, unmet, now_us)


_BREACH = "no forbidden action"
_MIXED_UP = "arms told apart"
_RATIO = "evidence of a wrong share"
_DOUBTS = (_MIXED_UP, _RATIO)
"""What makes the numbers themselves doubtful, so that they prove nothing, for or against."""
_BAD = "evidence of harm"
_LIMIT = "failures over the limit"
_LOST = "control's outcomes missing"
_UNEVEN = "evidence of outcomes missing in one arm"


def broken(candidate: Candidate, plan: RolloutPlan) -> tuple[Requirement, ...]:
    """Compare everything that takes authority away with its limit, the gravest first."""
    if not candidate.share:
        return ()
    parts = thresholds.split(plan.alpha, len(plan.guardrails))
    found = [
        Requirement(_BREACH, candidate.breach or "none", "none", not candidate.breach),
        _under(_BAD, risk_ratio.bad(candidate.bad), thresholds.needed(parts.bad)),
        _under(_LIMIT, excess.level(candidate.limit), detector.alarm_at(parts.failure_share, plan.span)),
        *(
            _under(
                f"guardrail {series}", detector.level(values), detector.alarm_at(parts.guardrail, plan.span)
            )
            for series, values in sorted(candidate.guardrails.items())
        ),
        Requirement(_MIXED_UP, candidate.mixed_up or "yes", "yes", not candidate.mixed_up),
        _under(
            _RATIO,
            sample_ratio.e_value(candidate.ratio),
            thresholds.needed(thresholds.SAMPLE_RATIO_ALPHA),
        ),
    ]
    return tuple(found)


def _requirements(
    candidate: Candidate, plan: RolloutPlan, replay: CapabilityReplayed | None, now_us: int
) -> list[Requirement]:
    if candidate.stage == "shadow":
        found = [
            _least(
                "whole days in shadow", (now_us - candidate.since_us) // DAY_US, -(-plan.shadow_us // DAY_US)
            ),
            _least("different days with episodes", candidate.days, -(-plan.shadow_us // DAY_US)),
            _least("episodes compared", candidate.compared, plan.shadow_episodes),
            _least(
                "evidence of agreement", mixture.e_value(candidate.agreement), thresholds.needed(plan.alpha)
            ),
        ]
        if plan.replay_decisions:
            found += replay_requirements(replay, plan, now_us)
        return found
    if 0 < candidate.share < 1:
        most = missing.most(candidate)
        return [
            _least("episodes of the canary", candidate.canary, plan.canary_episodes),
            _least("evidence of no harm", mixture.e_value(candidate.good), thresholds.needed(plan.alpha)),
            Requirement(_LOST, candidate.control_missing, most, candidate.control_missing <= most),
            _under(_UNEVEN, missing.uneven(candidate), thresholds.needed(plan.alpha)),
        ]
    return []


def replay_requirements(
    replay: CapabilityReplayed | None, plan: RolloutPlan, now_us: int
) -> list[Requirement]:
    """Say what a replay must show, and what the newest one shows."""
    if replay is None:
        return [_least("decisions replayed", 0, plan.replay_decisions)]
    most_failed = plan.failure_share * replay.allowed
    age_days = (now_us - replay.at_us) // DAY_US
    return [
        _least("decisions replayed", replay.decisions, plan.replay_decisions),
        Requirement("harmful ones allowed in replay", replay.unsafe, 0, replay.unsafe == 0),
        Requirement("failed ones in replay", replay.failed, most_failed, replay.failed <= most_failed),
        Requirement(
            "days since the replay",
            age_days,
            plan.replay_age_us // DAY_US,
            now_us - replay.at_us <= plan.replay_age_us,
        ),
    ]


def _evidence(candidate: Candidate, requirements: tuple[Requirement, ...]) -> Evidence:
    return Evidence(
        since_us=candidate.since_us,
        compared=candidate.compared,
        agreed=candidate.agreed,
        canary=ArmTally(candidate.canary, candidate.canary_failures),
        control=ArmTally(candidate.control, candidate.control_failures),
        canary_missing=candidate.canary_missing,
        control_missing=candidate.control_missing,
        late=candidate.late,
        explored_canary=candidate.explored_canary,
        explored_control=candidate.explored_control,
        requirements=requirements,
    )


def _least(name: str, measured: float, needed: float) -> Requirement:
    return Requirement(name, measured, needed, measured >= needed)


def _under(name: str, measured: float, limit: float) -> Requirement:
    return Requirement(name, measured, limit, measured < limit)


def _next(stage: Stage) -> Stage:
    return ORDER[ORDER.index(stage) + 1]


def _why(candidate: Candidate, broke: Requirement) -> str:
    if broke.name == _BREACH:
        return candidate.breach
    if broke.name == _MIXED_UP:
        return candidate.mixed_up
    return (
        f"{broke.name} is {number_text(broke.measured)}, the limit {number_text(broke.needed)} "
        f"(canary {candidate.canary_failures} of {candidate.canary} failed, "
        f"control {candidate.control_failures} of {candidate.control})"
    )


def shown(requirement: Requirement) -> str:
    """Write what was measured and what was needed: `12 of 200`."""
    return f"{number_text(requirement.measured)} of {number_text(requirement.needed)}"


def number_text(value: float | str) -> str:
    """Write one side of a requirement: counts in full, e-values to four digits."""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _likely(candidate: Candidate, unmet: list[Requirement], now_us: int) -> int | None:
    """Guess from the stage's own pace when the last of what is missing may be there.

    Counts are taken to grow evenly; so does the number of doublings of an e-value. The exponent of a binary
    floating-point number counts these exactly, on every machine, where a logarithm would not.
    """
    if not unmet:
        return None
    passed_us = now_us - candidate.since_us
    latest = now_us
    for each in unmet:
        measured, needed = each.measured, each.needed
        if isinstance(measured, str) or isinstance(needed, str) or measured > needed:
            return None
        if not isinstance(measured, int):
            measured, needed = _doublings(measured), _doublings(needed)
        if measured <= 0 or passed_us <= 0:
            return None
        latest = max(latest, candidate.since_us + round(passed_us * needed / measured))
    return latest


def _doublings(value: float) -> int:
    """Count how often 1 must be doubled to exceed a number.

    >>> [_doublings(value) for value in (0.5, 1.5, 20.0)]
    [0, 1, 5]
    """
    return max(0, math.frexp(value)[1])
