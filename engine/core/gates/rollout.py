"""Rollout: a capability decides in shadow until it is promoted, and waits while somebody has it on hold."""

from msgspec import Struct

from engine.core.vocabulary.facts import CapabilityDemoted, CapabilityPromoted, RolloutPaused, RolloutResumed
from engine.core.vocabulary.ids import CapabilityId, CapabilityName, capability_name
from engine.core.vocabulary.verdicts import Answer, Wait

GATE = "rollout"
_LIVE = Answer(gate=GATE, ruling="allow", rule="rollout.stage", owner="captain")
_SHADOW = Answer(
    gate=GATE,
    ruling="allow",
    reason="the capability is in shadow: decided and logged, not executed",
    rule="rollout.stage",
    owner="captain",
    shadowed=True,
)


class Rollouts(Struct):
    """The live version of each capability, and everything that holds one back."""

    live: dict[CapabilityName, CapabilityId] = {}
    paused: dict[CapabilityName, dict[str, str]] = {}
    """Reason → who gave it. A set of reasons, not one flag: lifting one must not lift another."""


def fold_promoted(rollouts: Rollouts, fact: CapabilityPromoted) -> None:
    """Make this version the live one; any other version of the name is in shadow again."""
    rollouts.live[capability_name(fact.capability)] = fact.capability


def fold_demoted(rollouts: Rollouts, fact: CapabilityDemoted) -> None:
    """Put every version of the name back into shadow. One given with its version means its name."""
    rollouts.live.pop(capability_name(fact.capability), None)


def fold_paused(rollouts: Rollouts, fact: RolloutPaused) -> None:
    """Add one reason to hold, for every version of the name. One given with its version means its name."""
    rollouts.paused.setdefault(capability_name(fact.capability), {})[fact.reason] = fact.by


def fold_resumed(rollouts: Rollouts, fact: RolloutResumed) -> None:
    """Take one reason away; the hold ends with the last."""
    name = capability_name(fact.capability)
    reasons = rollouts.paused.get(name)
    if reasons is not None:
        reasons.pop(fact.reason, None)
        if not reasons:
            del rollouts.paused[name]


def judge(rollouts: Rollouts, capability: CapabilityId) -> Answer:
    """Hold while paused; allow otherwise, executed only if this very version is live."""
    name = capability_name(capability)
    shadowed = rollouts.live.get(name) != capability
    reasons = rollouts.paused.get(name)
    if not reasons:
        return _SHADOW if shadowed else _LIVE
    return Answer(
        gate=GATE,
        ruling="escalate",
        reason=f"{name} is paused: "
        + "; ".join(f"{reason} ({by})" for reason, by in sorted(reasons.items())),
        rule="rollout.paused",
        owner="responder",
        waits=(Wait(kind="resume", role="responder"),),
        shadowed=shadowed,
    )
