"""People: telling them, and knowing who comes in."""

from typing import Literal, Protocol

from msgspec import Struct

from engine.core.vocabulary.ids import PersonId


class Announcer(Protocol):
    """Tells people at once, by whatever is at hand. It never raises: a full disk must not stop a stop."""

    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        """Say one thing, in one line: what kind (`stopped`, `waiting`, `restarted`, `trouble`) and what.

        `failsafe` is for one that did not work: somebody is woken for it.
        """


class Holder(Struct, frozen=True, kw_only=True):
    """Whom a token speaks for."""

    token_id: str
    """Names the token without giving it away; safe to show and to log."""
    kind: Literal["agent", "person", "body"]
    name: str
    role: Literal["viewer", "responder", "captain"] | None = None
    """What a person may do; `None` for an agent."""
    capabilities: tuple[str, ...] = ()
    """For an agent: patterns of the capabilities it may propose under, such as `heal@*`."""
    owner: str | None = None
    """For an agent or a body: the person it belongs to; `None` where nobody said."""
    pools: tuple[str, ...] = ()
    """For a body: the pools it belongs to."""


class Tokens(Protocol):
    """Who may come in."""

    def holder_of(self, token: str) -> Holder | None:
        """Return whom a token speaks for, or `None` when it is wrong, revoked or past its time.

        Takes as long for an id that exists as for one that does not. Raises `StorageError` or `InputError`
        when nobody can say: then nobody comes in.
        """


class Enrolment(Struct, frozen=True, kw_only=True):
    """A seed of one-time codes that was just made. It is shown once, to its person alone."""

    person: PersonId
    secret: str
    """Base32, as authenticator apps take it."""
    uri: str
    """The same as an address that apps read from a picture."""

    def __repr__(self) -> str:
        """Leave the seed out: what is printed is kept."""
        return f"Enrolment({self.person!r})"

    @property
    def spaced(self) -> str:
        """The seed in groups of four, to be typed."""
        return " ".join(self.secret[place : place + 4] for place in range(0, len(self.secret), 4))


class StepUp(Protocol):
    """One-time codes: what somebody has beside an account that could be left open."""

    def is_enrolled(self, person: PersonId) -> bool:
        """Whether codes of this person count."""

    def enrol(self, person: PersonId) -> Enrolment:
        """Make a seed. Raises `InputError` when the person has one that counts."""

    def confirm(self, person: PersonId, code: str) -> None:
        """Let a seed count, by its first code. Raises `InputError`."""

    def check(self, person: PersonId, code: str) -> None:
        """Use up a code. Raises `InputError` when it is wrong or used, and after too many wrong ones."""
