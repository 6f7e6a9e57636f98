"""Typed ids. An id is derived from what it names, never drawn by chance, so a replay gives the same ones."""

import hashlib
from functools import lru_cache
from typing import NewType

AgentId = NewType("AgentId", str)
PersonId = NewType("PersonId", str)
ActionName = NewType("ActionName", str)
ProposalId = NewType("ProposalId", str)
DecisionId = NewType("DecisionId", str)
EffectId = NewType("EffectId", str)
"""What is done on a decision carries the decision's id; taking it back is an effect with an id of its own."""
EpisodeId = NewType("EpisodeId", str)
CapabilityId = NewType("CapabilityId", str)
"""One version of one piece of autonomous logic, written `name@version`."""
CapabilityName = NewType("CapabilityName", str)
StandingId = NewType("StandingId", str)
"""One standing approval."""
ContestId = NewType("ContestId", str)
EscalationId = NewType("EscalationId", str)
NotificationId = NewType("NotificationId", str)
RuleId = NewType("RuleId", str)
Digest = NewType("Digest", str)
"""A lower-case hexadecimal digest."""


def decision_id(proposal_id: ProposalId) -> DecisionId:
    """Give the decision on a proposal its id: `d_` and 60 bits of BLAKE2b in hexadecimal.

    Sixty bits keep the chance that any two of a million decisions collide under one in two million, and
    sixteen signs can still be read aloud over a phone at night.

    >>> decision_id(ProposalId("p-1"))
    'd_7e566b8fac673f6'
    """
    return DecisionId("d_" + hashlib.blake2b(proposal_id.encode(), digest_size=8).hexdigest()[:15])


def undo_id(effect: EffectId | DecisionId, nth: int) -> EffectId:
    """Give the `nth` taking back of an effect its id, counting from 1. It can be taken back in turn.

    >>> undo_id(DecisionId("d_7e566b8fac673f6"), 1)
    'u_71eceefaeaf4111'
    """
    return EffectId("u_" + hashlib.blake2b(f"{effect}/{nth}".encode(), digest_size=8).hexdigest()[:15])


# The same few capabilities are asked for their names with every proposal.
@lru_cache(maxsize=1024)
def capability_name(capability: CapabilityId | CapabilityName) -> CapabilityName:
    """Drop the version of a capability.

    >>> capability_name(CapabilityId("restart-unhealthy@3"))
    'restart-unhealthy'
    """
    return CapabilityName(capability.rpartition("@")[0] or capability)


def capability_version(capability: CapabilityId) -> str:
    """Keep only the version of a capability; empty when it carries none.

    >>> capability_version(CapabilityId("restart-unhealthy@3"))
    '3'
    """
    name, _, version = capability.rpartition("@")
    return version if name else ""
