"""The wire: what workers ask of the engine, and what they are handed."""

from typing import Any

from msgspec import Struct

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.ids import ActionName, EffectId
from engine.ports import Task
from engine.runtime.wire_words import Answer, Request


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body that asks for work: who it is is said by its token, the rest by itself."""

    name: str
    pools: tuple[str, ...] = ()
    """The pools it belongs to: it performs what is for one of these, too."""
    version: str = ""
    accepts: tuple[ActionName, ...] = ()
    """The actions its owner lets it perform."""


class Lease(Request, frozen=True, kw_only=True):
    """Ask for effects to perform. Answered with `Leased`, with none when `wait_s` passes without any."""

    worker: str
    most: int
    wait_s: float
    body: Body | None = None
    """`None`: a worker of the engine's own machine."""


class Start(Request, frozen=True, kw_only=True):
    """Say that an effect is about to begin. Once answered, it is on disk that it may have.

    For a body the lease runs anew from then on.
    """

    effect_id: EffectId
    token: int
    body: str = ""
    """The body that asks; another one's lease is none of its business. Empty for the engine's own machine."""


class Renew(Request, frozen=True, kw_only=True):
    """Keep leases alive. Answered with `Renewed`."""

    worker: str
    tokens: dict[EffectId, int]


class End(Request, frozen=True, kw_only=True):
    """Say how an effect ended. Once answered, it is on disk."""

    effect_id: EffectId
    token: int
    status: EffectStatus
    result: Result
    body: str = ""
    """As in `Start`. What a body says of an effect that was given up meanwhile is journaled all the same."""


class GiveBack(Request, frozen=True, kw_only=True):
    """Return an effect that was not begun, because a stop stood in the way or the worker is leaving."""

    effect_id: EffectId
    token: int
    body: str = ""
    """As in `Start`."""


class AskActions(Request, frozen=True, kw_only=True):
    """Ask what the registry has for a body. Answered with `ActionsKnown`."""

    places: tuple[str, ...]


class ActionsKnown(Answer, frozen=True, kw_only=True):
    """What the registry has for a body."""

    actions: tuple[Action, ...]


class LeasedEffect(Struct, frozen=True, kw_only=True):
    """One effect to perform, complete."""

    task: Task
    action: Action
    args: dict[str, Any]
    digest: str
    """Must match action and arguments."""


class Leased(Answer, frozen=True, kw_only=True):
    """Effects to perform."""

    effects: tuple[LeasedEffect, ...]
    lease_s: float = 0.0
    """How long each is theirs before it must be renewed."""


class Renewed(Answer, frozen=True, kw_only=True):
    """Which leases were lost: stop those, and report nothing."""

    lost: tuple[EffectId, ...]


class BodySeen(Struct, frozen=True, kw_only=True):
    """One body, as the engine has heard of it."""

    name: str
    pools: tuple[str, ...]
    version: str
    accepts: tuple[ActionName, ...]
    last_us: int
    holds: tuple[EffectId, ...] = ()
    """The effects it holds a lease of."""
