"""The oracle's book: what it knows of each need, escalation and notification."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from engine.core.vocabulary.escalations import Ladder, Notification, Severity
from tests.faults.wakeups.draw import Need


class Broken(AssertionError):
    """Something happened that must not."""


class Sent(Struct):
    """One notification, and how far it got."""

    notification: Notification
    asked_s: float
    tried: bool = False
    retry_by_s: float | None = None
    never: bool = False
    """Whether it must not be tried again."""
    went_out: bool = False
    failed: bool = False
    crashes: int = 0
    """How many there had been when it was first asked for."""


class Kept(Struct):
    """One escalation."""

    ladder: Ladder
    severity: Severity
    keys: set[str]
    groups: set[str]
    mode: str
    due_s: float | None
    """When something has to come of it at the latest; `None`: nothing has to."""
    before: tuple[str, float | None] = ("", None)
    """Mode and time as they were before it was cleared."""
    place: tuple[int, int, int] = (1, 0, 0)
    anew: bool = False
    """Whether the ladder begins again."""
    skips: bool = False
    """Whether the rung is not waited for: somebody passed, or nothing of it went out."""
    withheld: bool = False
    hushed_s: float = -1.0
    holder: str = ""
    ringing: tuple[str, ...] = ()
    sent: dict[str, Sent] = field(default_factory=dict)
    at_us: int = 0
    """When the last rung rang, by the journal's clock."""


class Wanted(Struct):
    """A need, as the world knows it."""

    need: Need
    stands: bool
    since_s: float
    told: bool = False
    """Whether an escalation has it."""


def following(ladder: Ladder, place: tuple[int, int, int], *, skips: bool) -> Iterator[tuple[int, int, int]]:
    """Give where a ladder may go from a place."""
    round_, rung, nth = place
    if rung == 0:
        yield (round_, 1, 1)
        return
    repeats = nth <= ladder.rungs[rung - 1].repeat
    if repeats:
        yield (round_, rung, nth + 1)
    if repeats and not skips:
        return
    if rung < len(ladder.rungs):
        yield (round_, rung + 1, 1)
    elif round_ < ladder.rounds:
        yield (round_ + 1, 1, 1)


def hold(true: object, otherwise: str) -> None:
    """Raise `Broken` unless something is true."""
    if not true:
        raise Broken(otherwise)
