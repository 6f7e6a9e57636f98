"""Acting: what an actor asks for in an incident, and what is told of it afterwards. Pure."""

from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from engine.core.vocabulary.facts import Fact, IncumbentActed, OutcomeReported
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EpisodeId, PersonId, ProposalId
from engine.core.vocabulary.proposals import Impact, Proposal
from simulator.world.incidents import Incident
from simulator.world.stories import Candidate, Work

_COST: Final = Impact(cost_usd=Decimal("0.02"), api_calls=1)
_OLD: Final = AgentId("incumbent")


def wish(work: Work, candidate: Candidate, incident: Incident) -> Proposal:
    """Return what a candidate proposes: what the incumbent does, or now and then something else."""
    action = work.action if incident.wish < candidate.character.agrees else work.otherwise
    return _proposal(candidate.agent, candidate.capability, action, incident)


def routine(work: Work, incident: Incident) -> Proposal:
    """Return what the version proposes that does the work now."""
    return _proposal(_OLD, work.incumbent, work.action, incident)


def _proposal(agent: AgentId, capability: CapabilityId, action: ActionName, incident: Incident) -> Proposal:
    return Proposal(
        proposal_id=proposal_id(incident.episode, capability),
        agent=agent,
        capability=capability,
        action=action,
        args=arguments(action, incident),
        episode=incident.episode,
        environment="production",
        impact=_COST,
        confidence=0.95,
    )


def proposal_id(episode: EpisodeId, capability: CapabilityId) -> ProposalId:
    """Name what one version wants in one episode."""
    return ProposalId(f"{episode}:{capability}")


def arguments(action: ActionName, incident: Incident) -> dict[str, Any]:
    """Return the arguments that mend an incident with an action of the shipped registry."""
    name = incident.service.name
    if action == "service.scale":
        return {"service": name, "replicas": 3 + int(incident.detail * 4)}
    return {"service": name}


def outcome(at_us: int, proposal: Proposal, *, ok: bool, executed: bool, detail: str = "") -> OutcomeReported:
    """Say what came of a proposal: by the executor, or because the incumbent did the very same."""
    return OutcomeReported(
        at_us=at_us,
        proposal_id=proposal.proposal_id,
        agent=proposal.agent,
        capability=proposal.capability,
        action=proposal.action,
        ok=ok,
        by="executor" if executed else "incumbent",
        detail=detail,
    )


def deed(at_us: int, work: Work, incident: Incident, person: PersonId, *, ok: bool) -> IncumbentActed:
    """Say what a person did."""
    return IncumbentActed(
        at_us=at_us,
        episode=incident.episode,
        capability=work.name,
        action=work.action,
        args=arguments(work.action, incident),
        ok=ok,
        by=person,
    )


def again_at(fact: Fact, at_us: int) -> Fact:
    """Return the same fact at another time."""
    return structs.replace(fact, at_us=at_us)
