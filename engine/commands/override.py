"""The override: kill, resume, veto, approve, deny, undo. Stopping asks nobody who could be dead."""

from msgspec import structs

from engine.adapters.machine_time import now_us
from engine.commands import catalogue as c
from engine.commands.cards import card, waits_text
from engine.commands.model import Asker, Button, Confirm, Reply
from engine.commands.tools import Tools
from engine.core.vocabulary.ids import DecisionId, EffectId
from engine.core.vocabulary.units import time_text
from engine.errors import InputError
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.stops import scope_of

_IN_PLACE_OF_ALL = "Your word takes the place of all of it, and it begins at once unless a stop covers it."
_OF_CLASS_A = "It is of class A: with a one-time code, your word takes the place of all but one person's."
_UNDONE: dict[str, str] = {
    "done": "is taken back, as far as it can be",
    "failed": "failed; what it left behind is taken back, as far as it can be",
    "unknown": "nobody knows how far it got; it is taken back, as far as it can be",
    "running": "is ended at once, and taken back as far as it can be",
    "queued": "never begins",
    "granted": "the agent is told; what it did by itself cannot be taken back here",
    "held": "never begins",
}


async def kill(tools: Tools, asker: Asker, said: c.Kill) -> Reply:
    """Stop, durably, and say how far it is."""
    scope = scope_of(said.scope)
    stop = Stop(scope=scope, by=asker.person, reason=said.reason, at_us=now_us())
    stood = await tools.stopping.set(stop)
    swept = {"done": "what was under way has been ended", "failed": "ending what was under way FAILED"}
    engine = {
        "told": "the engine has it in the journal",
        "away": "the engine is away, and journals it when it is back",
    }
    return Reply(
        title=f"Stopped: {scope}",
        tone="danger",
        text=f"Nothing it covers begins from now on. Durable after {stood.fence_s * 1000:.0f} ms.\n"
        f"{_upper(swept.get(stood.swept, 'what is under way is being ended'))}; "
        f"{engine.get(stood.engine, 'the engine is being told')}.",
        fields=(("By", asker.person), *([("Reason", said.reason)] if said.reason else [])),
        buttons=(
            Button(label="Resume", line=f"resume-autonomous {scope}", asks="Why is it safe to go on?"),
            Button(label="Status", line="status"),
        ),
    )


async def before_resume(tools: Tools, asker: Asker, said: c.Resume) -> Confirm:
    """Say what would go on."""
    wanted = str(scope_of(said.scope))
    standing = {str(stop.scope): stop for stop in tools.fence.stops()}
    if wanted not in standing:
        known = ", ".join(sorted(standing)) or "none"
        raise InputError(f"no stop of {wanted} stands", cure=f"those that stand: {known}")
    stop = standing[wanted]
    others = ", ".join(sorted(name for name in standing if name != wanted))
    because = f": {stop.reason}" if stop.reason else ""
    return Confirm(
        title=f"Resume {wanted}?",
        text=f"{stop.by} stopped it at {time_text(stop.at_us)}{because}. Held effects may begin at once. "
        + (f"Still stopped afterwards: {others}." if others else "Nothing is stopped afterwards."),
        yes="Resume",
    )


async def resume(tools: Tools, asker: Asker, said: c.Resume) -> Reply:
    """Lift one stop."""
    request = wire.LiftStop(scope=scope_of(said.scope), by=asker.person, reason=said.reason)
    await tools.ask(request, wire.Done)
    return Reply(
        title=f"Resumed: {said.scope}",
        tone="good",
        fields=(("By", asker.person), ("Reason", said.reason)),
    )


async def before_override(tools: Tools, asker: Asker, said: c.Override) -> Confirm:
    """Say what a veto or an allow would do to this decision."""
    standing = tools.standing(said.decision_id)
    verdict = standing.verdict
    what = f"{verdict.action} of {verdict.agent}"
    if said.word == "veto":
        follows = _UNDONE.get(standing.status, f"is {standing.status} already, so nothing more happens")
        return Confirm(
            title="Veto it?",
            text=f"{what} {follows}. Nothing of this decision ever begins afterwards.",
            yes="Veto",
        )
    if standing.status != "held":
        raise InputError(f"it does not wait: it is {standing.status}", place=said.decision_id)
    return Confirm(
        title="Allow it?",
        text=f"{what} waits for {waits_text(verdict.waits)}. "
        + (_OF_CLASS_A if any(wait.step_up for wait in verdict.waits) else _IN_PLACE_OF_ALL),
        yes="Allow",
    )


