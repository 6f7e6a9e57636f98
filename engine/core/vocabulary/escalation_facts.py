"""What was done to wake people, and what they did, in the past tense."""

from msgspec import UNSET, UnsetType

from engine.core.vocabulary.escalations import (
    Delivery,
    EscalationEnding,
    EscalationKind,
    Failsafe,
    Failure,
    Ladder,
    LeftOut,
    Notification,
    Severity,
)
from engine.core.vocabulary.fact import Fact
from engine.core.vocabulary.ids import Digest, EscalationId, NotificationId, PersonId
from engine.core.vocabulary.people_facts import Role


class EscalationRaised(Fact, tag="escalation_raised", frozen=True, kw_only=True):
    """Somebody is needed. Carries the ladder it climbs, so that a changed file changes nothing under way."""

    escalation_id: EscalationId
    code: str
    """Four digits that name it on a phone; empty where all were taken."""
    key: str
    """What it is about, for programs. Each thing that needs somebody has its own."""
    group: str
    """The incident: whatever comes with the group of an open one joins that, and wakes nobody anew."""
    kind: EscalationKind
    severity: Severity
    about: str = ""
    """The decision, trouble or alert behind it; empty where it has no name."""
    summary: str
    """What is asked, in one line."""
    evidence: tuple[str, ...] = ()
    """Why, in two lines at most."""
    deadline_us: int | UnsetType = UNSET
    """When what waits ends by itself; unset where it waits for ever."""
    then: str = ""
    """What happens at the deadline, in a few words."""
    by: str
    """Who raised it: `engine`, a person, an agent, a monitoring system."""
    ladder: Ladder
    ladders_hash: Digest
    """Of the ladders in force."""


class EscalationJoined(Fact, tag="escalation_joined", frozen=True, kw_only=True):
    """More of the same came, or it came back: it is counted, and nobody is woken anew."""

    escalation_id: EscalationId
    key: str
    about: str = ""
    summary: str
    evidence: tuple[str, ...] | UnsetType = UNSET
    severity: Severity
    deadline_us: int | UnsetType = UNSET
    then: str | UnsetType = UNSET


class EscalationCleared(Fact, tag="escalation_cleared", frozen=True, kw_only=True):
    """What it was about went away. What comes back soon joins again, so that flapping wakes once."""

    escalation_id: EscalationId
    key: str
    """Of what went away: of several that joined, the others still stand."""
    by: str
    detail: str = ""
    until_us: int
    """When it ends for good unless it comes back."""


class RungReached(Fact, tag="rung_reached", frozen=True, kw_only=True):
    """A rung of the ladder rang."""

    escalation_id: EscalationId
    round: int
    """Counting from 1."""
    rung: int
    """Counting from 1."""
    nth: int
    """Which time this rung rings in this round, counting from 1."""
    notifications: tuple[Notification, ...]
    left_out: tuple[LeftOut, ...] = ()


class NotificationsRequested(Fact, tag="notifications_requested", frozen=True, kw_only=True):
    """More was to be sent than what a rung rings: another try, a question, word to the others."""

    escalation_id: EscalationId
    why: str
    notifications: tuple[Notification, ...]


class NotificationReported(Fact, tag="notification_reported", frozen=True, kw_only=True):
    """It is known how far a notification got. Reports may come late, twice, and in any order."""

    escalation_id: EscalationId
    notification_id: NotificationId
    attempt: int
    delivery: Delivery
    kind: Failure | UnsetType = UNSET
    """Why it failed; unset where it did not."""
    ref: str = ""
    """What the provider knows it by."""
    detail: str = ""
    retry_us: int | None = None
    """When it may be tried again; `None`: never, or there is no need."""


class EscalationAcknowledged(Fact, tag="escalation_acknowledged", frozen=True, kw_only=True):
    """A human proved awake and took it."""

    escalation_id: EscalationId
    by: PersonId
    role: Role
    via: str
    """The channel: `call`, `sms`, `slack`, `terminal`."""


class EscalationSnoozed(Fact, tag="escalation_snoozed", frozen=True, kw_only=True):
    """A human took it, and wants to be reminded."""

    escalation_id: EscalationId
    by: PersonId
    role: Role
    via: str
    until_us: int


class EscalationHanded(Fact, tag="escalation_handed", frozen=True, kw_only=True):
    """A human gave it to somebody else, who is woken."""

    escalation_id: EscalationId
    by: PersonId
    to: PersonId
    via: str
    notifications: tuple[Notification, ...]
    wait_us: int
    """How long that one may take before the ladder goes on."""


class EscalationPassed(Fact, tag="escalation_passed", frozen=True, kw_only=True):
    """A human who was woken wants the next one to be."""

    escalation_id: EscalationId
    by: PersonId
    via: str


class EscalationPostponed(Fact, tag="escalation_postponed", frozen=True, kw_only=True):
    """Quiet hours kept a ladder from ringing: it is climbed anew when they end."""

    escalation_id: EscalationId
    until_us: int
    reason: str


class EscalationEnded(Fact, tag="escalation_ended", frozen=True, kw_only=True):
    """Nobody is needed for it any more, or nobody came."""

    escalation_id: EscalationId
    how: EscalationEnding
    by: str
    detail: str
    failsafe: Failsafe | UnsetType = UNSET
    """What was left to do, where nobody came."""
    notifications: tuple[Notification, ...] = ()
    """Word of it to those who were woken."""


class OnCallChanged(Fact, tag="on_call_changed", frozen=True, kw_only=True):
    """For a while somebody else is on call. A swap is two of these."""

    change_id: str
    schedule: str
    person: PersonId
    from_us: int
    until_us: int
    by: PersonId
    reason: str = ""


class OnCallRestored(Fact, tag="on_call_restored", frozen=True, kw_only=True):
    """Such a change was taken back."""

    change_id: str
    by: PersonId


EscalationFact = (
    EscalationRaised
    | EscalationJoined
    | EscalationCleared
    | RungReached
    | NotificationsRequested
    | NotificationReported
    | EscalationAcknowledged
    | EscalationSnoozed
    | EscalationHanded
    | EscalationPassed
    | EscalationPostponed
    | EscalationEnded
)
"""Facts about one escalation."""
