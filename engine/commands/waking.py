"""Waking: what people say once they are awake, and what they ask for in their own name."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec import structs

from engine.adapters.machine_time import now_us
from engine.adapters.roster import FileRoster
from engine.commands import recommending
from engine.commands import wake_words as w
from engine.commands.escalation_cards import SHOWN, card, listed, over_card
from engine.commands.escalation_story import facts_of
from engine.commands.language import Command
from engine.commands.model import Asker, Confirm, Reply
from engine.commands.spans import length_us
from engine.commands.tools import Tools
from engine.core.vocabulary import escalation_facts as f
from engine.core.vocabulary.escalations import Ladder, Rung, Severity
from engine.core.vocabulary.facts import CommandGiven
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.core.vocabulary.units import SECOND_US, duration_text
from engine.core.work.escalations.roster import Duty
from engine.errors import InputError
from engine.runtime import wire
from engine.runtime.wire_escalations import (
    AnswerEscalation,
    DutyShown,
    EscalationAnswer,
    EscalationList,
    EscalationShown,
    EscalationWord,
    GetDuty,
    GetEscalations,
    HandEscalation,
    RaiseEscalation,
)

Act = Callable[[Tools, Asker, Any], Awaitable[Reply]]

_MOST_NOTED: Final = 20
"""Of all that joined in one: whoever waits for the answer reads it within a second."""
_SEVERITIES: Final[dict[str, Severity]] = {"critical": "critical", "warning": "warning"}


# ---------------------------------------------------------------- looking


async def show(tools: Tools, asker: Asker, said: w.Escalations) -> Reply:
    """List what people are being woken for, or show one."""
    found = (await tools.ask(GetEscalations(), EscalationList)).escalations
    if said.which:
        known = _named(found, said.which)
        if known is not None:
            return card(known, _facts(tools, known.escalation_id), now_us())
        return _over(tools, said.which)
    standing = [each for each in found if each.stage != "ended"]
    if not standing:
        return Reply(title="Nobody is being woken", tone="good", text="/oncall shows who would be.")
    latest = sorted(standing, key=lambda each: (bool(each.holder), -each.raised_us))
    # In a storm only those that are shown are looked up.
    told = [_facts(tools, each.escalation_id) if place < SHOWN else [] for place, each in enumerate(latest)]
    return listed(list(zip(latest, told, strict=True)), now_us())


def _named(found: Sequence[EscalationShown], which: str) -> EscalationShown | None:
    names = [each for each in found if which in {each.escalation_id, each.code, *each.abouts}]
    # The code of one that ended may be given to another.
    return max(names, key=lambda each: (each.stage != "ended", each.raised_us), default=None)


def _facts(tools: Tools, name: str) -> list[f.EscalationFact]:
    return facts_of(tools.journal(), EscalationId(name))


def _over(tools: Tools, which: str) -> Reply:
    facts = _facts(tools, which) if which.startswith("e_") else []
    if not facts:
        raise InputError("nobody is being woken for this", place=which, cure="/escalations lists all")
    return over_card(facts)


# ---------------------------------------------------------------- answering


async def _answer(tools: Tools, asker: Asker, which: str, word: EscalationWord, **more: Any) -> Reply:
    """Say a word, and show what the escalation is now; one that is over says so in its message's place."""
    request = AnswerEscalation(
        escalation=which, word=word, by=asker.person, role=asker.role, via=asker.account.front, **more
    )
    try:
        answer = await tools.ask(request, EscalationAnswer)
    except InputError:
        facts = _facts(tools, which) if which.startswith("e_") else []
        if not any(isinstance(fact, f.EscalationEnded) for fact in facts):
            raise
        reply = over_card(facts, title="It is over already", whole=False)
        return structs.replace(reply, outcome="refused", tone="warning", instead=True)
    if word in {"acknowledge", "take", "snooze"} and answer.escalation is not None and answer.counted:
        await _note(tools, asker, answer.escalation)
    return _answered(tools, answer)


