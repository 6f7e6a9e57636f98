"""What goes out about changes: who proposed a decision in this form, and what took the place of one."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct

from engine.commands.standing import Standing, proposal_of, standing_of
from engine.core.vocabulary.people_facts import Role
from engine.ports import DecisionsReader
from engine.runtime.wire import DecisionStatus


class ChangeShown(Struct, frozen=True, kw_only=True):
    """Who proposed it in this form, and in place of which decision."""

    of: Annotated[str, Meta(description="The decision it replaces")]
    by: str
    role: Role
    reason: str


class Replacement(Struct, frozen=True, kw_only=True):
    """What a person put in the place of a decision, and how far that is."""

    decision_id: str
    proposal_id: Annotated[str, Meta(description="What an outcome is reported for, if the agent does it")]
    by: str
    args: Annotated[dict[str, Any], Meta(description="The arguments as they are now")]
    cost_usd: str
    files: int
    api_calls: int
    status: DecisionStatus
    final: bool
    links: dict[str, str]


def change_of(standing: Standing) -> ChangeShown | None:
    """Say who proposed it in this form; `None` where it is as the agent proposed it."""
    changed = standing.verdict.changed
    if changed is UNSET:
        return None
    return ChangeShown(of=changed.of, by=changed.by, role=changed.role, reason=changed.reason)


def replacement_of(journal: DecisionsReader, standing: Standing) -> Replacement | None:
    """Say what took its place, and where that stands now; `None` where nothing did."""
    over = standing.answered
    if over is None or over.replaced_by is UNSET:
        return None
    new = standing_of(journal, over.replaced_by)
    proposal = proposal_of(journal, new.verdict.proposal_id) if new is not None else None
    if new is None or proposal is None:
        return None
    here = f"/v1/decisions/{new.verdict.decision_id}"
    return Replacement(
        decision_id=new.verdict.decision_id,
        proposal_id=new.verdict.proposal_id,
        by=" and ".join(over.by),
        args=proposal.args,
        cost_usd=str(proposal.impact.cost_usd),
        files=proposal.impact.files,
        api_calls=proposal.impact.api_calls,
        status=new.status,
        final=new.final,
        links={"self": here, "explain": f"{here}/explain", "stream": f"{here}/stream"},
    )
