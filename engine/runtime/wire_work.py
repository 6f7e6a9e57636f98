"""The wire: what workers ask of the engine, and what they are handed."""

from typing import Any

from msgspec import Struct

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.ids import EffectId
from engine.ports import Task
from engine.runtime.wire_words import Answer, Request


class Lease(Request, frozen=True, kw_only=True):
    """Ask for effects to perform. Answered with `Leased`, with none when `wait_s` passes without any."""

    worker: str
    most: int
    wait_s: float


class Start(Request, frozen=True, kw_only=True):
    """Say that an effect is about to begin. Once answered, it is on disk that it may have."""

    effect_id: EffectId
    token: int


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


class GiveBack(Request, frozen=True, kw_only=True):
    """Return an effect that was not begun, because a stop stood in the way or the worker is leaving."""

    effect_id: EffectId
    token: int


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


class Renewed(Answer, frozen=True, kw_only=True):
    """Which leases were lost: stop those, and report nothing."""

    lost: tuple[EffectId, ...]
