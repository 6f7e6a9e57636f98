"""The timeline: what became of one escalation and why, a line for each fact, to be read by people. Pure."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import UNSET, Struct

from engine.core.vocabulary.escalation_facts import (
    EscalationAcknowledged,
    EscalationCleared,
    EscalationEnded,
    EscalationFact,
    EscalationHanded,
    EscalationJoined,
    EscalationPassed,
    EscalationPostponed,
    EscalationRaised,
    EscalationSnoozed,
    NotificationReported,
    NotificationsRequested,
    RungReached,
)
from engine.core.vocabulary.escalations import SEVERITIES, LeftOut, Notification
from engine.core.vocabulary.ids import NotificationId
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from engine.core.work.escalations.folding import fold
from engine.core.work.escalations.standing import Escalations, Stage

_ENDS: Final = {
    "resolved": "it is over",
    "exhausted": "nobody came",
    "cancelled": "a person ended it",
}
_FAILSAFES: Final = {
    "hold": "what was asked for stays undone",
    "stop": "all autonomy is stopped",
}


_UNITS: Final = (
    (DAY_US, "d", HOUR_US, "h"),
    (HOUR_US, "h", MINUTE_US, "min"),
    (MINUTE_US, "min", SECOND_US, "s"),
)


class Moment(Struct, frozen=True, kw_only=True):
    """One thing that happened, in words."""

    at_us: int
    since_us: int
    """How long after it was raised."""
    fact: EscalationFact
    what: str
    """Who did what, in one line."""
    why: tuple[str, ...] = ()
    """Why, and what follows: a line each."""
    stage: Stage
    """How it stands from then on."""
    holder: str
    """Who has it from then on; empty while nobody does."""


def timeline(facts: Iterable[EscalationFact]) -> tuple[Moment, ...]:
    """Tell the facts of one escalation, in the order of the journal.

    Facts of another, and those before it was raised, are left out.
    """
    remaining = iter(facts)
    first = next((fact for fact in remaining if isinstance(fact, EscalationRaised)), None)
    if first is None:
        return ()
    teller = _Teller(first)
    own = (fact for fact in remaining if fact.escalation_id == first.escalation_id)
    return tuple(teller.tell(fact) for fact in (first, *own))


def lines(moments: Iterable[Moment], wall: Callable[[int], str]) -> list[str]:
    """Write a timeline as text. `wall` writes a time as it stands on the reader's wall."""
    written = []
    for moment in moments:
        head = f"{wall(moment.at_us)}  {'+' + span_text(moment.since_us):>13}  "
        written.append(head + moment.what)
        written += [" " * len(head) + why for why in moment.why]
    return written


def span_text(span_us: int) -> str:
    """Write how long something took, in its two largest units.

    >>> [span_text(us) for us in (340_000, 42_000_000, 125_000_000, 7_200_000_000, 100_000_000_000)]
    ['0.3 s', '42 s', '2 min 05 s', '2 h', '1 d 03 h']
    """
    if span_us < SECOND_US:
        return f"{round(span_us / SECOND_US, 1):g} s"
    if span_us < MINUTE_US:
        return f"{span_us // SECOND_US} s"
    large_us, large, small_us, small = next(units for units in _UNITS if span_us >= units[0])
    rest = span_us % large_us // small_us
    return f"{span_us // large_us} {large}" + (f" {rest:02} {small}" if rest else "")


