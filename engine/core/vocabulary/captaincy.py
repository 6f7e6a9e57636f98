"""Captaincy: who has the last word, and which agents may say no."""

from typing import Literal

from msgspec import Struct

from engine.core.vocabulary.ids import AgentId, PersonId
from engine.core.vocabulary.voting import AGENT

Word = Literal["hand-over", "accept", "decline", "away", "back", "deputy"]
"""What people say of the captaincy."""


class CaptaincySettings(Struct, frozen=True, kw_only=True):
    """What the policy says of captains."""

    captain: PersonId = PersonId("")
    """Who begins; empty where there is no captaincy, and everybody with that role is a captain."""
    deputy: PersonId = PersonId("")
    """Who acts while the captain is away; empty where nobody does."""
    confirm: bool = True
    """Whether whoever it is handed to has to accept."""
    vetoers: tuple[AgentId, ...] = ()
    """Agents that hold the veto. No agent ever holds an allow."""
    owner: str = "captain"
    """The role that may change this."""

    def objection_to_agent(self, by: PersonId, word: str) -> str:
        """Say why an agent's word over a decision does not count; empty when it does, and for people.

        >>> settings = CaptaincySettings(vetoers=(AgentId("agent-4"),))
        >>> settings.objection_to_agent(PersonId("agent:agent-4"), "veto")
        ''
        >>> settings.objection_to_agent(PersonId("agent:coder-1"), "veto")
        'coder-1 holds no veto: captaincy.yaml names the agents that do'
        """
        if not by.startswith(AGENT):
            return ""
        agent = by.removeprefix(AGENT)
        if word != "veto":
            return f"{agent} is an agent: it may hold a veto, and never an allow; a captain allows"
        if agent not in self.vetoers:
            return f"{agent} holds no veto: captaincy.yaml names the agents that do"
        return ""
