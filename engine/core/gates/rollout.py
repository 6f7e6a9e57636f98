"""The rollout gate: what has not earned its authority is logged, not executed; what is paused waits."""

from functools import lru_cache
from typing import Final

from engine.core.vocabulary.ids import CapabilityId, capability_name
from engine.core.vocabulary.rollouts import Stage, Standing
from engine.core.vocabulary.units import percent_text
from engine.core.vocabulary.verdicts import Answer, Check, Wait

GATE = "rollout"
_RULE: Final = "rollout.stage"
_TAKE: Final = (Wait(kind="take", role="responder"),)
_RESUME: Final = (Wait(kind="resume", role="responder"),)


def judge(standing: Standing, capability: CapabilityId, owner: str) -> Answer:
    """Allow, executed or only shadowed as the version stands; hold while anybody has a reason to."""
    if standing.paused:
        reasons = "; ".join(f"{reason} ({by})" for reason, by in standing.paused)
        return Answer(
            gate=GATE,
            ruling="escalate",
            reason=f"{capability_name(capability)} is paused: {reasons}",
            rule="rollout.paused",
            owner="responder",
            waits=_RESUME,
            shadowed=not standing.acting,
        )
    assignment = standing.assignment
    if assignment is None or standing.stage in _WITHOUT_ARMS:
        return _said(standing.stage, standing.acting, owner)
    return _in_arm(standing.stage, assignment.arm, assignment.share, standing.acting, owner)


_WITHOUT_ARMS: Final = ("unproven", "replayed", "shadow", "rolled_back")


@lru_cache(maxsize=64)
def _said(stage: Stage, acting: bool, owner: str) -> Answer:  # noqa: FBT001 - what is remembered is positional
    if acting:
        return Answer(gate=GATE, ruling="allow", rule=_RULE, owner=owner)
    return Answer(gate=GATE, ruling="allow", reason=_SHADOWED[stage], rule=_RULE, owner=owner, shadowed=True)


_SHADOWED: Final[dict[Stage, str]] = {
    "unproven": "the capability has not earned authority: decided and logged, not executed",
    "replayed": "the capability was replayed only: decided and logged, not executed",
    "shadow": "the capability is in shadow: decided and logged, not executed",
    "canary_1": "the capability is a canary and this is no episode of its: decided and logged, not executed",
    "canary_10": "the capability is a canary and this is no episode of its: decided and logged, not executed",
    "canary_50": "the capability is a canary and this is no episode of its: decided and logged, not executed",
    "live": "a canary has this episode: decided and logged, not executed",
    "rolled_back": "the capability was rolled back: decided and logged, not executed",
}


@lru_cache(maxsize=64)
def recommended(owner: str) -> Answer:
    """Hold what all gates allow, until a person takes it: its plan recommends and does not execute."""
    return Answer(
        gate=GATE,
        ruling="escalate",
        reason="its plan recommends and executes nothing by itself: a person takes it or declines it",
        rule="rollout.mode",
        owner=owner,
        waits=_TAKE,
    )


@lru_cache(maxsize=64)
def _in_arm(stage: Stage, arm: str, share: float, acting: bool, owner: str) -> Answer:  # noqa: FBT001 - as above
    check = Check("arm", arm, f"canary at {percent_text(share)}")
    return Answer(
        gate=GATE,
        ruling="allow",
        reason="" if acting else _SHADOWED[stage],
        rule=_RULE,
        owner=owner,
        checks=(check,),
        shadowed=not acting,
    )