def _answered(tools: Tools, answer: EscalationAnswer) -> Reply:
    shown = answer.escalation
    if shown is None:
        return Reply(title=_upper(answer.reason), tone="good", instead=True)
    facts = _facts(tools, shown.escalation_id)
    reply = structs.replace(card(shown, facts, now_us(), title=_upper(answer.reason)), instead=True)
    return reply if answer.counted else structs.replace(reply, outcome="refused", tone="warning")


async def _note(tools: Tools, asker: Asker, shown: EscalationShown) -> None:
    """Have the message of the decision behind it say who has it."""
    decisions = [about for about in shown.abouts if w.is_decision(about)]
    for decision in decisions[-_MOST_NOTED:]:
        await _note_decision(tools, asker, decision)


async def _note_decision(tools: Tools, asker: Asker, decision: str) -> None:
    fact = CommandGiven(
        at_us=now_us(), command=f"ack {decision}", by=asker.person, front=asker.account.front, outcome="done"
    )
    await tools.ask(wire.Tell(key=f"ack:{decision}:{asker.person}", fact=fact), wire.Done)


async def ack(tools: Tools, asker: Asker, said: w.Ack) -> Reply:
    """Say that somebody has it: an escalation, or a decision, for which nobody else is woken then."""
    if not said.decision_id:
        return await _answer(tools, asker, said.which, "acknowledge")
    standing = tools.standing(said.decision_id)
    if standing.status != "held":
        raise InputError(f"it does not wait for people: it is {standing.status}", place=said.decision_id)
    await _note_decision(tools, asker, said.decision_id)
    waits = f"{standing.verdict.action} of {standing.verdict.agent} still waits for an answer."
    request = AnswerEscalation(
        escalation=said.which, word="acknowledge", by=asker.person, role=asker.role, via=asker.account.front
    )
    try:
        answer = await tools.ask(request, EscalationAnswer)
        woken = "" if answer.counted else f"{_upper(answer.reason)}."
    except InputError:
        # Nobody is being woken for it, which is no reason not to look at it.
        woken = ""
    return Reply(
        title=f"{asker.person} has it",
        tone="good",
        text="\n".join(part for part in (waits, woken) if part),
        about=standing.verdict.decision_id,
    )


async def take(tools: Tools, asker: Asker, said: w.Take) -> Reply:
    """Take what is recommended, or an escalation that somebody else has."""
    if said.decision_id:
        return await recommending.take(tools, asker, said)
    if said.how == "did":
        raise InputError("an escalation is not done by taking it", cure=f"/resolve {said.which}")
    return await _answer(tools, asker, said.which, "take")


async def snooze(tools: Tools, asker: Asker, said: w.Snooze) -> Reply:
    """Take it, and be reminded."""
    return await _answer(tools, asker, said.which, "snooze", for_us=length_us(said.time))


async def pass_(tools: Tools, asker: Asker, said: w.Pass) -> Reply:
    """Have the next one woken."""
    return await _answer(tools, asker, said.which, "pass")


async def resolve(tools: Tools, asker: Asker, said: w.Resolve) -> Reply:
    """End it."""
    return await _answer(tools, asker, said.which, "resolve", reason=said.reason)


async def hand(tools: Tools, asker: Asker, said: w.Hand) -> Reply:
    """Give it to somebody else, who is woken."""
    request = HandEscalation(
        escalation=said.which,
        to=PersonId(said.person),
        by=asker.person,
        role=asker.role,
        via=asker.account.front,
    )
    return _answered(tools, await tools.ask(request, EscalationAnswer))


# ---------------------------------------------------------------- ringing