async def override(tools: Tools, asker: Asker, said: c.Override) -> Reply:
    """Overrule one decision."""
    request = wire.Override(
        decision_id=DecisionId(said.decision_id),
        by=asker.person,
        word=said.word,
        reason=said.reason,
        stepped_up=asker.stepped_up,
    )
    answer = await tools.ask(request, wire.HoldAnswer)
    return _answered(tools, answer, "Vetoed" if said.word == "veto" else "Allowed", asker)


async def approve(tools: Tools, asker: Asker, said: c.Approve) -> Reply:
    """Count an approval."""
    return await _answer(tools, asker, said, "approve")


async def change(tools: Tools, asker: Asker, said: c.Change) -> Reply:
    """Put a person's version in the place of what waits."""
    request = wire.ChangeHold(
        decision_id=DecisionId(said.decision_id),
        by=asker.person,
        role=asker.role,
        texts=said.values,
        reason=said.reason,
        stepped_up=asker.stepped_up,
    )
    answer = await tools.ask(request, wire.HoldAnswer)
    reply = _answered(tools, answer, "Changed", asker)
    if answer.replaced_by is None:
        return reply
    explain = Button(label="Explain the new one", line=f"explain {answer.replaced_by}")
    return structs.replace(reply, tone="good", buttons=(*reply.buttons, explain))


async def deny(tools: Tools, asker: Asker, said: c.Deny) -> Reply:
    """Refuse what waits."""
    return await _answer(tools, asker, said, "deny")


async def before_undo(tools: Tools, asker: Asker, said: c.Undo) -> Confirm:
    """Say what would be taken back."""
    if said.decision_id.startswith("u_"):
        return Confirm(
            title="Undo the undo?", text=f"What {said.decision_id} took back is done again.", yes="Undo"
        )
    standing = tools.standing(said.decision_id)
    verdict = standing.verdict
    if standing.status not in {"done", "failed", "unknown", "stopped"}:
        raise InputError(f"there is nothing to undo: it is {standing.status}", place=said.decision_id)
    return Confirm(
        title="Take it back?",
        text=f"{verdict.action} of {verdict.agent} ({standing.status}, decided {time_text(verdict.at_us)}) "
        "is taken back. It is refused, with the difference, if what it changed was changed again since.",
        yes="Undo",
    )


async def undo(tools: Tools, asker: Asker, said: c.Undo) -> Reply:
    """Have an effect taken back."""
    request = wire.RequestUndo(of=EffectId(said.decision_id), by=asker.person, reason=said.reason)
    queued = await tools.ask(request, wire.Queued)
    about = DecisionId(said.decision_id) if said.decision_id.startswith("d_") else None
    return Reply(
        title="It is being taken back",
        text=f"The undo is {queued.effect_id}, and can be undone in turn.",
        about=about,
    )


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


async def _answer(tools: Tools, asker: Asker, said: c.Approve | c.Deny, word: str) -> Reply:
    request = wire.AnswerHold(
        decision_id=DecisionId(said.decision_id),
        by=asker.person,
        role=asker.role,
        answer="approve" if word == "approve" else "deny",
        reason=said.reason,
        stepped_up=asker.stepped_up,
    )
    answer = await tools.ask(request, wire.HoldAnswer)
    return _answered(tools, answer, "Approved" if word == "approve" else "Denied", asker)


def _answered(tools: Tools, answer: wire.HoldAnswer, word: str, asker: Asker) -> Reply:
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
        title=f"{word} by {asker.person}",
        tone="good" if word in {"Approved", "Allowed"} else "danger",
        text=f"{shown.title}." + (f"\n{answer.reason}." if answer.reason not in shown.title else ""),
        fields=(("Undo", answer.undo),) if answer.undo is not None else (),
        buttons=(Button(label="Explain", line=f"explain {answer.decision_id}"),),
        about=answer.decision_id,
        episode=shown.episode,
    )
