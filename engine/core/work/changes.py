"""Changes: a person approves another version of what is held, and that version takes its place.

The person's version is a proposal of its own: every gate is asked about it, and approvals bind to its own
digest. What it replaces waits no longer, unless the new one is denied: then nothing has changed.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import UNSET

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import Effect
from engine.core.vocabulary.facts import AnswerRefused, Fact, HoldAnswered, HoldEnded
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId
from engine.core.vocabulary.people_facts import RANKS
from engine.core.vocabulary.proposals import Changed
from engine.core.vocabulary.verdicts import Verdict
from engine.core.work.answers import GONE
from engine.core.work.hold import PEOPLE, objection, rank_of, takes_others
from engine.core.work.holds import Holds
from engine.core.work.standing_approvals import approved_at_once, performed

_NOT_DONE: Final = "changed it, and it waits as it was, for that would not be done"


def objection_to_change(
    holds: Holds,
    changed: Changed,
    wanted: tuple[AgentId, CapabilityId, ActionName],
    at_us: int,
) -> str:
    """Say what speaks against a change; empty when nothing does. Who may approve may change."""
    hold = holds.by_id.get(changed.of)
    if hold is None:
        return f"{changed.of} cannot be changed: {GONE}"
    if hold.effect_id is not None:
        return f"{changed.of} ran already: there is nothing left to change"
    if (hold.agent, hold.capability, hold.action) != wanted:
        return f"a change keeps agent, capability and action, and {changed.of} has others; deny it instead"
    asked = HoldAnswered(
        at_us=at_us,
        decision_id=changed.of,
        by=changed.by,
        role=changed.role,
        answer="approve",
        digest=changed.digest,
        stepped_up=changed.stepped_up,
    )
    return objection(hold, asked)


def after(
    holds: Holds, verdict: Verdict, actions: Mapping[ActionName, Action]
) -> tuple[tuple[Fact, ...], tuple[Effect, ...] | None]:
    """Say what follows from the verdict on a change.

    What it replaces ends with it, and the new one goes on at once where that person's word is all it waits
    for. Returned effects take the place of the verdict's own; `None` leaves those.
    """
    changed = verdict.changed
    if changed is UNSET:
        return (), None
    if verdict.word == "deny" or verdict.shadowed:
        answers = (*verdict.answers, *verdict.assessment.answers)
        denials = [each.reason for each in answers if each.ruling == "deny"]
        why = denials[0] if denials else f"{verdict.capability} has no authority now"
        refused = AnswerRefused(
            at_us=verdict.at_us,
            decision_id=changed.of,
            by=changed.by,
            reason=f"{changed.by} {_NOT_DONE}: {why}",
        )
        return (refused,), None
    facts: tuple[Fact, ...] = ()
    old = holds.by_id.get(changed.of)
    if old is not None:
        facts = (
            HoldEnded(
                at_us=verdict.at_us,
                decision_id=changed.of,
                proposal_id=old.proposal_id,
                agent=old.agent,
                capability=old.capability,
                action=old.action,
                how="replaced",
                by=(changed.by,),
                reason=changed.reason,
                replaced_by=verdict.decision_id,
            ),
        )
    if verdict.word != "hold" or not _is_enough(changed, verdict):
        return facts, None
    over = approved_at_once(verdict, changed.by, changed.reason)
    return (*facts, over), performed(actions[verdict.action], verdict)


def _is_enough(changed: Changed, verdict: Verdict) -> bool:
    """Whether the word of whoever changed it is all that the new one waits for."""
    return not takes_others(verdict.waits) and all(
        wait.kind in PEOPLE and RANKS[changed.role] >= rank_of(wait) for wait in verdict.waits
    )
