"""The roster: who is meant by a rung, and whether a channel may reach them now. Asked, never known, here."""

from typing import Protocol

from msgspec import Struct

from engine.core.vocabulary.escalation_facts import OnCallChanged
from engine.core.vocabulary.escalations import LeftOut, Severity
from engine.core.vocabulary.ids import PersonId


class Duty(Struct, frozen=True, kw_only=True):
    """What the journal knows of who has which duty."""

    captain: PersonId | None = None
    """In office; `None` where that is everybody with the role."""
    deputy: PersonId | None = None
    away: bool = False
    """Whether the captain is, so that the deputy acts."""
    changes: tuple[OnCallChanged, ...] = ()
    """Who is on call in whose place, in the order in which it was said."""


class Roster(Protocol):
    """Knows people, schedules and addresses. The same questions get the same answers."""

    def found(self, target: str, at_us: int, duty: Duty) -> tuple[PersonId, ...]:
        """Return who is meant by a target of a rung at a time; nobody where nobody is."""

    def against(self, person: PersonId, channel: str, severity: Severity, at_us: int) -> LeftOut | None:
        """Say why a channel must not or cannot reach a person now; `None` when nothing speaks against it."""

    def has_person(self, person: PersonId) -> bool:
        """Whether anybody of this name is known."""

    def has_schedule(self, schedule: str) -> bool:
        """Whether there is such a schedule."""

    def rings(self, channel: str) -> bool:
        """Whether a channel does nothing but ring, so that it is no use for a quiet word: a phone call."""
