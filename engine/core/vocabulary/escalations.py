"""Escalations: the words for waking people. What a ladder is, and what one notification is."""

import hashlib
from fnmatch import fnmatchcase
from typing import Final, Literal

from msgspec import Struct

from engine.core.vocabulary.ids import Digest, EscalationId, NotificationId, PersonId

Severity = Literal["info", "warning", "critical"]
"""How bad it is, least first."""
SEVERITIES: Final[dict[Severity, int]] = {"info": 0, "warning": 1, "critical": 2}

EscalationKind = Literal[
    "decision", "undo", "trouble", "anomaly", "channel", "failsafe", "rollout", "alert", "request", "drill"
]
"""Why somebody is needed. `decision`: one waits for people. `undo`: taking something back failed. `trouble`:
the machine. `channel`: a way to reach people is dead. `failsafe`: one did not work. `alert`: a monitoring
system says so. `request`: an agent or a person asks for somebody."""

Purpose = Literal["wake", "again", "told", "over"]
"""What a notification is for. `wake`: somebody is asked to get up. `again`: who has it already is asked
whether it moves. `told`: others hear who has it. `over`: those who were woken hear that it ended."""

Delivery = Literal["accepted", "delivered", "answered", "failed", "unsure"]
"""How far a notification got. `accepted`: the provider took it. `delivered`: it says that it arrived.
`answered`: somebody, or a voicemail, picked up. None of these is an acknowledgement. `unsure`: it may have
been sent."""

Failure = Literal["address", "setup", "busy", "broken", "unsure"]
"""Why a notification was not sent. `address`: this one is wrong. `setup`: the channel is set up wrongly.
`busy`: the provider asks to wait. `broken`: it failed, and sent nothing. `unsure`: it may have sent it."""
CHANNEL_FAULTS: Final = frozenset({"setup", "broken", "unsure"})
"""Failures that say something about the channel."""

Failsafe = Literal["hold", "stop"]
"""What happens when nobody answered a whole ladder. `hold`: what was asked for stays undone. `stop`: all
autonomy is stopped, too."""

EscalationEnding = Literal["resolved", "exhausted", "cancelled"]
"""`resolved`: what it was about is over. `exhausted`: nobody answered, and the failsafe stands. `cancelled`:
a person said that nobody is needed."""


class Rung(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to reach people, and how long to wait for them."""

    to: tuple[str, ...] = ()
    """Who: a person, `role:captain`, `on-call:SCHEDULE`, `captain` or `deputy` in office, `everyone`."""
    by: tuple[str, ...] = ()
    """The channels each of them is reached by, all at once: `call`, `sms`, `slack`, `email`."""
    post: tuple[str, ...] = ()
    """Channels that belong to nobody in particular: `slack-channel`, `console`, `alertmanager`."""
    wait_us: int
    """How long before it rings again, or the next rung does."""
    repeat: int = 0
    """How many more times it rings before the next one."""


class Ladder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ordered ways to reach somebody."""

    name: str
    rungs: tuple[Rung, ...]
    rounds: int = 1
    """How often all of it is climbed."""
    failsafe: Failsafe = "hold"
    ask_again_us: int
    """How long after an acknowledgement it is asked whether anything moves, while nothing does."""
    answer_us: int
    """How long who has it may take to answer that, before everybody is woken anew."""


class Route(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which escalations climb which ladder. What is left empty takes all."""

    kinds: tuple[EscalationKind, ...] = ()
    severities: tuple[Severity, ...] = ()
    capability: str = "*"
    """A pattern of capabilities, such as `heal@*`. One that is not `*` takes no escalation without one."""
    action: str = "*"
    """A pattern of actions, such as `db.*`, read alike."""
    ladder: str
    severity: Severity | None = None
    """How bad it counts as from then on; `None`: as bad as it came."""

    def covers(
        self, kind: EscalationKind, severity: Severity, capability: str = "", action: str = ""
    ) -> bool:
        """Whether an escalation goes this way; empty names are those it does not have."""
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.severities or severity in self.severities)
            and fnmatchcase(capability, self.capability)
            and fnmatchcase(action, self.action)
        )


class EscalationSettings(Struct, frozen=True, kw_only=True):
    """All that is set about waking people: the ladders, who climbs which, and what counts as one."""

    ladders: dict[str, Ladder]
    routes: tuple[Route, ...]
    """The first that covers an escalation says what it climbs. The last one covers all."""
    settle_us: int
    """How long what went away may come back without waking anybody anew."""
    storm_most: int
    """How many may be raised within `storm_within_us` before all that follow join in one."""
    storm_within_us: int
    hash: Digest
    """Of what ladders.yaml says, however it is written."""

    def route(
        self, kind: EscalationKind, severity: Severity, capability: str = "", action: str = ""
    ) -> tuple[Ladder, Severity]:
        """Return the ladder of an escalation, and how bad it counts as."""
        found = next(each for each in self.routes if each.covers(kind, severity, capability, action))
        return self.ladders[found.ladder], found.severity or severity


class Notification(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message to one person over one channel. The address is looked up when it is sent."""

    notification_id: NotificationId
    channel: str
    person: PersonId = PersonId("")
    """Empty for a channel that belongs to nobody in particular."""
    purpose: Purpose = "wake"
    attempt: int = 1
    """Which try this is; all tries bear one id, by which a provider may know them for the same."""


class LeftOut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody a rung would have reached, and why it did not."""

    who: str
    """A person, or what no person was found for."""
    channel: str = ""
    why: str
    until_us: int | None = None
    """When it may be tried: the end of quiet hours. `None` when time alone changes nothing."""


def escalation_id(key: str, at_us: int) -> EscalationId:
    """Give an escalation its id, as `decision_id` does.

    >>> escalation_id("trouble:disk", 0)
    'e_288ca454f1551b4'
    """
    return EscalationId("e_" + hashlib.blake2b(f"{key}/{at_us}".encode(), digest_size=8).hexdigest()[:15])


def notification_id(escalation: EscalationId, nth: int) -> NotificationId:
    """Give the `nth` notification of an escalation its id, counting from 1.

    >>> notification_id(EscalationId("e_1"), 3)
    'e_1.3'
    """
    return NotificationId(f"{escalation}.{nth}")


def code_of(escalation: EscalationId, taken: frozenset[str]) -> str:
    """Return four digits that name an escalation on a phone; none that is `taken` by an open one.

    >>> code_of(EscalationId("e_1"), frozenset()) == code_of(EscalationId("e_1"), frozenset())
    True
    """
    start = int(hashlib.blake2b(escalation.encode(), digest_size=4).hexdigest(), 16)
    # No code begins with 0: people and forms drop it.
    codes = (str(1000 + (start + step) % 9000) for step in range(9000))
    return next((code for code in codes if code not in taken), "")
