"""People: telling them, and knowing who comes in."""

from typing import Literal, Protocol

from msgspec import Struct


class Announcer(Protocol):
    """Tells people at once, by whatever is at hand. It never raises: a full disk must not stop a stop."""

    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        """Say one thing, in one line: what kind (`stopped`, `waiting`, `restarted`, `trouble`) and what."""


class Holder(Struct, frozen=True, kw_only=True):
    """Whom a token speaks for."""

    token_id: str
    """Names the token without giving it away; safe to show and to log."""
    kind: Literal["agent", "person"]
    name: str
    role: Literal["viewer", "responder", "captain"] | None = None
    """What a person may do; `None` for an agent."""
    capabilities: tuple[str, ...] = ()
    """For an agent: patterns of the capabilities it may propose under, such as `heal@*`."""
    owner: str | None = None
    """For an agent: the person it belongs to; `None` where nobody said."""


class Tokens(Protocol):
    """Who may come in."""

    def holder_of(self, token: str) -> Holder | None:
        """Return whom a token speaks for, or `None` when it is wrong, revoked or past its time.

        Takes as long for an id that exists as for one that does not. Raises `StorageError` or `InputError`
        when nobody can say: then nobody comes in.
        """
