"""Escalation: when the agent is unsure, or the impact is high, a person decides."""

from decimal import Decimal

from msgspec import UNSET, Struct

from engine.core.calibrations import Trusted
from engine.core.vocabulary.actions import RISK_RANK, Action, ApprovalRule, RiskLevel
from engine.core.vocabulary.facts import CalibrationSettings
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.units import percent_text
from engine.core.vocabulary.verdicts import Answer, Check, Wait

GATE = "escalation"


class EscalationSettings(Struct, frozen=True, kw_only=True):
    """Below which confidence and above which impact a person is asked."""

    below_confidence: float
    above_cost_usd: Decimal
    confidence_from: RiskLevel
    """Confidence is asked for from this risk level on. With LOW, harmless reads need none."""
    role: str
    owner: str


def judge(
    settings: EscalationSettings,
    confidence: float | None,
    impact: Impact,
    risk: RiskLevel,
    action: Action | None = None,
) -> Answer:
    """Hold for a person when confidence is too low (a missing one counts as 0) or the cost too high.

    An action that requires approval is held each time, and one with a rule of its own for whom that names.
    The rule is no way round: who is unsure, or costly, waits for whom the policy names as well.
    """
    sure = 0.0 if confidence is None else confidence
    checks = (
        Check("confidence", sure, settings.below_confidence),
        Check("cost_usd", str(impact.cost_usd), str(settings.above_cost_usd)),
    )
    unsure = sure < settings.below_confidence and RISK_RANK[risk] >= RISK_RANK[settings.confidence_from]
    costly = impact.cost_usd > settings.above_cost_usd
    if action is not None and action.approval is not UNSET:
        also = (Wait(kind="person", role=settings.role),) if unsure or costly else ()
        return Answer(
            gate=GATE,
            ruling="escalate",
            reason=_asked_for(action.approval, action.name),
            rule=f"actions.{action.name}.approval",
            owner=settings.owner,
            checks=checks,
            waits=(*also, _wait(action.approval)),
        )
    if action is not None and action.requires_approval:
        return Answer(
            gate=GATE,
            ruling="escalate",
            reason=f"the registry asks for a person's approval of every {action.name}",
            rule=f"actions.{action.name}.requires_approval",
            owner=settings.owner,
            checks=checks,
            waits=(Wait(kind="person", role=settings.role),),
        )
    if not unsure and not costly:
        return Answer(gate=GATE, ruling="allow", rule="escalation", owner=settings.owner, checks=checks)
    given = f"the confidence is {percent_text(sure)}" if confidence is not None else "no confidence was given"
    reasons = [f"{given}, under {percent_text(settings.below_confidence)}"] if unsure else []
    if costly:
        reasons.append(f"{impact.cost_usd} USD is over {settings.above_cost_usd} USD")
    return Answer(
        gate=GATE,
        ruling="escalate",
        reason=" and ".join(reasons),
        rule="escalation.below_confidence" if unsure else "escalation.above_cost_usd",
        owner=settings.owner,
        checks=checks,
        waits=(Wait(kind="person", role=settings.role),),
    )


def judge_calibrated(
    settings: EscalationSettings,
    calibration: CalibrationSettings,
    trusted: Trusted,
    confidence: float,
    risk: RiskLevel,
) -> Answer:
    """Hold for a person when confidences like this one turned out too seldom.

    It only ever adds to what `judge` says: a good past makes no confidence higher than the agent gave it.
    """
    checks = (
        Check("calibrated_confidence", trusted.level, calibration.below),
        Check("stated_confidence", confidence, settings.below_confidence),
        Check("right_of_last_decisions", trusted.right, trusted.count),
    )
    unsure = trusted.level < calibration.below and RISK_RANK[risk] >= RISK_RANK[settings.confidence_from]
    rule = "escalation.calibration"
    if not unsure:
        return Answer(gate=GATE, ruling="allow", rule=rule, owner=calibration.owner, checks=checks)
    return Answer(
        gate=GATE,
        ruling="escalate",
        reason=f"{percent_text(confidence)} was claimed, but of the last {trusted.count} decisions of "
        f"{trusted.key.replace(':', ' ')} {trusted.right} were right: calibrated it is "
        f"{percent_text(round(trusted.level, 3))}, under {percent_text(calibration.below)}",
        rule=rule,
        owner=calibration.owner,
        checks=checks,
        waits=(Wait(kind="person", role=settings.role),),
    )


def _wait(rule: ApprovalRule) -> Wait:
    return Wait(
        kind="person",
        role=rule.role,
        needed=rule.needed,
        within_us=rule.expires_us,
        without_owner=not rule.owner_counts,
        step_up=rule.approval_class == "A",
    )


def _asked_for(rule: ApprovalRule, action: str) -> str:
    """Say in a sentence whom the registry asks.

    >>> _asked_for(ApprovalRule(role="captain", people=2), "payment.send")
    "the registry asks for the approval of 2 captains, not counting its agent's owner, of every payment.send"
    """
    who = f"{rule.needed} {rule.role}s" if rule.needed > 1 else f"a {rule.role}"
    code = ", each with a one-time code" if rule.approval_class == "A" else ""
    owner = "" if rule.owner_counts else ", not counting its agent's owner"
    comma = "," if code or owner else ""
    return f"the registry asks for the approval of {who}{code}{owner}{comma} of every {action}"
