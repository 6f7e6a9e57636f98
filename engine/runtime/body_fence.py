"""The fence as a body has it: its own, and what it hears of the engine's.

Its own is the folder of stops on its machine, which its owner sets with everything else dead. The engine's
comes over a stream. What was heard longer ago than a moment says nothing about now, so nothing begins on it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId
from engine.errors import Stopped
from engine.ports import Fence, Stop

FRESH_S: Final = 1.0
"""How old what was heard of stops may be when an effect begins: four times as long as they are silent."""


class BodyFence:
    """The port `Fence`, on a body. Safe from many threads."""

    def __init__(self, own: Fence, now_s: Callable[[], float]) -> None:
        """Nothing was heard yet, so nothing may begin. `now_s` is a steady clock that counts sleep."""
        self._own, self._now_s = own, now_s
        self._heard: tuple[Stop, ...] = ()
        self._heard_s: float | None = None

    def hear(self, stops: tuple[Stop, ...]) -> None:
        """Take what the engine's fence is now."""
        self._heard, self._heard_s = stops, self._now_s()

    @property
    def hears(self) -> bool:
        """Whether what was heard of the engine's stops is fresh."""
        return self._heard_s is not None and self._now_s() - self._heard_s <= FRESH_S

    def stops(self) -> tuple[Stop, ...]:
        """Return the stops that stand, here or there. What was heard last counts however old it is."""
        return (*self._own.stops(), *self._heard)

    def own_stops(self) -> tuple[Stop, ...]:
        """Return the stops that stand here."""
        return self._own.stops()

    def set(self, stop: Stop) -> None:
        """Put a stop up here. The engine's fence is out of reach, and its own affair."""
        self._own.set(stop)

    def clear(self, scope: Scope) -> None:
        """Take one of our own down."""
        self._own.clear(scope)

    @contextmanager
    def starting(self, agent: AgentId, capability: CapabilityId, action: ActionName) -> Iterator[None]:
        """Surround the moment in which an effect begins. Raises `Stopped` behind a stop of either side."""
        with self._own.starting(agent, capability, action):
            if not self.hears:
                raise Stopped(
                    "nobody knows whether the engine was stopped: nothing was heard of it for a moment",
                    cure="it waits until the engine can be heard again",
                )
            for stop in self._heard:
                if stop.scope.covers(agent, capability, action):
                    raise Stopped(f"{stop.by} stopped {stop.scope}", cure="a captain may resume it")
            yield
