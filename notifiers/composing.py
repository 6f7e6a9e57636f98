"""Composing: what a notification says, from what is known of its escalation. Pure."""

from collections.abc import Callable
from typing import Final

from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.vocabulary.units import SECOND_US, duration_text
from engine.runtime.wire_escalations import EscalationShown, NotificationGiven
from notifiers.channel import Choice, Message
from notifiers.voice_menu import STOP_KEY

ACKNOWLEDGE: Final = Choice(word="acknowledge", label="I have it", digit="1")
_APPROVE: Final = Choice(word="approve", label="Approve", digit="2")
_DENY: Final = Choice(word="deny", label="Deny", digit="3")
_PASS: Final = Choice(word="pass", label="Next person", digit="5")
_STOP: Final = Choice(word="stop", label="Stop everything", digit=STOP_KEY)
_EVIDENCE: Final = 2


def compose(
    given: NotificationGiven,
    *,
    address: str,
    now_us: int,
    clock: Callable[[int], str],
    link: Callable[[EscalationId, PersonId], str],
) -> Message:
    """Write one notification.

    `clock` writes a moment as it stands on the receiver's wall. `link` gives the page that takes an answer;
    empty where there is none.
    """
    notification, about = given.notification, given.escalation
    asks = notification.purpose in {"wake", "again"}
    return Message(
        notification_id=notification.notification_id,
        escalation_id=about.escalation_id,
        attempt=notification.attempt,
        person=notification.person,
        address=address,
        purpose=notification.purpose,
        severity=about.severity,
        code=about.code,
        title=_title(given),
        lines=tuple(_lines(given, now_us, clock)),
        about=about.about,
        count=about.count,
        deadline_us=about.deadline_us,
        sent_us=now_us,
        since_us=given.since_us,
        drill=about.kind == "drill",
        choices=_choices(given) if asks else (),
        link=link(about.escalation_id, notification.person) if asks else "",
        thread=about.escalation_id,
    )


def _title(given: NotificationGiven) -> str:
    about = given.escalation
    match given.notification.purpose:
        case "wake":
            return about.summary
        case "again":
            return f"Still open: {about.summary}"
        case "told":
            return f"{about.holder or 'Somebody'} has it: {about.summary}"
        case "over":
            return f"Over: {about.summary}"


def _lines(given: NotificationGiven, now_us: int, clock: Callable[[int], str]) -> list[str]:
    about = given.escalation
    match given.notification.purpose:
        case "told":
            return []
        case "over":
            return [given.why] if given.why else []
        case "again":
            return [
                f"You have it, and {given.why}. Say so if you are at it.",
                *_deadline(about, now_us, clock),
            ]
        case "wake":
            drill = (
                ["This is a drill: nothing is wrong. Answer as if it were."] if about.kind == "drill" else []
            )
            together = [f"{about.count} of these came together."] if about.count > 1 else []
            return [
                *drill,
                *about.evidence[:_EVIDENCE],
                *_deadline(about, now_us, clock),
                *together,
                _where(about),
            ]


def _deadline(about: EscalationShown, now_us: int, clock: Callable[[int], str]) -> list[str]:
    if about.deadline_us is None:
        return []
    left_s = max(0, about.deadline_us - now_us) // SECOND_US
    # Whole minutes, for by the time it is read the seconds are wrong.
    left = duration_text(left_s // 60 * 60) if left_s >= 60 else "less than a minute"
    then = about.then or "it ends"
    return [f"At {clock(about.deadline_us)}, in {left}: {then}."]


def _where(about: EscalationShown) -> str:
    tried = f", round {about.round}" if about.round > 1 else ""
    return f"Ladder {about.ladder}, rung {max(1, about.rung)}{tried}; raised by {about.by}."


def _choices(given: NotificationGiven) -> tuple[Choice, ...]:
    decides = (_APPROVE, _DENY) if given.answerable else ()
    return (ACKNOWLEDGE, *decides, _PASS, _STOP)
