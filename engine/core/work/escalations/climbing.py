"""Climbing: what is due for an escalation at a moment. Pure: who is asked is the roster's to say.

`due` gives one fact at a time. Whoever keeps escalations folds it and asks again, until nothing is due: so
all that a ladder does is written down before it is done, and follows from what was written alone.
"""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace

from engine.core.vocabulary.escalation_facts import (
    EscalationEnded,
    EscalationFact,
    EscalationPostponed,
    NotificationsRequested,
    RungReached,
)
from engine.core.vocabulary.escalations import (
    Delivery,
    Failure,
    LeftOut,
    Notification,
    Purpose,
    Rung,
    notification_id,
)
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.endings import ENGINE
from engine.core.work.escalations.roster import Duty, Roster
from engine.core.work.escalations.standing import Escalation, Sending, Stage

_LONGEST_US: Final = 60 * SECOND_US
"""The longest pause between two tries: an outage may end at any moment."""
_BUSY_US: Final = 5 * SECOND_US
"""How long a provider is left alone that asks for it and does not say how long."""
_FEW: Final = 6
"""How often a word is tried that asks nothing of anybody."""


def next_us(escalation: Escalation) -> int | None:
    """Say when something is due; `None`: not by time alone."""
    if escalation.to_tell:
        return 0
    moments = [
        each.retry_us
        for each in escalation.sendings.values()
        if each.retry_us is not None and _is_wanted(escalation, each)
    ]
    if escalation.next_us is not None:
        moments.append(escalation.next_us)
    return min(moments, default=None)


def due(
    name: EscalationId, escalation: Escalation, roster: Roster, duty: Duty, now_us: int
) -> EscalationFact | None:
    """Return the next fact that is due by now; `None` when nothing is."""
    asked = _Asked(name, escalation, roster, duty, now_us)
    if escalation.to_tell:
        return _tell(asked)
    retries = tuple(_retries(escalation, now_us))
    if retries:
        return NotificationsRequested(
            at_us=now_us, escalation_id=name, why="another try", notifications=retries
        )
    if escalation.next_us is None or escalation.next_us > now_us:
        return None
    return _BY_STAGE[escalation.stage](asked)


class _Asked:
    """What every answer is made from."""

    def __init__(
        self, name: EscalationId, escalation: Escalation, roster: Roster, duty: Duty, now_us: int
    ) -> None:
        """Count the notifications that are made of here."""
        self.name, self.escalation, self.roster, self.duty, self.now_us = (
            name, escalation, roster, duty, now_us,
        )  # fmt: skip
        self._made = escalation.made

    def notify(self, channel: str, person: PersonId, purpose: Purpose) -> Notification:
        """Make one notification, with an id that no other of this escalation has."""
        self._made += 1
        return Notification(
            notification_id=notification_id(self.name, self._made),
            channel=channel,
            person=person,
            purpose=purpose,
        )

    def last_word(self) -> tuple[Notification, ...]:
        """Make word of the end for everybody who was woken."""
        escalation = self.escalation
        over = [
            self.notify(channel, person, "over")
            for person, channels in sorted(escalation.woken.items())
            for channel in channels
            if not self.roster.rings(channel)
        ]
        over += [self.notify(channel, PersonId(""), "over") for channel in escalation.posted]
        return tuple(over)


# ---------------------------------------------------------------- the ladder


def _climb(asked: _Asked) -> EscalationFact:
    escalation = asked.escalation
    rungs = escalation.ladder.rungs
    if escalation.rung == 0:
        return _rung(asked, escalation.round, 1, 1)
    if escalation.nth <= rungs[escalation.rung - 1].repeat:
        return _rung(asked, escalation.round, escalation.rung, escalation.nth + 1)
    if escalation.rung < len(rungs):
        return _rung(asked, escalation.round, escalation.rung + 1, 1)
    if escalation.round < escalation.ladder.rounds:
        return _rung(asked, escalation.round + 1, 1, 1)
    if escalation.withheld_us is not None:
        return EscalationPostponed(
            at_us=asked.now_us,
            escalation_id=asked.name,
            until_us=max(escalation.withheld_us, asked.now_us),
            reason="quiet hours kept somebody from being rung; the ladder is climbed anew when they end",
        )
    detail = f"nobody answered in {escalation.round} round{'s' if escalation.round > 1 else ''}"
    return EscalationEnded(
        at_us=asked.now_us,
        escalation_id=asked.name,
        how="exhausted",
        by=ENGINE,
        detail=detail,
        failsafe="hold" if escalation.kind == "drill" else escalation.ladder.failsafe,
        notifications=asked.last_word(),
    )


def _rung(asked: _Asked, round_: int, nth_rung: int, nth: int) -> RungReached:
    escalation, rung = asked.escalation, asked.escalation.ladder.rungs[nth_rung - 1]
    left: list[LeftOut] = []
    people = _people(asked, rung, left)
    notifications = []
    for person in people:
        for channel in rung.by:
            against = asked.roster.against(person, channel, escalation.severity, asked.now_us)
            if against is None:
                notifications.append(asked.notify(channel, person, "wake"))
            else:
                left.append(against)
    notifications += [asked.notify(channel, PersonId(""), "wake") for channel in rung.post]
    return RungReached(
        at_us=asked.now_us,
        escalation_id=asked.name,
        round=round_,
        rung=nth_rung,
        nth=nth,
        notifications=tuple(notifications),
        left_out=tuple(left),
    )


