"""How escalations look: a list of them, and all about one."""

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, structs

from engine.commands.cards import clock_text, left_text, short
from engine.commands.escalation_story import FAILSAFES, measured, rung_next, who_answered
from engine.commands.model import Button, Reply, Table, Tone
from engine.core.plain_text import count_text
from engine.core.vocabulary import escalation_facts as f
from engine.core.vocabulary.ids import DecisionId
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.escalations.timeline import span_text, timeline
from engine.runtime.wire_escalations import EscalationShown

SHOWN: Final = 10
_LINES: Final = 12
_TONES: Final[dict[str, Tone]] = {"critical": "danger", "warning": "warning", "info": "plain"}


def tone_of(shown: EscalationShown) -> Tone:
    """Return how an escalation looks: as bad as it is while nobody has it."""
    if shown.ended == "exhausted":
        return "danger"
    return _TONES[shown.severity] if shown.stage in {"ringing", "asked"} else "good"


def listed(found: Sequence[tuple[EscalationShown, Sequence[f.EscalationFact]]], now_us: int) -> Reply:
    """Show escalations as a table, each with what was journaled about it."""
    rows = tuple(
        (
            shown.code or shown.escalation_id,
            shown.severity,
            short(shown.summary, 60),
            shown.holder or "nobody",
            left_text((now_us - shown.raised_us) / SECOND_US),
            next_text(shown, facts, now_us),
        )
        for shown, facts in found[:SHOWN]
    )
    tones = [tone_of(each) for each, _ in found]
    worst: Tone = next((tone for tone in tones if tone != "good"), "good")
    more = len(found) - len(rows)
    return Reply(
        title=f"{count_text(len(found), 'escalations')} open",
        tone=worst,
        text=f"{more} more are open." if more > 0 else "",
        table=Table(columns=("code", "severity", "what", "has it", "for", "next"), rows=rows),
        buttons=tuple(
            Button(label=f"Show {shown.code}", line=f"escalations {shown.escalation_id}")
            for shown, _ in found[:3]
        ),
    )


def next_text(shown: EscalationShown, facts: Sequence[f.EscalationFact], now_us: int) -> str:
    """Say what happens next by itself, and when."""
    if shown.next_us is None or shown.stage == "ended":
        return "nothing by itself"
    left = max(0, shown.next_us - now_us)
    when = f"in {left_text(left / SECOND_US)}" if left >= SECOND_US else "now"
    holder = shown.holder or "somebody"
    what = {
        "acknowledged": f"{holder} is asked whether it moves",
        "snoozed": f"{holder} is reminded",
        "asked": "everybody is woken anew",
        "cleared": "it ends",
    }
    said = what.get(shown.stage) or (rung_next(facts) if facts else "it rings on")
    return f"{said}, {when}"


def card(
    shown: EscalationShown,
    facts: Sequence[f.EscalationFact],
    now_us: int,
    *,
    title: str = "",
) -> Reply:
    """Show all about one escalation; `title` says what was just done to it."""
    name = f"{shown.code or shown.escalation_id}: {short(shown.summary, 120)}"
    fields = [
        ("Has it", shown.holder or "nobody"),
        ("Next", next_text(shown, facts, now_us)),
        *([("Why", "\n".join(short(line) for line in shown.evidence))] if shown.evidence else []),
        *([("At the deadline", _deadline(shown, now_us))] if shown.deadline_us is not None else []),
        *([("Joined in it", str(shown.count))] if shown.count > 1 else []),
        ("Woken", ", ".join(shown.woken) or "nobody yet"),
    ]
    if shown.stage == "ended":
        fields = [("Ended", _ending(facts))]
    return _told(
        Reply(
            title=title or name,
            tone=tone_of(shown),
            text=name if title else "",
            fields=tuple(fields),
            buttons=_buttons(shown),
            footer=f"{shown.escalation_id} · {shown.severity} · {shown.kind} · {clock_text(shown.raised_us)}",
            about=DecisionId(shown.about) if shown.about.startswith("d_") else None,
        ),
        facts,
        drill=shown.kind == "drill",
        whole=not title,
    )