async def page(tools: Tools, asker: Asker, said: w.Page) -> Reply:
    """Wake somebody, by how bad it is or over a ladder."""
    severity = _SEVERITIES.get(said.to)
    if severity is None and said.to not in tools.directory().ladders:
        raise InputError(
            f"{said.to!r} is neither how bad it is nor a ladder",
            cure=f"say /page critical and then what is asked, or name a ladder: {_ladders(tools)}",
        )
    told = hashlib.blake2b(f"{said.to} {said.text}".encode(), digest_size=8).hexdigest()
    request = RaiseEscalation(
        key=f"request:{asker.person}:{told}",
        kind="request",
        severity=severity or "critical",
        summary=said.text,
        evidence=(f"asked by {asker.person}",),
        by=asker.person,
        ladder=None if severity is not None else said.to,
    )
    return _raised(tools, await tools.ask(request, EscalationAnswer))


def _raised(tools: Tools, answer: EscalationAnswer) -> Reply:
    reply = structs.replace(_answered(tools, answer), instead=False)
    shown = answer.escalation
    if shown is None or answer.reason != f"{shown.ladder} is climbed":
        return reply
    return structs.replace(reply, title=f"{shown.ladder} rings")


async def before_drill(tools: Tools, asker: Asker, said: w.Drill) -> Confirm:
    """Show whom it would ring, rung by rung."""
    ladder = _ladder(tools, said.ladder)
    known = await tools.ask(GetDuty(), DutyShown)
    duty = Duty(captain=known.captain, deputy=known.deputy, away=known.away, changes=known.changes)
    rungs = "\n".join(f"{number}. {_rung(tools, rung, duty)}" for number, rung in enumerate(ladder.rungs, 1))
    return Confirm(
        title=f"Ring {ladder.name} as a drill?",
        text=f"It rings for real until somebody acknowledges it:\n{rungs}",
        yes="Ring",
        instead=f"drill {ladder.name}",
    )


async def drill(tools: Tools, asker: Asker, said: w.Drill) -> Reply:
    """Ring a ladder for real."""
    request = RaiseEscalation(
        key=f"drill:{asker.person}:{now_us()}",
        kind="drill",
        severity="warning",
        summary="Drill: nothing is wrong; acknowledge it to show that you can be reached",
        by=asker.person,
        ladder=said.ladder or None,
    )
    return _raised(tools, await tools.ask(request, EscalationAnswer))


def _ladder(tools: Tools, name: str) -> Ladder:
    settings = tools.directory().settings
    if settings is None or (name and name not in settings.ladders):
        raise InputError(f"there is no ladder {name!r}", cure=f"those there are: {_ladders(tools)}")
    return settings.ladders[name] if name else settings.route("drill", "warning")[0]


def _ladders(tools: Tools) -> str:
    return ", ".join(tools.directory().ladders) or "none, see ladders.yaml"


def _rung(tools: Tools, rung: Rung, duty: Duty) -> str:
    """Say whom a rung would ring now, by what, and how long it waits for them."""
    directory = tools.directory()
    roster = FileRoster(directory.people.values(), directory.schedules.values(), channels={})
    meant = dict.fromkeys(who for to in rung.to for who in roster.found(to, now_us(), duty))
    named = f" ({', '.join(meant) or 'nobody now'})" if set(meant) != set(rung.to) else ""
    who = f"{', '.join(rung.to)}{named} by " if rung.to else ""
    often = f", {rung.repeat + 1} times" if rung.repeat else ""
    return f"{who}{', '.join((*rung.by, *rung.post))}{often}, {duration_text(rung.wait_us / SECOND_US)} each"


_STARTS: Final = ("the ", "somebody ", "nobody ", "it ")


def _upper(sentence: str) -> str:
    """Begin a sentence of the engine's with a capital; a name that it begins with stays as it is."""
    return sentence[:1].upper() + sentence[1:] if sentence.startswith(_STARTS) else sentence


ACTS: Final[dict[type[Command], Act]] = {
    w.Ack: ack,
    w.Take: take,
    w.Snooze: snooze,
    w.Hand: hand,
    w.Pass: pass_,
    w.Resolve: resolve,
    w.Escalations: show,
    w.Page: page,
    w.Drill: drill,
}
"""What each of these commands does."""