def _people(asked: _Asked, rung: Rung, left: list[LeftOut]) -> list[PersonId]:
    """Return everybody a rung means, once; note whom nobody was found for."""
    people: dict[PersonId, None] = {}
    for target in rung.to:
        found = asked.roster.found(target, asked.now_us, asked.duty)
        if not found:
            left.append(LeftOut(who=target, why="nobody is meant by it now"))
        people |= dict.fromkeys(found)
    return list(people)


# ---------------------------------------------------------------- who has it, and the others


def _tell(asked: _Asked) -> NotificationsRequested:
    """Tell those who were woken who has it, by whatever does more than ring."""
    escalation = asked.escalation
    told = [
        asked.notify(channel, person, "told")
        for person, channels in sorted(escalation.woken.items())
        if person != escalation.holder
        for channel in channels
        if not asked.roster.rings(channel)
    ]
    told += [asked.notify(channel, PersonId(""), "told") for channel in escalation.posted]
    return NotificationsRequested(
        at_us=asked.now_us,
        escalation_id=asked.name,
        why=f"{escalation.holder} has it",
        notifications=tuple(told),
    )


def _ask_again(asked: _Asked) -> NotificationsRequested | RungReached:
    """Ask who has it whether it moves, over every way they were woken by; with none, wake everybody anew."""
    escalation, holder = asked.escalation, asked.escalation.holder
    ways = escalation.woken.get(holder) or tuple(_ways_of(escalation))
    reached = [
        channel
        for channel in ways
        if asked.roster.against(holder, channel, escalation.severity, asked.now_us) is None
    ]
    if not reached:
        return _rung(asked, 1, 1, 1)
    why = "their time is over" if escalation.stage == "snoozed" else "nothing moved since they took it"
    return NotificationsRequested(
        at_us=asked.now_us,
        escalation_id=asked.name,
        why=why,
        notifications=tuple(asked.notify(channel, holder, "again") for channel in reached),
    )


def _ways_of(escalation: Escalation) -> Iterator[str]:
    """Give every channel of the ladder that reaches a person, once."""
    yield from dict.fromkeys(channel for rung in escalation.ladder.rungs for channel in rung.by)


def handed(
    name: EscalationId, escalation: Escalation, roster: Roster, to: PersonId, now_us: int
) -> tuple[tuple[Notification, ...], tuple[LeftOut, ...]]:
    """Make what wakes somebody who is given an escalation, and say which ways do not reach them."""
    asked = _Asked(name, escalation, roster, Duty(), now_us)
    left, notifications = [], []
    for channel in _ways_of(escalation):
        against = roster.against(to, channel, escalation.severity, now_us)
        if against is None:
            notifications.append(asked.notify(channel, to, "wake"))
        else:
            left.append(against)
    return tuple(notifications), tuple(left)


def last_word(
    name: EscalationId, escalation: Escalation, roster: Roster, now_us: int
) -> tuple[Notification, ...]:
    """Make word of the end of an escalation for everybody who was woken."""
    return _Asked(name, escalation, roster, Duty(), now_us).last_word()


def _over(asked: _Asked) -> EscalationEnded:
    return EscalationEnded(
        at_us=asked.now_us,
        escalation_id=asked.name,
        how="resolved",
        by=ENGINE,
        detail="it is over",
        notifications=asked.last_word(),
    )


_BY_STAGE: Final[dict[Stage, Callable[[_Asked], EscalationFact | None]]] = {
    "ringing": _climb,
    "acknowledged": _ask_again,
    "snoozed": _ask_again,
    "asked": lambda asked: _rung(asked, 1, 1, 1),
    "cleared": _over,
    "ended": lambda _asked: None,
}


# ---------------------------------------------------------------- tries


def _retries(escalation: Escalation, now_us: int) -> Iterator[Notification]:
    # By name, for the order in which they were made does not outlast a restart.
    for _, sending in sorted(escalation.sendings.items()):
        if sending.retry_us is not None and sending.retry_us <= now_us and _is_wanted(escalation, sending):
            yield replace(sending.notification, attempt=sending.notification.attempt + 1)


def _is_wanted(escalation: Escalation, sending: Sending) -> bool:
    match sending.notification.purpose:
        case "wake":
            return escalation.stage == "ringing"
        case "again":
            return escalation.stage == "asked"
        case "told" | "over":
            return True


def retry_us(notification: Notification, kind: Failure, retry_s: float | None, now_us: int) -> int | None:
    """Say when a failed notification is tried again; `None`: never.

    A wrong address or token stays wrong. What asks somebody to get up is tried for as long as it is asked;
    what only tells them something a few times. After an uncertain try at once: rather rung twice than not at
    all.

    >>> wake = Notification(notification_id="e_1.1", channel="call")
    >>> [retry_us(wake, kind, None, 0) for kind in ("address", "unsure", "broken", "busy")]
    [None, 0, 2000000, 5000000]
    """
    if kind in {"address", "setup"}:
        return None
    if notification.purpose in {"told", "over"} and notification.attempt >= _FEW:
        return None
    if kind == "unsure" and notification.attempt == 1:
        return now_us
    pause_us = min(_LONGEST_US, SECOND_US << min(notification.attempt, 6))
    if kind == "busy":
        pause_us = _BUSY_US if retry_s is None else min(_LONGEST_US, round(retry_s * SECOND_US))
    return now_us + pause_us


DELIVERY_OF: Final[dict[Failure, Delivery]] = {
    "address": "failed", "setup": "failed", "busy": "failed", "broken": "failed", "unsure": "unsure",
}  # fmt: skip
"""What each kind of failure says of a notification."""
