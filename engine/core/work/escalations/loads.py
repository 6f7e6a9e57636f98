"""Loads: what being woken costs people, counted from the facts of many escalations. Pure.

Drills count for nothing here: they are rung on purpose.
"""

from collections.abc import Callable, Iterable
from statistics import median
from typing import Final

from msgspec import Struct

from engine.core.vocabulary.escalation_facts import (
    EscalationAcknowledged,
    EscalationCleared,
    EscalationEnded,
    EscalationFact,
    EscalationHanded,
    EscalationPassed,
    EscalationRaised,
    EscalationSnoozed,
    RungReached,
)
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.vocabulary.units import MINUTE_US
from engine.core.work.escalations.timeline import notifications_of

NIGHT: Final = (23, 7)
"""From which hour to which it is night, on the wall of whoever is woken."""
_BY_ITSELF_US: Final = MINUTE_US
"""What went away this soon after somebody took it went away by itself."""


class Waits(Struct, frozen=True, kw_only=True):
    """How long it took, over several times."""

    count: int
    median_us: int | None
    """`None` where there was none."""
    longest_us: int | None


class PersonLoad(Struct, frozen=True, kw_only=True):
    """What one person had to bear."""

    person: PersonId
    wakes: int
    """Escalations that woke them."""
    by_night: int
    """Those of them that first did so by night, where they live."""
    rings: int
    """Pages sent to them."""
    needless: int
    """Of the escalations that woke them, those that nobody would have had to be woken for."""
    acknowledged: Waits
    """From the first page of an escalation to them until they said that they have it."""


class HourLoad(Struct, frozen=True, kw_only=True):
    """What one hour of the day brought, by the clocks of those who were woken."""

    hour: int
    wakes: int
    acknowledged: Waits


class Loads(Struct, frozen=True, kw_only=True):
    """What being woken cost all of them."""

    escalations: int
    woke: int
    """Those that woke somebody."""
    needless: int
    """Of these, those that went away before anybody took them, or within a minute after."""
    exhausted: int
    """Those that nobody answered."""
    rings: int
    """Pages sent, over all."""
    acknowledged: Waits
    """From raising until the first somebody had it."""
    people: tuple[PersonLoad, ...]
    """Who bears most, first."""
    hours: tuple[HourLoad, ...]
    """Hours that brought something, in order."""

    @property
    def rings_each(self) -> float:
        """Pages for each escalation that woke somebody; 0 where none did."""
        return self.rings / self.woke if self.woke else 0.0


def loads(facts: Iterable[EscalationFact], hour_of: Callable[[PersonId, int], int]) -> Loads:
    """Count the facts of escalations, in the order of the journal.

    `hour_of` says which hour of the day, 0 to 23, it is on a person's wall. Escalations that were raised
    before the first fact are left out.
    """
    nights: dict[EscalationId, _Night] = {}
    for fact in facts:
        if isinstance(fact, EscalationRaised) and fact.kind != "drill":
            nights[fact.escalation_id] = _Night(fact.at_us, decides=fact.kind == "decision")
        elif (night := nights.get(fact.escalation_id)) is not None:
            night.see(fact)
    return _counted(list(nights.values()), hour_of)


class _Night:
    """One escalation."""

    def __init__(self, raised_us: int, *, decides: bool) -> None:
        self.raised_us, self.decides = raised_us, decides
        self.rings: dict[PersonId, int] = {}
        self.woken_us: dict[PersonId, int] = {}
        self.took_us: dict[PersonId, int] = {}
        self.acted_us: int | None = None
        self.cleared_us: int | None = None
        self.ended: str = ""

    def see(self, fact: EscalationFact) -> None:
        for each in notifications_of(fact):
            if each.purpose == "wake" and each.person and each.attempt == 1:
                self.rings[each.person] = self.rings.get(each.person, 0) + 1
                self.woken_us.setdefault(each.person, fact.at_us)
        match fact:
            case EscalationAcknowledged() | EscalationSnoozed():
                self.took_us.setdefault(fact.by, fact.at_us)
                self._act(fact.at_us)
            case EscalationHanded() | EscalationPassed():
                self._act(fact.at_us)
            case EscalationCleared():
                self.cleared_us = fact.at_us
            case EscalationEnded():
                self.ended = fact.how
            case RungReached():
                # It is still, or again, somebody's to answer.
                self.cleared_us = None

    def _act(self, at_us: int) -> None:
        if self.acted_us is None:
            self.acted_us = at_us

    @property
    def is_needless(self) -> bool:
        """Whether nobody would have had to be woken. What a person ended was theirs to end.

        A decision does not go away by itself: somebody answered it, or nobody did.
        """
        if self.decides or self.ended != "resolved" or self.cleared_us is None or not self.rings:
            return False
        return self.acted_us is None or self.cleared_us - self.acted_us <= _BY_ITSELF_US


def _counted(nights: list[_Night], hour_of: Callable[[PersonId, int], int]) -> Loads:
    wakes = [
        (person, hour_of(person, at_us), at_us, night)
        for night in nights
        for person, at_us in night.woken_us.items()
    ]
    people = {person: [wake for wake in wakes if wake[0] == person] for person, *_ in wakes}
    hours = {hour: [wake for wake in wakes if wake[1] == hour] for _, hour, *_ in wakes}
    woke = [night for night in nights if night.woken_us]
    firsts = [min(night.took_us.values()) - night.raised_us for night in nights if night.took_us]
    found = [
        PersonLoad(
            person=person,
            wakes=len(own),
            by_night=sum(_is_night(hour) for _, hour, *_ in own),
            rings=sum(night.rings[person] for *_, night in own),
            needless=sum(night.is_needless for *_, night in own),
            acknowledged=_waits([wait for wake in own if (wait := _wait(wake)) is not None]),
        )
        for person, own in people.items()
    ]
    return Loads(
        escalations=len(nights),
        woke=len(woke),
        needless=sum(night.is_needless for night in woke),
        exhausted=sum(night.ended == "exhausted" for night in nights),
        rings=sum(sum(night.rings.values()) for night in woke),
        acknowledged=_waits(firsts),
        people=tuple(sorted(found, key=lambda each: (-each.wakes, -each.rings, each.person))),
        hours=tuple(
            HourLoad(
                hour=hour,
                wakes=len(own),
                acknowledged=_waits([wait for wake in own if (wait := _wait(wake)) is not None]),
            )
            for hour, own in sorted(hours.items())
        ),
    )


def _wait(wake: tuple[PersonId, int, int, _Night]) -> int | None:
    """Return how long somebody took; `None` where they never took it, or had it before they were woken."""
    person, _, at_us, night = wake
    took_us = night.took_us.get(person)
    return None if took_us is None or took_us < at_us else took_us - at_us


def _waits(spans_us: list[int]) -> Waits:
    return Waits(
        count=len(spans_us),
        median_us=round(median(spans_us)) if spans_us else None,
        longest_us=max(spans_us, default=None),
    )


def _is_night(hour: int) -> bool:
    return hour >= NIGHT[0] or hour < NIGHT[1]
