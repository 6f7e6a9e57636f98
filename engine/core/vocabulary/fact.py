"""A fact: what every one of them is."""

from msgspec import Struct


class Fact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fact", gc=False):
    """Something that happened, and when (microseconds since 1970 UTC)."""

    at_us: int
