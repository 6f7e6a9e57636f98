"""What every request and every answer on the wire is."""

from msgspec import Struct


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Something asked of the engine."""


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """What the engine says."""
