"""Nights: the escalations of the last weeks, and what being woken cost people, kept up from the journal."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from engine.adapters.rotations import wall
from engine.commands.directory import Directory
from engine.commands.lately import Take
from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary.escalations import EscalationEnding, EscalationKind, Severity
from engine.core.vocabulary.facts import Fact
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.work.escalations.loads import Loads, loads
from engine.ports import DecisionsReader

DAYS: Final = 30
"""How far back they are kept."""
KEPT: Final = (
    e.EscalationRaised, e.RungReached, e.NotificationsRequested, e.EscalationAcknowledged,
    e.EscalationSnoozed, e.EscalationHanded, e.EscalationPassed, e.EscalationCleared, e.EscalationEnded,
)  # fmt: skip
"""What loads are counted from."""
_MOST: Final = 50_000
"""Facts kept: the newest. A storm that brings more is over its cost long before."""


class Past(Struct, frozen=True, kw_only=True):
    """One escalation that somebody may look at again."""

    escalation_id: EscalationId
    code: str
    kind: EscalationKind
    severity: Severity
    summary: str
    ladder: str
    raised_us: int
    first: str
    """Who had it first; empty where nobody did."""
    waited_us: int | None
    """How long that took; `None` where nobody did."""
    ended: EscalationEnding | None
    """`None` while it is open."""
    ended_us: int | None


class Nights:
    """What is kept. Not safe from threads: `Lately` sees to that."""

    def __init__(self) -> None:
        """Nothing is kept."""
        self._facts: dict[int, e.EscalationFact] = {}

    def begin(self) -> Take:
        """Forget all, and keep from here."""
        self._facts.clear()
        return self._take

    def _take(self, seq: int, fact: Fact, _journal: DecisionsReader) -> None:
        if isinstance(fact, e.EscalationFact):
            self._facts[seq] = fact
            if len(self._facts) > 2 * _MOST:
                self._facts = {seq: self._facts[seq] for seq in sorted(self._facts)[-_MOST:]}

    def _in_order(self, since_us: int) -> list[e.EscalationFact]:
        kept = {seq: fact for seq, fact in self._facts.items() if fact.at_us >= since_us}
        self._facts = dict(sorted(kept.items(), key=lambda item: item[0]))
        return list(self._facts.values())

    def loads(self, since_us: int, hour_of: Callable[[PersonId, int], int]) -> Loads:
        """Count what they cost; `hour_of` says which hour it is on somebody's wall."""
        return loads(self._in_order(since_us), hour_of)

    def past(self, since_us: int, *, most: int) -> list[Past]:
        """Return the newest of them, the newest first, open ones too."""
        raised: dict[EscalationId, e.EscalationRaised] = {}
        took: dict[EscalationId, e.EscalationAcknowledged | e.EscalationSnoozed] = {}
        ended: dict[EscalationId, e.EscalationEnded] = {}
        for fact in self._in_order(since_us):
            match fact:
                case e.EscalationRaised():
                    raised[fact.escalation_id] = fact
                case e.EscalationAcknowledged() | e.EscalationSnoozed():
                    took.setdefault(fact.escalation_id, fact)
                case e.EscalationEnded():
                    ended[fact.escalation_id] = fact
        newest = sorted(raised.values(), key=lambda each: -each.at_us)[:most]
        return [_past(each, took.get(each.escalation_id), ended.get(each.escalation_id)) for each in newest]


def _past(
    raised: e.EscalationRaised,
    took: e.EscalationAcknowledged | e.EscalationSnoozed | None,
    ended: e.EscalationEnded | None,
) -> Past:
    return Past(
        escalation_id=raised.escalation_id,
        code=raised.code,
        kind=raised.kind,
        severity=raised.severity,
        summary=raised.summary,
        ladder=raised.ladder.name,
        raised_us=raised.at_us,
        first=took.by if took is not None else "",
        waited_us=took.at_us - raised.at_us if took is not None else None,
        ended=ended.how if ended is not None else None,
        ended_us=ended.at_us if ended is not None else None,
    )


def hours_of(directory: Directory) -> Callable[[PersonId, int], int]:
    """Return what says which hour it is on somebody's wall; UTC for whom people.yaml does not name."""
    zones = {person: known.zone for person, known in directory.people.items()}
    return lambda person, at_us: wall(zones.get(person, "UTC"), at_us).hour
