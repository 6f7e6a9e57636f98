"""How each escalation stands: what the journal's facts about it add up to."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from engine.core.vocabulary.escalation_facts import OnCallChanged
from engine.core.vocabulary.escalations import (
    Delivery,
    EscalationEnding,
    EscalationKind,
    Ladder,
    Notification,
    Severity,
)
from engine.core.vocabulary.ids import EscalationId, NotificationId, PersonId

Stage = Literal["ringing", "acknowledged", "asked", "snoozed", "cleared", "ended"]
"""`ringing`: the ladder is climbed. `acknowledged`: somebody has it. `asked`: they were asked whether it
moves. `cleared`: what it was about went away, and may come back. `ended`: known only so that it wakes nobody
anew."""

DELIVERED: dict[Delivery, int] = {"failed": 0, "unsure": 0, "accepted": 1, "delivered": 2, "answered": 3}
"""How far each is; what is heard late or twice takes nothing back."""


class Need(Struct, frozen=True, kw_only=True):
    """Something that needs a person."""

    key: str
    group: str
    kind: EscalationKind
    severity: Severity
    about: str = ""
    summary: str
    evidence: tuple[str, ...] = ()
    deadline_us: int | UnsetType = UNSET
    then: str = ""
    by: str = "engine"
    capability: str = ""
    """Whose action it is, for the choice of a ladder; empty where it is none."""
    action: str = ""
    """What is to be done, for the same; empty where it is no action."""


class Asked(Struct, frozen=True, kw_only=True):
    """What one need asks for, as it is shown while it stands."""

    about: str
    summary: str
    evidence: tuple[str, ...] = ()
    deadline_us: int | UnsetType = UNSET
    then: str = ""


class Sending(Struct, frozen=True, kw_only=True):
    """One notification, and how far it got."""

    notification: Notification
    requested_us: int
    """When this attempt was asked for."""
    first_us: int | None = None
    """When the first one was; `None` where this is the first."""
    delivery: Delivery | UnsetType = UNSET
    """Unset while nobody reported on this attempt."""
    retry_us: int | None = None
    ref: str = ""
    why: str = ""
    """What it says beyond the escalation itself."""
    was_unsure: bool = False
    """Whether nobody knows if the try before this one was sent."""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be sent."""
        return self.delivery is UNSET

    @property
    def rank(self) -> int:
        """How far it got; 0 while no provider took it."""
        return 0 if self.delivery is UNSET else DELIVERED[self.delivery]

    @property
    def went_out(self) -> bool:
        """Whether some provider took it."""
        return self.rank > 0


class Escalation(Struct, kw_only=True):
    """One escalation."""

    code: str
    group: str
    kind: EscalationKind
    severity: Severity
    about: str
    summary: str
    evidence: tuple[str, ...]
    deadline_us: int | UnsetType = UNSET
    then: str
    by: str
    raised_us: int
    ladder: Ladder
    needs: dict[str, str]
    """What it is about: the keys of all that joined and still stands, and the names behind them."""
    asked: dict[str, Asked] = {}
    """What each of them asks for."""
    key: str = ""
    """Which of them is shown."""
    moved: bool = False
    """Whether another is shown than at first. An OK may be meant for what was shown before, so it decides
    nothing then."""
    count: int = 1
    """How many joined, with the first."""
    stage: Stage = "ringing"
    before: Stage = "ringing"
    """The stage it had before it was cleared."""
    next_us: int | None
    """When something is due; `None`: never by time alone."""
    resume_us: int | None = None
    """What was due when it was cleared."""
    round: int = 1
    rung: int = 0
    """The rung that rang last, counting from 1; 0 before the first."""
    nth: int = 0
    """How often that rung rang in this round."""
    withheld_us: int | None = None
    """When the first of those can be rung whom quiet hours kept from it; `None` when nobody was."""
    holder: PersonId = PersonId("")
    """Who has it; empty while nobody does."""
    facts: int = 0
    """How many facts there are about it, after the first."""
    made: int = 0
    """How many notifications it made."""
    ringing: tuple[NotificationId, ...] = ()
    """What the last rung sent."""
    woken: dict[PersonId, tuple[str, ...]] = {}
    """Who was rung, and over which channels."""
    posted: tuple[str, ...] = ()
    """Channels that belong to nobody in particular, and were posted to."""
    to_tell: bool = False
    """Whether the others have yet to hear who has it."""
    sendings: dict[NotificationId, Sending] = {}
    ended: EscalationEnding | UnsetType = UNSET
    ended_us: int = 0

    @property
    def is_last_rung(self) -> bool:
        """Whether no rung follows the one that rang last."""
        return self.rung >= len(self.ladder.rungs) and self.round >= self.ladder.rounds

    @property
    def is_open(self) -> bool:
        """Whether somebody may still be woken for it."""
        return self.stage != "ended"


class Failing(Struct, frozen=True, kw_only=True):
    """A channel that fails by its own fault."""

    count: int
    """How often in a row."""
    detail: str

    @property
    def is_dead(self) -> bool:
        """Whether it counts as dead: once may be chance, and so may twice."""
        return self.count > 2


class Escalations(Struct):
    """All that are open, and those that ended while what they were about still stands."""

    by_id: dict[EscalationId, Escalation] = {}
    of_key: dict[str, EscalationId] = {}
    """Which escalation a need is part of."""
    of_group: dict[str, EscalationId] = {}
    """Which escalation an incident has on a ladder, by `group_on`."""
    wanted: dict[str, Need] = {}
    """What needs somebody, and was not raised yet."""
    failures: dict[str, Failing] = {}
    """Channels of which the last notification failed by their own fault."""
    changes: tuple[OnCallChanged, ...] = ()
    """Who is on call in whose place, past ones left out."""


def group_on(group: str, ladder: str) -> str:
    """Name what is one incident to those whom one ladder wakes. Others were not woken by that.

    >>> group_on("episode:e-1", "by-phone")
    'by-phone/episode:e-1'
    """
    return f"{ladder}/{group}"
