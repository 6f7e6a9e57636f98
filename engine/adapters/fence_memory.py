"""A fence in memory, for tests and demonstrations within one process: it keeps the order, on no disk."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine.adapters.redaction import without_secrets
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId
from engine.errors import Stopped
from engine.ports import Stop


class MemoryFence:
    """Stops held in a dictionary, behind one lock: whoever begins has it, and whoever stops waits for it."""

    def __init__(self) -> None:
        """Begin with no stop."""
        self._stops: dict[Scope, Stop] = {}
        self._lock = threading.Lock()

    def stops(self) -> tuple[Stop, ...]:
        """Return the stops that stand."""
        return tuple(self._stops.values())

    def set(self, stop: Stop) -> None:
        """Put a stop up."""
        with self._lock:
            self._stops.setdefault(stop.scope, without_secrets(stop))

    def clear(self, scope: Scope) -> None:
        """Take one stop down."""
        with self._lock:
            self._stops.pop(scope, None)

    @contextmanager
    def starting(self, agent: AgentId, capability: CapabilityId, action: ActionName) -> Iterator[None]:
        """Hold the fence open for the moment in which an effect begins. Raises `Stopped` behind a stop."""
        with self._lock:
            standing = self._stops.values()
            stop = next((stop for stop in standing if stop.scope.covers(agent, capability, action)), None)
            if stop is not None:
                raise Stopped(f"{stop.by} stopped {stop.scope}", cure="a captain may resume it")
            yield
