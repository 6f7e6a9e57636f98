"""Recommending: what all gates allow and a person takes or declines, and what came of it."""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from engine.commands import catalogue as c
from engine.commands.cards import card, ratings_of
from engine.commands.model import Asker, Button, Reply, Table
from engine.commands.standing import Standing, standing_from
from engine.commands.tools import Tools
from engine.core.vocabulary.ids import DecisionId
from engine.core.vocabulary.units import time_text
from engine.errors import InputError
from engine.ports import DecisionFilter, DecisionsReader
from engine.runtime import wire

Fate = Literal["waiting", "taken", "declined", "ignored", "stopped"]
"""What became of a recommendation. `stopped`: a captain vetoed it."""
MOST: Final = 200
"""How many of the newest held decisions are looked through."""
_SHOWN: Final = 10


class Recommendation(Struct, frozen=True, kw_only=True):
    """One recommendation, and what became of it."""

    decision_id: str
    at: str
    """ISO 8601, UTC."""
    agent: str
    capability: str
    action: str
    confidence: float | None
    fate: Fate
    by: tuple[str, ...]
    """Who took or declined it."""
    how: Literal["run", "did"] | None
    """Whether it was let run, or done by hand; `None` unless it was taken."""
    reason: str
    after: str
    """What happened then: where the decision stands, what was reported, and how it was rated; empty when
    nothing is known."""


def recommendations_in(journal: DecisionsReader) -> list[Recommendation]:
    """Return the newest recommendations, the newest first. May take long: ask in a thread."""
    found = []
    for record in journal.decisions(DecisionFilter(word="hold"), most=MOST).records:
        standing = standing_from(journal, record)
        if standing is not None and standing.recommended and not standing.verdict.shadowed:
            found.append(_recommendation(standing, ratings_of(journal, standing.verdict.decision_id)))
    return found


def _recommendation(standing: Standing, rated: Sequence[str]) -> Recommendation:
    verdict, over, fate = standing.verdict, standing.answered, _fate(standing)
    how: Literal["run", "did"] | None = None
    if fate == "taken":
        how = "did" if standing.status in {"taken", "bypassed"} else "run"
    return Recommendation(
        decision_id=verdict.decision_id,
        at=time_text(verdict.at_us),
        agent=verdict.agent,
        capability=verdict.capability,
        action=verdict.action,
        confidence=verdict.assessment.confidence,
        fate=fate,
        by=over.by if over is not None else (),
        how=how,
        reason=over.reason if over is not None else "",
        after="; ".join(part for part in (_after(standing) if fate == "taken" else "", *rated) if part),
    )


def _fate(standing: Standing) -> Fate:
    if standing.answered is None:
        return "waiting"
    match standing.answered.how:
        case "approved" | "taken" | "replaced" | "bypassed":
            return "taken"
        case "denied":
            return "declined"
        case "timeout":
            return "ignored"
        case "vetoed":
            return "stopped"


def _after(standing: Standing) -> str:
    if standing.outcome is not None:
        return "went well" if standing.outcome.ok else "went wrong"
    back = ", taken back" if any(undo.status == "done" for undo in standing.undos) else ""
    return "" if standing.status in {"taken", "bypassed"} else f"{standing.status}{back}"


async def take(tools: Tools, asker: Asker, said: c.Take) -> Reply:
    """Let a recommendation run, or note that it was done by hand."""
    done = "Taken" if said.how == "run" else "Done by hand"
    return await _answer(tools, asker, said, "approve" if said.how == "run" else "did", done)


async def decline(tools: Tools, asker: Asker, said: c.Decline) -> Reply:
    """Decline a recommendation."""
    return await _answer(tools, asker, said, "deny", "Declined")


async def _answer(
    tools: Tools, asker: Asker, said: c.Take | c.Decline, word: Literal["approve", "deny", "did"], done: str
) -> Reply:
    if not tools.standing(said.decision_id).recommended:
        raise InputError(
            "it is no recommendation", place=said.decision_id, cure="/approve and /deny answer what is held"
        )
    request = wire.AnswerHold(
        decision_id=DecisionId(said.decision_id),
        by=asker.person,
        role=asker.role,
        answer=word,
        reason=said.reason,
    )
    answer = await tools.ask(request, wire.HoldAnswer)
    if not answer.counted:
        return Reply(
            title="It did not count",
            outcome="refused",
            tone="warning",
            text=f"{answer.reason}.",
            about=answer.decision_id,
        )
    shown = card(tools.journal(), tools.standing(answer.decision_id))
    return Reply(
        title=f"{done} by {asker.person}",
        tone="danger" if word == "deny" else "good",
        text=f"{shown.title}.\n{answer.reason}.",
        buttons=(Button(label="Explain", line=f"explain {answer.decision_id}"),),
        private=False,
        about=answer.decision_id,
        episode=shown.episode,
    )


async def recommendations(tools: Tools, asker: Asker, said: c.Recommendations) -> Reply:
    """List recommendations, and what became of them."""
    every = await tools.look(recommendations_in)
    found = [each for each in every if said.which in {"all", each.fate}]
    fates: tuple[Fate, ...] = ("waiting", "taken", "declined", "ignored", "stopped")
    counts = {fate: sum(each.fate == fate for each in every) for fate in fates}
    rows = tuple(
        (
            each.decision_id,
            each.agent,
            each.action,
            each.fate if each.how is None else {"run": "taken", "did": "done by hand"}[each.how],
            " and ".join(each.by) or "–",
            each.after or "–",
        )
        for each in found[:_SHOWN]
    )
    columns = ("decision", "agent", "action", "became", "by", "after")
    return Reply(
        title=", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
        or "Nothing was recommended lately",
        table=Table(columns=columns, rows=rows) if rows else None,
        text=f"{len(found) - len(rows)} more." if len(found) > len(rows) else "",
        footer=f"of the newest {MOST:,} held decisions",
    )
