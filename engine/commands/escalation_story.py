"""What happened to wake people, from the journal: what a ladder does next, and what each rung took."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from engine.core.vocabulary import escalation_facts as f
from engine.core.vocabulary.escalations import Delivery, Ladder, Notification
from engine.core.vocabulary.facts import decode
from engine.core.vocabulary.ids import EscalationId, NotificationId
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.escalations.timeline import span_text
from engine.ports import DecisionsReader

FAILSAFES: Final = {"hold": "what was asked for stays undone", "stop": "all autonomy stops"}
"""What follows where nobody came."""


def facts_of(journal: DecisionsReader, name: EscalationId) -> list[f.EscalationFact]:
    """Return all facts about an escalation, in order; none when there is none of that id."""
    read = (decode(record.body) for record in journal.with_prefix(f"escalation:{name}:"))
    return [fact for fact in read if isinstance(fact, f.EscalationFact)]


def rung_next(facts: Sequence[f.EscalationFact]) -> str:
    """Say what a ladder that rings does next."""
    raised, last = facts[0], None
    for fact in facts:
        if isinstance(fact, f.RungReached):
            last = fact
        elif isinstance(fact, f.EscalationHanded | f.EscalationPostponed):
            last = None
    if not isinstance(raised, f.EscalationRaised):
        return "it rings on"
    ladder = raised.ladder
    if last is None:
        return _rung_text(ladder, 1)
    if last.nth <= ladder.rungs[last.rung - 1].repeat:
        return f"{_rung_text(ladder, last.rung)} once more"
    if last.rung < len(ladder.rungs):
        return _rung_text(ladder, last.rung + 1)
    if last.round < ladder.rounds:
        return f"round {last.round + 1} of {ladder.rounds} begins"
    return "the drill ends" if raised.kind == "drill" else f"nobody came: {FAILSAFES[ladder.failsafe]}"


def _rung_text(ladder: Ladder, number: int) -> str:
    rung = ladder.rungs[number - 1]
    who = ", ".join(rung.to)
    ways = ", ".join((*rung.by, *rung.post))
    return f"rung {number} of {len(ladder.rungs)} rings {f'{who} by {ways}' if who else ways}"


def _whom(person: str, channel: str) -> str:
    return f"{person} by {channel}" if person and channel else person or channel


# ---------------------------------------------------------------- measured


class Measured(Struct, frozen=True, kw_only=True):
    """One notification that was to wake somebody, and how long each step took, in seconds."""

    rung: int
    whom: str
    accepted_s: float | None
    """After the rung rang; `None` while it did not happen."""
    delivered_s: float | None
    answered_s: float | None
    failed: str
    """Why it was not sent; empty where it was, or nobody knows yet."""


def measured(facts: Sequence[f.EscalationFact]) -> list[Measured]:
    """Measure everything that every rung rang, in order."""
    reports: dict[NotificationId, list[f.NotificationReported]] = {}
    for fact in facts:
        if isinstance(fact, f.NotificationReported):
            reports.setdefault(fact.notification_id, []).append(fact)
    found = []
    for fact in facts:
        if isinstance(fact, f.RungReached):
            for each in fact.notifications:
                told = reports.get(each.notification_id, [])
                found.append(_measured(fact, each, told))
            for left in fact.left_out:
                whom = _whom(left.who, left.channel)
                found.append(
                    Measured(
                        rung=fact.rung, whom=whom, accepted_s=None, delivered_s=None, answered_s=None,
                        failed=left.why,
                    )
                )  # fmt: skip
    return found


def _measured(rang: f.RungReached, each: Notification, told: Sequence[f.NotificationReported]) -> Measured:
    def after(*deliveries: Delivery) -> float | None:
        moments = [report.at_us for report in told if report.delivery in deliveries]
        return (min(moments) - rang.at_us) / SECOND_US if moments else None

    failures = [report.detail or str(report.kind) for report in told if report.delivery == "failed"]
    return Measured(
        rung=rang.rung,
        whom=_whom(each.person, each.channel),
        accepted_s=after("accepted", "delivered", "answered"),
        delivered_s=after("delivered"),
        answered_s=after("answered"),
        failed=failures[-1] if failures and after("accepted", "delivered", "answered") is None else "",
    )


def who_answered(facts: Sequence[f.EscalationFact]) -> Iterator[str]:
    """Say who proved awake, by what, and after how long."""
    for fact in facts:
        if isinstance(fact, f.EscalationAcknowledged):
            waited_s = (fact.at_us - facts[0].at_us) // SECOND_US
            yield f"{fact.by} by {fact.via} after {span_text(waited_s * SECOND_US)}"