def over_card(facts: Sequence[f.EscalationFact], *, title: str = "", whole: bool = True) -> Reply:
    """Show an escalation that only the journal knows any more."""
    raised = next(fact for fact in facts if isinstance(fact, f.EscalationRaised))
    name = f"{raised.code or raised.escalation_id}: {short(raised.summary, 120)}"
    return _told(
        Reply(
            title=title or name,
            text=name if title else "",
            fields=(("Ended", _ending(facts)),),
            footer=f"{raised.escalation_id} · {raised.severity} · {raised.kind} · {clock_text(raised.at_us)}",
        ),
        facts,
        drill=raised.kind == "drill",
        whole=whole,
    )


def _told(reply: Reply, facts: Sequence[f.EscalationFact], *, drill: bool, whole: bool) -> Reply:
    """Add what happened so far, and for a drill what every rung took."""
    if not whole:
        return reply
    fields = reply.fields
    if drill:
        fields = (*fields, ("Answered", "\n".join(who_answered(facts)) or "nobody"))
    lines = [f"+{span_text(each.since_us // SECOND_US * SECOND_US)}: {each.what}" for each in timeline(facts)]
    if len(lines) > _LINES:
        lines = [lines[0], f"… {len(lines) - _LINES} more", *lines[1 - _LINES :]]
    fields = (*fields, ("So far", "\n".join(lines) or "nothing"))
    return structs.replace(reply, fields=fields, table=measured_table(facts) if drill else None)


def measured_table(facts: Sequence[f.EscalationFact]) -> Table:
    """Show what every rung took."""
    return Table(
        columns=("rung", "whom", "taken", "arrived", "picked up", "not sent"),
        rows=tuple(
            (
                str(each.rung), each.whom, _seconds(each.accepted_s), _seconds(each.delivered_s),
                _seconds(each.answered_s), short(each.failed, 60),
            )
            for each in measured(facts)
        ),
    )  # fmt: skip


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f} s"


def _deadline(shown: EscalationShown, now_us: int) -> str:
    left = left_text(max(0, (shown.deadline_us or 0) - now_us) / SECOND_US)
    return f"in {left}: {shown.then}" if shown.then else f"in {left}"


def _ending(facts: Sequence[f.EscalationFact]) -> str:
    ended = [fact for fact in facts if isinstance(fact, f.EscalationEnded)]
    if not ended:
        return "it is over"
    last = ended[-1]
    drilled = isinstance(facts[0], f.EscalationRaised) and facts[0].kind == "drill"
    failsafe = "" if last.failsafe is UNSET or drilled else f"; {FAILSAFES[last.failsafe]}"
    return f"{_ENDINGS[last.how]}{short(last.detail)}{failsafe}"


# What a person ended says who and why.
_ENDINGS: Final = {"resolved": "resolved: ", "exhausted": "nobody came: ", "cancelled": ""}


def _buttons(shown: EscalationShown) -> tuple[Button, ...]:
    name = shown.escalation_id
    if shown.stage == "ended":
        return ()
    ring = (
        Button(label="I have it", line=f"ack {name}", style="good"),
        Button(label="Next person", line=f"pass {name}"),
    )
    mine = (Button(label="Take it over", line=f"take {name}"),)
    decision = shown.about if shown.about.startswith("d_") and shown.kind == "decision" else ""
    answers = (
        Button(label="Approve", line=f"approve {decision}", style="good"),
        Button(label="Deny", line=f"deny {decision}", style="danger", asks="Why not? The agent is told"),
    )
    return (
        *(ring if shown.stage in {"ringing", "asked"} else mine),
        Button(label="Snooze 30 min", line=f"snooze {name} for 30m"),
        *(answers if decision else ()),
        Button(label="Resolve", line=f"resolve {name}", asks="What was it?"),
    )
