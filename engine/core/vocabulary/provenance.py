"""What a policy says about where values may come from."""

from typing import Literal

from msgspec import Struct

from engine.core.vocabulary.ids import AgentId

Trust = Literal["trusted", "records", "untrusted"]
"""How far what a tool returns is believed.

`trusted`: strangers write none of it. `records`: whole fields of a record are the tool's own, running text
may be anybody's. `untrusted`: all of it may be anybody's.
"""
TRUST_RANK: dict[Trust, int] = {"untrusted": 0, "records": 1, "trusted": 2}


class ProvenanceSettings(Struct, frozen=True, kw_only=True):
    """Whom and what to believe."""

    tools: dict[str, Trust] = {}
    """By the names of tools."""
    unlabelled: Trust = "records"
    """All other tools."""
    vouchers: frozenset[AgentId] | None = None
    """The agents that may say what the person said; `None` means each for its own episodes."""

    def trust_in(self, tool: str, claimed: Trust | None) -> Trust:
        """Return how far a tool is believed. An agent may claim less than the policy says, never more."""
        own = self.tools.get(tool, self.unlabelled)
        if claimed is None:
            return own
        return min(own, claimed, key=TRUST_RANK.__getitem__)

    def may_vouch(self, by: AgentId, agent: AgentId) -> bool:
        """Whether what `by` says that the person said counts for a proposal of an agent.

        Nobody's name stands for a front-end or a recording, which are believed.
        """
        return not by or (by == agent if self.vouchers is None else by in self.vouchers)
