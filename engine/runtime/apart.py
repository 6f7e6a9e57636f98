"""What an executor is given: how it asks the engine, and what it needs on a machine of its own."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import Struct

from engine.core.vocabulary.actions import Action
from engine.ports import Notes, Stop
from engine.runtime import wire

_Answer = TypeVar("_Answer")


class Talk(Protocol):
    """How the engine is asked: over its socket, or from afar."""

    async def ask(self, request: wire.AnyRequest, *, timeout_s: float | None = None) -> wire.AnyAnswer:
        """Ask and return the answer. Raises as the engine refuses, and `Unreachable`."""

    async def get(
        self, kind: type[_Answer], request: wire.AnyRequest, *, timeout_s: float | None = None
    ) -> _Answer:
        """Ask for an answer of one kind. Raises as `ask` does."""


class Apart(Struct, frozen=True, kw_only=True):
    """What an executor needs on another machine than the engine's."""

    notes: Notes
    own: Callable[[wire.LeasedEffect], Action]
    """Returns the action as its owner has it. Raises `EffectRefused` when that is another, or none."""
    stops: Callable[[], tuple[Stop, ...]]
    """The stops that stand here: the engine does not know these, and hands effects out all the same."""
    now_s: Callable[[], float]
    """A steady clock that counts the time this machine sleeps: leases run on over there."""
