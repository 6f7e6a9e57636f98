"""What bodies are answered."""

from typing import Annotated

from msgspec import Meta, Struct

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.ids import EffectId
from engine.ports import Stop
from engine.runtime.wire_work import LeasedEffect


class BodyShown(Struct, frozen=True, kw_only=True):
    """Whom a token speaks for."""

    name: str
    pools: tuple[str, ...]
    version: Annotated[str, Meta(description="The version of the service")]
    actions: Annotated[tuple[Action, ...], Meta(description="What the registry says runs on it")]


class BodyWork(Struct, frozen=True, kw_only=True):
    """Effects to perform."""

    effects: tuple[LeasedEffect, ...]
    lease_s: Annotated[float, Meta(description="How long each is the body's unless it is renewed, seconds")]


class WorkOver(Struct, frozen=True, kw_only=True):
    """Which leases are over: what is under way for them must end."""

    lost: tuple[EffectId, ...]


class Stops(Struct, frozen=True, kw_only=True):
    """The stops that stand."""

    stops: tuple[Stop, ...]
