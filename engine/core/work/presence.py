"""Presence: who was at the controls last, and what happens when nobody has been for too long."""

from msgspec import Struct

from engine.core.vocabulary.facts import Fact, KillSwitchSet, PersonSeen, Scope
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import SECOND_US, duration_text

DEAD_MAN = PersonId("dead-man")
"""Who sets a stop because no captain was there."""


class Presence(Struct):
    """When people were last seen, microseconds since 1970."""

    captain_us: int | None = None
    """`None` until one was seen: time counts from the first tick then."""
    by_person: dict[PersonId, int] = {}


def fold_seen(presence: Presence, fact: PersonSeen) -> None:
    """Remember that a person was there."""
    presence.by_person[fact.person] = fact.at_us
    if fact.role == "captain":
        presence.captain_us = fact.at_us


def fold_time(presence: Presence, at_us: int) -> None:
    """Begin to count where no captain was ever seen."""
    if presence.captain_us is None:
        presence.captain_us = at_us


def stop_when_alone(presence: Presence, unseen_us: int | None, now_us: int) -> tuple[Fact, ...]:
    """Stop everything when no captain was seen for `unseen_us`; `None` means that nobody is needed."""
    if unseen_us is None or presence.captain_us is None:
        return ()
    if now_us - presence.captain_us < unseen_us:
        return ()
    reason = f"no captain was seen for {duration_text(unseen_us / SECOND_US)}"
    return (KillSwitchSet(at_us=now_us, scope=Scope("all"), by=DEAD_MAN, reason=reason),)
