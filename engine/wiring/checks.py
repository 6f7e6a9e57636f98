"""What somebody who looks for trouble says of one thing: well, could be better, or bad, and the cure."""

from typing import Any, Literal

import msgspec
from msgspec import Struct


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    verdict: Literal["ok", "warn", "bad"]
    """`warn` works, but not as well as it could."""
    said: str
    cure: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found
