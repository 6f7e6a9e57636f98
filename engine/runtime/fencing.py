"""Which stop covers what. The same rule for the fence, the queue and what is under way."""

from collections.abc import Iterable
from typing import Protocol

from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId
from engine.ports import Stop


class Coverable(Protocol):
    """Anything a stop can cover: a task, an effect under way."""

    @property
    def agent(self) -> AgentId: ...
    @property
    def capability(self) -> CapabilityId: ...
    @property
    def action(self) -> ActionName: ...


def covering(stops: Iterable[Stop], what: Coverable) -> Stop | None:
    """Return the first stop that covers this, or `None`."""
    for stop in stops:
        if stop.scope.covers(what.agent, what.capability, what.action):
            return stop
    return None
