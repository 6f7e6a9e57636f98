"""The page of one decision: what was wanted, why it was decided so, what came of it, and the proof."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
from msgspec import Struct

from bot.web_console.console import Console, may
from bot.web_console.timeline import ROOM, timeline_of
from engine.adapters.machine_time import now_us
from engine.commands.cards import card
from engine.commands.catalogue import LANGUAGE
from engine.commands.model import Button
from engine.commands.standing import Standing, proposal_of
from engine.commands.tracing import records_of, trace
from engine.core.explain import Explanation, explain
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.chain import GENESIS, Record, digest_of, link
from engine.core.vocabulary.ids import DecisionId
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.verdicts import Check
from engine.ports import DecisionsReader, Holder

_MOST_RECORDS: Final = 60
_MOST_LETTERS: Final = 6_000
"""Of one record that the page shows; all of its bytes can be loaded."""
_FARTHEST: Final = Decimal(2)
"""How far beyond a limit is still drawn: a bar twice as long as what is allowed says enough."""


class Measured(Struct, frozen=True, kw_only=True):
    """One comparison a gate made, ready to be shown."""

    name: str
    measured: str
    limit: str
    """Empty where there is none."""
    share: float | None
    """Measured by limit, over 1 beyond it, 2 at most; `None` where these are no amounts."""
    at_least: bool
    """Whether the limit is to be reached, and not to be kept to."""


class Proved(Struct, frozen=True, kw_only=True):
    """One record of the journal with what proves it."""

    record: Record
    kind: str
    at_us: int
    text: str
    """Its fact, laid out for reading; not the bytes that were hashed."""
    is_itself: bool
    """Whether its hash is that of its bytes."""
    is_linked: bool
    """Whether the record before it has the hash that it names."""


async def gathered(console: Console, visitor: Holder, decision_id: str) -> Mapping[str, Any]:
    """Find what the page shows; the engine is not needed for it. Raises `Problem` for no such decision."""
    standing = console.front.standing(DecisionId(decision_id), visitor)
    verdict = standing.verdict
    journal = console.tools.journal()
    proposal = proposal_of(journal, verdict.proposal_id)
    path, (records, proofs) = await asyncio.gather(
        console.tools.look(lambda looking: trace(looking, verdict, goes_on=not standing.settled)),
        console.tools.look(lambda looking: _records(looking, standing)),
    )
    facts = [f.decode(record.body) for record in records]
    explanation = explain(verdict, proposal, facts, path=path)
    reply = card(journal, standing)
    return {
        "title": reply.title,
        "reply": reply,
        "standing": standing,
        "verdict": verdict,
        "why": explanation,
        "buttons": _offered(reply.buttons, visitor),
        "timeline": timeline_of(path, now_us(), held=verdict.word == "hold", waits=standing.waits),
        "room": ROOM,
        "gates": [(answer, [_measured(check) for check in answer.checks]) for answer in explanation.gates],
        "proposal": proposal,
        "arguments": _arguments(proposal),
        "is_bound": _is_bound(proposal, explanation),
        "proofs": proofs,
        "more": len(records) - len(proofs),
    }


def _offered(buttons: tuple[Button, ...], visitor: Holder) -> list[Button]:
    """Leave out what whoever looks may not do: the desk would refuse it. This page explains already."""
    return [
        button
        for button in buttons
        if button.label != "Explain" and may(visitor, LANGUAGE.find(button.line)[0].role)
    ]


def _records(journal: DecisionsReader, standing: Standing) -> tuple[list[Record], list[Proved]]:
    """Return every record about a decision, and the first of them with what proves them."""
    records = records_of(journal, standing.verdict)
    return records, [_proved(journal, record) for record in records[:_MOST_RECORDS]]


def _proved(journal: DecisionsReader, record: Record) -> Proved:
    fact = f.decode(record.body)
    before = next(iter(journal.read(after=record.seq - 2, until=record.seq - 1)), None)
    return Proved(
        record=record,
        kind=f.tag_of(fact).replace("_", " "),
        at_us=fact.at_us,
        text=_laid_out(record.body, _MOST_LETTERS),
        is_itself=link(record.prev, record.seq, record.key, record.body) == record.hash,
        is_linked=record.prev == (GENESIS if record.seq == 1 else before.hash if before else b""),
    )


def _arguments(proposal: Proposal | None) -> str:
    return "" if proposal is None else _laid_out(f.encode(proposal.args), 5 * _MOST_LETTERS)


def _laid_out(body: bytes, most: int) -> str:
    text = msgspec.json.format(body, indent=2).decode(errors="replace")
    return text if len(text) <= most else f"{text[:most]}\n… and {len(text) - most:,} more letters"


def _is_bound(proposal: Proposal | None, explanation: Explanation) -> bool | None:
    """Whether the digest is that of the arguments shown; `None` where the proposal is not at hand."""
    if proposal is None:
        return None
    return digest_of(proposal.action, f.encode(proposal.args)) == explanation.digest


def _measured(check: Check) -> Measured:
    share = None
    try:
        measured, limit = Decimal(str(check.measured)), Decimal(str(check.limit))
        if limit > 0 and measured.is_finite():
            share = float(min(max(measured / limit, Decimal(0)), _FARTHEST))
    except InvalidOperation:
        pass
    return Measured(
        name=check.measure.replace("_", " "),
        measured=str(check.measured),
        limit="" if check.limit is None else str(check.limit),
        share=share,
        at_least=check.measure == "confidence",
    )