class _Teller:
    """What is known of the escalation by the fact that is told."""

    def __init__(self, first: EscalationRaised) -> None:
        self.first, self.count = first, 0
        self.known = Escalations()
        self.sent: dict[NotificationId, Notification] = {}

    def tell(self, fact: EscalationFact) -> Moment:
        self.sent |= {each.notification_id: each for each in notifications_of(fact)}
        what, *why = _TOLD[type(fact)](self, fact)
        fold(self.known, fact)
        stands = self.known.by_id.get(fact.escalation_id)
        return Moment(
            at_us=fact.at_us,
            since_us=fact.at_us - self.first.at_us,
            fact=fact,
            what=what,
            why=tuple(line for line in why if line),
            stage="ended" if stands is None else stands.stage,
            holder="" if stands is None else stands.holder,
        )

    # ------------------------------------------------------------ what it is about

    def tell_raised(self, fact: EscalationRaised) -> list[str]:
        self.count = 1
        of = f"{fact.severity} {fact.kind}, raised by {fact.by}, climbs {fact.ladder.name}"
        ends = ""
        if fact.deadline_us is not UNSET:
            ends = f"it ends by itself in {span_text(fact.deadline_us - fact.at_us)}"
            ends += f": {fact.then}" if fact.then else ""
        return [f"somebody is needed: {fact.summary}", of, *fact.evidence, ends]

    def tell_joined(self, fact: EscalationJoined) -> list[str]:
        self.count += 1
        return [f"more of it came, {self.count} by now: {fact.summary}", self._wakes(fact)]

    def _wakes(self, fact: EscalationJoined) -> str:
        """Say what something that joins changes for people."""
        known = self.known.by_id.get(fact.escalation_id)
        if known is None:
            return ""
        if known.stage == "ended" and fact.key not in known.needs:
            return "it had ended, so the ladder is climbed anew"
        if SEVERITIES[fact.severity] > SEVERITIES[known.severity]:
            if known.stage == "ringing" and known.withheld_us is not None:
                return f"it is {fact.severity} now, so the ladder is climbed anew in spite of quiet hours"
            if known.stage == "snoozed":
                return f"it is {fact.severity} now, so {known.holder} is asked sooner"
        return "nobody is woken anew for it"

    def tell_cleared(self, fact: EscalationCleared) -> list[str]:
        left_us = fact.until_us - fact.at_us
        back = f"it is over in {span_text(left_us)}, unless it comes back" if left_us > 0 else ""
        return [f"{fact.key} went away, says {fact.by}", fact.detail, back]

    # ------------------------------------------------------------ the ladder

    def tell_rung(self, fact: RungReached) -> list[str]:
        ladder = self.first.ladder
        rung = ladder.rungs[fact.rung - 1]
        name = f"rung {fact.rung} of {len(ladder.rungs)}"
        name += f", {_nth(fact.nth)} time" if rung.repeat else ""
        name += f", round {fact.round} of {ladder.rounds}" if ladder.rounds > 1 else ""
        if fact.notifications:
            rings, waits = _addressed(fact.notifications), f"it waits {span_text(rung.wait_us)}"
        else:
            rings, waits = "nobody can be rung", "it does not wait"
        return [f"{name}: {rings}", *map(_left_out, fact.left_out), waits]

    def tell_requested(self, fact: NotificationsRequested) -> list[str]:
        if not fact.notifications:
            return [f"there is nobody to tell: {fact.why}"]
        purposes = {each.purpose for each in fact.notifications}
        to = _addressed(fact.notifications)
        if any(each.attempt > 1 for each in fact.notifications):
            return [f"another try: {to}"]
        if "again" in purposes:
            return [f"asked again whether it moves: {to}", fact.why]
        return [f"told that {fact.why}: {to}"]

    def tell_reported(self, fact: NotificationReported) -> list[str]:
        notification = self.sent.get(fact.notification_id)
        to = _addressed([notification]) if notification is not None else fact.notification_id
        again = ""
        if fact.delivery in {"failed", "unsure"}:
            again = "it is not tried again"
            if fact.retry_us is not None:
                pause_us = fact.retry_us - fact.at_us
                when = f"in {span_text(pause_us)}" if pause_us > 0 else "at once"
                again = f"tried again {when}, while it is wanted"
        return [f"{to}: {_DELIVERIES[fact.delivery]}", fact.detail, again]

    # ------------------------------------------------------------ people

    def tell_acknowledged(self, fact: EscalationAcknowledged) -> list[str]:
        after = span_text(fact.at_us - self.first.at_us)
        return [f"{fact.by} has it", f"a {fact.role} said so by {fact.via}, {after} after it was raised"]

    def tell_snoozed(self, fact: EscalationSnoozed) -> list[str]:
        later = span_text(max(0, fact.until_us - fact.at_us))
        return [f"{fact.by} has it, and is reminded in {later}", f"a {fact.role} said so by {fact.via}"]

    def tell_handed(self, fact: EscalationHanded) -> list[str]:
        to = _addressed(fact.notifications)
        return [
            f"{fact.by} gave it to {fact.to}: {to}",
            f"said by {fact.via}; the whole ladder follows in {span_text(fact.wait_us)}",
        ]

    def tell_passed(self, fact: EscalationPassed) -> list[str]:
        return [f"{fact.by} passed: the next one is woken", f"said by {fact.via}"]

    def tell_postponed(self, fact: EscalationPostponed) -> list[str]:
        return [f"put off for {span_text(max(0, fact.until_us - fact.at_us))}", fact.reason]

    def tell_ended(self, fact: EscalationEnded) -> list[str]:
        left = "" if fact.failsafe is UNSET else _FAILSAFES[fact.failsafe]
        to = f"told: {_addressed(fact.notifications)}" if fact.notifications else ""
        detail = fact.detail if fact.detail != _ENDS[fact.how] else ""
        return [f"{_ENDS[fact.how]}", detail, left, to]


_TOLD: Final[dict[type, Callable[[_Teller, Any], list[str]]]] = {
    EscalationRaised: _Teller.tell_raised,
    EscalationJoined: _Teller.tell_joined,
    EscalationCleared: _Teller.tell_cleared,
    RungReached: _Teller.tell_rung,
    NotificationsRequested: _Teller.tell_requested,
    NotificationReported: _Teller.tell_reported,
    EscalationAcknowledged: _Teller.tell_acknowledged,
    EscalationSnoozed: _Teller.tell_snoozed,
    EscalationHanded: _Teller.tell_handed,
    EscalationPassed: _Teller.tell_passed,
    EscalationPostponed: _Teller.tell_postponed,
    EscalationEnded: _Teller.tell_ended,
}
_DELIVERIES: Final = {
    "accepted": "taken by the provider",
    "delivered": "delivered",
    "answered": "answered, which is no acknowledgement",
    "failed": "failed",
    "unsure": "nobody knows whether it was sent",
}


def notifications_of(fact: EscalationFact) -> tuple[Notification, ...]:
    """Return the notifications that a fact asks for; none for most kinds."""
    with_some = RungReached | NotificationsRequested | EscalationHanded | EscalationEnded
    return fact.notifications if isinstance(fact, with_some) else ()


def _addressed(notifications: Iterable[Notification]) -> str:
    """Write channels and people, each person once."""
    ways: dict[str, list[str]] = {}
    for each in notifications:
        nth = f" ({_nth(each.attempt)} try)" if each.attempt > 1 else ""
        ways.setdefault(each.person, []).append(each.channel + nth)
    texts = [
        f"{' and '.join(channels)} to {person}" if person else " and ".join(channels)
        for person, channels in ways.items()
    ]
    return "; ".join(texts)


def _left_out(left: LeftOut) -> str:
    return f"not {left.who}{' by ' + left.channel if left.channel else ''}: {left.why}"


def _nth(number: int) -> str:
    """Write an ordinal number.

    >>> [_nth(number) for number in (1, 2, 3, 4, 11, 22)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd']
    """
    teen = number % 100 in {11, 12, 13}
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
