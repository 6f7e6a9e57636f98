"""Escalations strewn into a history: raised, rung, answered, handed on and ended, in more ways than one."""

from collections.abc import Iterator
from random import Random

from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary.escalations import (
    Ladder,
    LeftOut,
    Notification,
    Rung,
    escalation_id,
    notification_id,
)
from engine.core.vocabulary.fact import Fact
from engine.core.vocabulary.units import HOUR_US, MINUTE_US, SECOND_US

_LADDER = Ladder(
    name="nightly",
    rungs=(
        Rung(post=("console",), wait_us=30 * SECOND_US),
        Rung(to=("on-call:primary",), by=("call", "sms"), wait_us=MINUTE_US, repeat=1),
    ),
    rounds=2,
    ask_again_us=30 * MINUTE_US,
    answer_us=5 * MINUTE_US,
)


def woken(chance: Random, number: int, at_us: int) -> Iterator[Fact]:
    """One escalation, from its first ring to whatever came of it."""
    key = f"alert:odd-{number}"
    name = escalation_id(key, at_us)
    calls = tuple(
        Notification(notification_id=notification_id(name, nth), channel=channel, person=person)
        for nth, (channel, person) in enumerate([("call", "ann"), ("sms", "ann"), ("console", "")], 1)
    )
    yield e.EscalationRaised(
        at_us=at_us,
        escalation_id=name,
        code="4711",
        key=key,
        group=f"alert:{number % 3}",
        kind="alert",
        severity=chance.choice(["warning", "critical"]),
        summary="disque plein 谢谢",
        evidence=("94 %",),
        by="alertmanager",
        ladder=_LADDER,
        ladders_hash="dd",
    )
    left = (LeftOut(who="ben", channel="call", why="quiet hours", until_us=at_us + HOUR_US),)
    yield e.RungReached(
        at_us=at_us, escalation_id=name, round=1, rung=2, nth=1, notifications=calls, left_out=left
    )
    for call in calls:
        failed = chance.random() < 0.5
        yield e.NotificationReported(
            at_us=at_us + SECOND_US,
            escalation_id=name,
            notification_id=call.notification_id,
            attempt=1,
            delivery="failed" if failed else chance.choice(["accepted", "delivered", "answered"]),
            detail="été",
            retry_us=at_us + 3 * SECOND_US if failed else None,
            **({"kind": "broken"} if failed else {}),
        )
    later_us = at_us + MINUTE_US
    yield e.EscalationJoined(
        at_us=later_us, escalation_id=name, key=f"{key}-b", summary="more", severity="critical"
    )
    yield from _said(chance, name, key, calls, later_us)


def _said(chance: Random, name: str, key: str, calls: tuple[Notification, ...], at_us: int) -> Iterator[Fact]:
    said = {"escalation_id": name, "by": "ann", "via": "call"}
    yield chance.choice(
        [
            e.EscalationAcknowledged(at_us=at_us, role="responder", **said),
            e.EscalationSnoozed(at_us=at_us, role="captain", until_us=at_us + HOUR_US, **said),
            e.EscalationPassed(at_us=at_us, **said),
            e.EscalationHanded(at_us=at_us, to="ben", notifications=calls[:1], wait_us=MINUTE_US, **said),
            e.EscalationPostponed(
                at_us=at_us, escalation_id=name, until_us=at_us + HOUR_US, reason="quiet hours"
            ),
        ]
    )
    yield e.NotificationsRequested(at_us=at_us, escalation_id=name, why="ann has it", notifications=calls[2:])
    yield e.EscalationCleared(
        at_us=at_us + SECOND_US, escalation_id=name, key=key, by="alertmanager", until_us=at_us + MINUTE_US
    )
    change = f"c{chance.randrange(5)}"
    yield e.OnCallChanged(
        at_us=at_us,
        change_id=change,
        schedule="primary",
        person="ben",
        from_us=at_us,
        until_us=at_us + HOUR_US,
        by="ann",
    )
    if chance.random() < 0.5:
        yield e.OnCallRestored(at_us=at_us + SECOND_US, change_id=change, by="ann")
    if chance.random() < 0.7:
        yield e.EscalationEnded(
            at_us=at_us + HOUR_US,
            escalation_id=name,
            how=chance.choice(["resolved", "exhausted", "cancelled"]),
            by="engine",
            detail="c'est fini",
        )
