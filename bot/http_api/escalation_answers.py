"""What goes out about escalations, and about who is on call."""

from typing import Annotated

from msgspec import Meta, Struct

from engine.core.vocabulary.escalations import EscalationEnding, EscalationKind, Severity
from engine.core.vocabulary.units import time_text
from engine.core.work.escalations.standing import Stage
from engine.runtime import wire_escalations as wire

_WORDS = ("acknowledge", "take", "snooze", "pass", "hand", "resolve")


class EscalationShown(Struct, frozen=True, kw_only=True):
    """One escalation: what people are being woken for, and how far that is."""

    escalation_id: str
    code: Annotated[str, Meta(description="Four digits that name it on a phone; empty where all were taken")]
    kind: EscalationKind
    severity: Severity
    about: Annotated[str, Meta(description="The decision, trouble or alert behind the first that joined")]
    abouts: Annotated[tuple[str, ...], Meta(description="The same of all that still stand")]
    summary: str
    evidence: tuple[str, ...]
    deadline: Annotated[str | None, Meta(description="When what waits ends by itself; null: never")]
    then: Annotated[str, Meta(description="What happens at the deadline")]
    by: Annotated[str, Meta(description="Who raised it: engine, a person, or agent:NAME")]
    raised: str
    ladder: str
    stage: Stage
    round: int
    rung: Annotated[int, Meta(description="The rung that rang last, counting from 1; 0 before the first")]
    next: Annotated[str | None, Meta(description="When something happens by itself; null: nothing does")]
    holder: Annotated[str, Meta(description="Who has it; empty while nobody does")]
    count: Annotated[int, Meta(description="How many joined in this one, with the first")]
    woken: tuple[str, ...]
    ended: Annotated[EscalationEnding | None, Meta(description="Null while it is open")]
    links: dict[str, str]


class EscalationList(Struct, frozen=True, kw_only=True):
    """Escalations, the latest first."""

    escalations: tuple[EscalationShown, ...]


class EscalationTaken(Struct, frozen=True, kw_only=True):
    """What became of a word on an escalation."""

    reason: Annotated[str, Meta(description="What happens next, in a sentence")]
    escalation: Annotated[
        EscalationShown | None, Meta(description="As it stands now; null where there is none any more")
    ]


class AlertsTaken(Struct, frozen=True, kw_only=True):
    """What was made of alerts that came in."""

    firing: int
    resolved: int
    quiet: Annotated[int, Meta(description="How many are no more than info, and wake nobody")]
    left_out: Annotated[int, Meta(description="How many the sender says that it left out")]
    escalations: Annotated[tuple[str, ...], Meta(description="Those that these alerts belong to")]


class DutyTurn(Struct, frozen=True, kw_only=True):
    """One schedule: who is on call now, and who is next."""

    schedule: str
    zone: str
    person: Annotated[str, Meta(description="Empty: nobody is on call")]
    until: Annotated[str | None, Meta(description="When that ends; null: not within 31 days")]
    next: Annotated[str, Meta(description="Who is on call from then on; empty: nobody")]


class DutyChange(Struct, frozen=True, kw_only=True):
    """For a while somebody else is on call."""

    change_id: str
    schedule: str
    person: str
    since: str
    until: str
    by: str
    reason: str
    links: dict[str, str]


class WallClock(Struct, frozen=True, kw_only=True):
    """What time it is for somebody."""

    person: str
    shown: Annotated[str, Meta(description="On their wall", examples=["Fri 03:12"])]
    quiet: Annotated[bool, Meta(description="Whether these are hours in which only the worst wakes them")]
    until: Annotated[str | None, Meta(description="When that ends; null: it is not so, or no end is near")]


class OnCallShown(Struct, frozen=True, kw_only=True):
    """Who has which duty."""

    schedules: tuple[DutyTurn, ...]
    captain: Annotated[str, Meta(description="In office; empty: everybody with the role is meant")]
    deputy: str
    away: Annotated[bool, Meta(description="Whether the captain is, so that the deputy acts")]
    changes: tuple[DutyChange, ...]
    people: tuple[WallClock, ...]


def escalation_shown(known: wire.EscalationShown) -> EscalationShown:
    """Write how an escalation stands; links lead to what can be said to it while it is open."""
    here = f"/v1/escalations/{known.escalation_id}"
    words = _WORDS if known.ended is None else ()
    return EscalationShown(
        escalation_id=known.escalation_id,
        code=known.code,
        kind=known.kind,
        severity=known.severity,
        about=known.about,
        abouts=known.abouts,
        summary=known.summary,
        evidence=known.evidence,
        deadline=_text(known.deadline_us),
        then=known.then,
        by=known.by,
        raised=time_text(known.raised_us),
        ladder=known.ladder,
        stage=known.stage,
        round=known.round,
        rung=known.rung,
        next=_text(known.next_us),
        holder=known.holder,
        count=known.count,
        woken=known.woken,
        ended=known.ended,
        links={"self": here} | {word: f"{here}/{word}" for word in words},
    )


def _text(at_us: int | None) -> str | None:
    return None if at_us is None else time_text(at_us)
