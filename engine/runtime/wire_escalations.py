"""The wire: waking people, what they say to it, and how far each notification got."""

from typing import Literal

from msgspec import Struct

from engine.core.vocabulary.escalation_facts import OnCallChanged
from engine.core.vocabulary.escalations import (
    EscalationEnding,
    EscalationKind,
    Failure,
    Notification,
    Severity,
)
from engine.core.vocabulary.ids import EscalationId, NotificationId, PersonId
from engine.core.vocabulary.people_facts import Role
from engine.core.work.escalations.standing import Stage
from engine.runtime.wire_words import Answer, Request

EscalationWord = Literal["acknowledge", "take", "snooze", "pass", "resolve", "cancel"]
"""What people say to an escalation. `acknowledge`: I am awake, and have it unless somebody does already.
`take`: I have it from now on. `snooze`: I have it, remind me. `pass`: wake the next one. `resolve`: it is
done. `cancel`: nobody is needed."""


class RaiseEscalation(Request, frozen=True, kw_only=True):
    """Have somebody woken. Answered with `EscalationAnswer`. The asker has checked who it is."""

    key: str
    """What it is about: the same key never makes two that are open."""
    group: str = ""
    """The incident; empty: one of its own."""
    kind: EscalationKind
    severity: Severity
    about: str = ""
    summary: str
    evidence: tuple[str, ...] = ()
    by: str
    ladder: str | None = None
    """The ladder to climb; `None`: as the routes say."""


class ClearEscalation(Request, frozen=True, kw_only=True):
    """Say that something somebody was woken for is over by itself. Answered with `EscalationAnswer`."""

    key: str
    by: str
    detail: str = ""


class AnswerEscalation(Request, frozen=True, kw_only=True):
    """Say a word to an escalation. Answered with `EscalationAnswer`. The asker has checked the role."""

    escalation: str
    """Its id, its four digits, or the decision it is about."""
    word: EscalationWord
    by: PersonId
    role: Role
    via: str
    """The channel it was said on."""
    for_us: int | None = None
    """How long to snooze; `None` for every other word."""
    reason: str = ""


class HandEscalation(Request, frozen=True, kw_only=True):
    """Give an escalation to somebody else, who is woken. Answered with `EscalationAnswer`."""

    escalation: str
    to: PersonId
    by: PersonId
    role: Role
    via: str


class GetEscalations(Request, frozen=True, kw_only=True):
    """Say what people are being woken for. Answered with `EscalationList`."""


class TakeNotifications(Request, frozen=True, kw_only=True):
    """Ask for what is to be sent, waiting for it if need be. Answered with `NotificationsGiven`."""

    pager: str
    """Who asks. Nobody gets anything while another one is at it."""
    holding: tuple[tuple[NotificationId, int], ...] = ()
    """What they have in hand, each with its attempt. All else is given, though it was given before."""
    wait_s: float


class GetSent(Request, frozen=True, kw_only=True):
    """Ask for what channels have taken and may still say something of. Answered with `NotificationsGiven`."""

    channels: tuple[str, ...]


class FindNotifications(Request, frozen=True, kw_only=True):
    """Ask what somebody was sent, the newest first, while it is open. Answered with `NotificationsGiven`."""

    notification_id: NotificationId | None = None
    """One of them alone; `None`: all that fit."""
    person: PersonId | None = None
    code: str = ""
    """Four digits; empty: of every open escalation."""


class ReportNotification(Request, frozen=True, kw_only=True):
    """Say how far a notification got. Answered with `Noted`. Late and repeated reports do no harm."""

    notification_id: NotificationId
    attempt: int | None = None
    """The attempt it is about; `None`: the latest."""
    delivery: Literal["accepted", "delivered", "answered", "failed"]
    failure: Failure | None = None
    """Why it failed; `None` where it did not."""
    retry_s: float | None = None
    """How long a busy provider asks to wait; `None` where it does not say."""
    ref: str = ""
    detail: str = ""


class ChangeOnCall(Request, frozen=True, kw_only=True):
    """Put somebody on call in another's place. Answered with `DutyShown`. The asker has checked the role."""

    schedule: str
    person: PersonId
    from_us: int
    until_us: int
    by: PersonId
    reason: str = ""


class RestoreOnCall(Request, frozen=True, kw_only=True):
    """Take such a change back. Answered with `DutyShown`."""

    change_id: str
    by: PersonId


class GetDuty(Request, frozen=True, kw_only=True):
    """Say what the journal knows of who has which duty. Answered with `DutyShown`."""


EscalationRequest = (
    RaiseEscalation
    | ClearEscalation
    | AnswerEscalation
    | HandEscalation
    | GetEscalations
    | TakeNotifications
    | GetSent
    | FindNotifications
    | ReportNotification
    | ChangeOnCall
    | RestoreOnCall
    | GetDuty
)


class EscalationShown(Struct, frozen=True, kw_only=True):
    """How one escalation stands."""

    escalation_id: EscalationId
    code: str
    kind: EscalationKind
    severity: Severity
    about: str
    """The decision or trouble behind the first that joined; empty where it has no name."""
    abouts: tuple[str, ...]
    """The same of all that still stand."""
    summary: str
    evidence: tuple[str, ...]
    deadline_us: int | None
    then: str
    by: str
    raised_us: int
    ladder: str
    stage: Stage
    round: int
    rung: int
    """The rung that rang last, counting from 1; 0 before the first."""
    next_us: int | None
    """When something happens by itself; `None`: nothing does."""
    holder: PersonId
    """Who has it; empty while nobody does."""
    count: int
    woken: tuple[PersonId, ...]
    ended: EscalationEnding | None


class EscalationAnswer(Answer, frozen=True, kw_only=True):
    """What became of a word on an escalation."""

    counted: bool
    reason: str
    """What happens next, in a sentence."""
    escalation: EscalationShown | None
    """As it stands now; `None` where there is none any more."""


class EscalationList(Answer, frozen=True, kw_only=True):
    """What people are being woken for, the latest last."""

    escalations: tuple[EscalationShown, ...]


class NotificationGiven(Struct, frozen=True, kw_only=True):
    """One notification to be sent."""

    notification: Notification
    escalation: EscalationShown
    unsure: bool
    """Whether it may have been sent already, by somebody who did not come to say so."""
    why: str
    """What it says beyond the escalation itself: who has it, how it ended."""
    answerable: bool
    """Whether one person's plain word, without a code, decides on what it is about."""
    ref: str = ""
    """What the provider knows it by; empty while none took it."""
    since_us: int | None = None
    """When its first try was asked for: nothing of it was sent before. `None` when nobody says."""


class NotificationsGiven(Answer, frozen=True, kw_only=True):
    """What is to be sent now."""

    notifications: tuple[NotificationGiven, ...]


class Noted(Answer, frozen=True, kw_only=True):
    """A report was taken. `known` says whether the notification is still known."""

    known: bool


class DutyShown(Answer, frozen=True, kw_only=True):
    """Who has which duty, beyond what the files say."""

    captain: PersonId | None
    deputy: PersonId | None
    away: bool
    changes: tuple[OnCallChanged, ...]


EscalationReply = EscalationAnswer | EscalationList | NotificationsGiven | Noted | DutyShown
