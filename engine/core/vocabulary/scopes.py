"""Scopes: what a stop of autonomy applies to."""

from typing import Literal

from msgspec import Struct

from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, capability_name


class Scope(Struct, frozen=True, array_like=True, gc=False):
    """What a stop applies to: `[kind, name]`; the name is empty for everything.

    Raises `ValueError` when it names nothing, or names something and says everything.
    """

    kind: Literal["all", "agent", "capability", "action"]
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse a stop that would look set and cover nothing."""
        if (self.kind == "all") != (not self.name):
            wrong = "takes no name" if self.name else "needs a name"
            raise ValueError(f"a stop of kind {self.kind!r} {wrong}")

    def covers(self, agent: AgentId, capability: CapabilityId, action: ActionName) -> bool:
        """Whether a stop of this scope is about such an effect. A capability goes by its name and `name@2`.

        >>> Scope("capability", "heal").covers(AgentId("a"), CapabilityId("heal@2"), ActionName("x"))
        True
        """
        match self.kind:
            case "all":
                return True
            case "agent":
                return self.name == agent
            case "capability":
                return self.name in {capability, capability_name(capability)}
            case "action":
                return self.name == action

    def __str__(self) -> str:
        """Write it as people type it: `all`, `agent:coder-1`."""
        return f"{self.kind}:{self.name}" if self.name else self.kind
