"""Which stop covers what. The same rule for the fence, the queue and what is under way."""

from collections.abc import Iterable
from typing import Protocol

from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, capability_name
from engine.ports import Stop


class Coverable(Protocol):
    """Anything a stop can cover: a task, an effect under way."""

    @property
    def agent(self) -> AgentId: ...
    @property
    def capability(self) -> CapabilityId: ...
    @property
    def action(self) -> ActionName: ...


def covers(scope: Scope, agent: AgentId, capability: CapabilityId, action: ActionName) -> bool:
    """Whether a scope covers this. A capability is known by its name and by `name@version`.

    >>> covers(Scope("capability", "heal"), AgentId("a"), CapabilityId("heal@2"), ActionName("x"))
    True
    """
    match scope.kind:
        case "all":
            return True
        case "agent":
            return scope.name == agent
        case "capability":
            return scope.name in {capability, capability_name(capability)}
        case "action":
            return scope.name == action


def covering(stops: Iterable[Stop], what: Coverable) -> Stop | None:
    """Return the first stop that covers this, or `None`."""
    for stop in stops:
        if covers(stop.scope, what.agent, what.capability, what.action):
            return stop
    return None
