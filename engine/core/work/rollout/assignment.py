"""Assignment: which episodes a canary gets. Chance is a hash, so anybody can draw it again."""

import hashlib
from typing import Final

from engine.core.vocabulary.ids import ActionName, CapabilityId, capability_name
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.rollouts import Arm, Assignment, RolloutPlan, RolloutSettings, Stage, Standing
from engine.core.work.rollout.candidates import TWIN, Candidate, Rollouts

_WHOLE: Final = 1 << 64


def bucket(text: str) -> int:
    """Map a text evenly onto 64 bits with BLAKE2b (RFC 7693).

    A checksum such as CRC-32 will not do: it is linear, so that the units of two rollouts fall together.

    >>> bucket("heal@2|incident-7")
    7554404349814455278
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def in_canary(capability: CapabilityId, unit: str, share: float) -> bool:
    """Whether a unit falls to the canary. A unit that does keeps doing so while the share grows.

    >>> [in_canary(CapabilityId("heal@2"), "incident-7", share) for share in (0.01, 0.1, 0.5, 1.0)]
    [False, False, True, True]
    """
    return bucket(f"{capability}|{unit}") < share * _WHOLE


def drawn_anew(capability: CapabilityId, unit: str, action: ActionName, exploration: float) -> Arm | None:
    """Draw the arm of one decision anew, for so large a share of decisions; `None` for all others.

    What is decided is whether, and how, an action is taken on a unit. Candidate and incumbent are asked that
    same question, so they share one draw, made for the candidate's version: exactly one of them acts on it.

    >>> heal, read = CapabilityId("heal@2"), ActionName("file.read")
    >>> said = [drawn_anew(heal, f"e-{number}", read, 0.1) for number in range(400)]
    >>> said.count("canary"), said.count("control"), said.count(None)
    (22, 8, 370)
    """
    if exploration <= 0:
        return None
    drawn = bucket(f"explore|{capability}|{unit}|{action}")
    if drawn >= exploration * _WHOLE:
        return None
    return "canary" if drawn < exploration / 2 * _WHOLE else "control"


def chance_of_canary(share: float, exploration: float) -> float:
    """Return how probable it was that a decision fell to the canary: what off-policy estimates divide by.

    With a share of 10 % and 1 % of exploration, 0.99 · 0.1 + 0.01 / 2:

    >>> round(chance_of_canary(0.1, 0.01), 9)
    0.104
    """
    return (1 - exploration) * share + exploration / 2


def unit_of(settings: RolloutSettings, proposal: Proposal) -> str:
    """Return what of a proposal is assigned: its episode or, alone, itself; or what its plan names."""
    plan, otherwise = settings.plan, proposal.episode or proposal.proposal_id
    if settings.by_name:
        plan = settings.plan_of(capability_name(proposal.capability))
    return otherwise if plan.unit == "episode" else unit_under(plan, otherwise, proposal.args)


def unit_under(plan: RolloutPlan, otherwise: str, args: dict[str, object]) -> str:
    """Return `otherwise`, or the argument a plan names; empty when that is missing."""
    if plan.unit == "episode":
        return otherwise
    value = args.get(plan.unit.partition(":")[2])
    return "" if value is None else str(value)


_LIVE: Final = Standing(stage="live", acting=True)
_UNPROVEN: Final = Standing(stage="unproven", acting=False)


def assigned(candidate: Candidate, unit: str) -> Assignment:
    """Say which arm a unit falls to now, and keep to it while the unit is open."""
    episode = candidate.episodes.get(unit)
    if episode is not None:
        arm, share = episode.arm, episode.share
    else:
        share = candidate.share
        arm = "canary" if share > 0 and in_canary(candidate.capability, unit, share) else "control"
    return Assignment(unit, arm, share, share if arm == "canary" else 1 - share)


def standing(
    rollouts: Rollouts, capability: CapabilityId, action: ActionName, unit: str, *, safe: bool
) -> Standing:
    """Say where a version stands for one action on one unit; an empty unit is never a canary's.

    `safe` says that the decision changes nothing, whoever takes it: only such a one may be explored.
    """
    name = capability_name(capability)
    candidate = rollouts.candidates.get(name)
    paused = rollouts.paused.get(name)
    live = rollouts.live.get(name)
    if candidate is None and paused is None:
        return _LIVE if capability == live else _UNPROVEN
    if candidate is None or not candidate.watched:
        return _at_rest(candidate, capability, live, paused)
    if capability == candidate.capability:
        return _of_candidate(rollouts, candidate, action, unit, paused, safe=safe)
    if capability == live:
        # While the candidate is held back, and for what cannot be assigned, the incumbent does all the work.
        assignment = assigned(candidate, unit) if unit and not paused else None
        if assignment is not None and candidate.share:
            assignment = _explored(rollouts, candidate, assignment, action, safe=safe)
        acting = assignment is None or assignment.arm == "control"
        return Standing(stage="live", acting=acting, assignment=assignment)
    if live and capability == f"{live}{TWIN}" and candidate.stage == "shadow" and unit and not paused:
        return Standing(stage="unproven", acting=False, assignment=assigned(candidate, unit))
    return Standing(stage="unproven", acting=False, paused=_reasons(paused))


def _at_rest(
    candidate: Candidate | None,
    capability: CapabilityId,
    live: CapabilityId | None,
    paused: dict[str, str] | None,
) -> Standing:
    own = candidate is not None and candidate.capability == capability
    if not paused and not own:
        return _LIVE if capability == live else _UNPROVEN
    stage: Stage = "live" if capability == live else "unproven"
    if candidate is not None and own:
        stage = candidate.stage
    return Standing(stage=stage, acting=capability == live, paused=_reasons(paused))


def _of_candidate(
    rollouts: Rollouts,
    candidate: Candidate,
    action: ActionName,
    unit: str,
    paused: dict[str, str] | None,
    *,
    safe: bool,
) -> Standing:
    stage = candidate.stage
    if paused or not unit:
        acting = stage == "live"
        return Standing(stage=stage, acting=acting, paused=_reasons(paused))
    assignment = assigned(candidate, unit)
    if 0 < candidate.share < 1:
        assignment = _explored(rollouts, candidate, assignment, action, safe=safe)
    acting = stage == "live" or (candidate.share > 0 and assignment.arm == "canary")
    return Standing(stage=stage, acting=acting, assignment=assignment)


def _explored(
    rollouts: Rollouts, candidate: Candidate, assignment: Assignment, action: ActionName, *, safe: bool
) -> Assignment:
    exploration = rollouts.settings.exploration
    if not safe or exploration <= 0:
        return assignment
    drawn = drawn_anew(candidate.capability, assignment.unit, action, exploration)
    arm = drawn or assignment.arm
    canary = chance_of_canary(assignment.share, exploration)
    return Assignment(
        assignment.unit,
        arm,
        assignment.share,
        canary if arm == "canary" else 1 - canary,
        drawn is not None,
    )


def _reasons(paused: dict[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(paused.items())) if paused else ()
