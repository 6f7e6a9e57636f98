"""Cards: one decision as one message, made from the journal alone, so that it can be made anew."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import UNSET

from engine.commands.contest_facts import ContestSeen, contest_buttons, contest_fields, contest_of
from engine.commands.model import Button, Confirm, Reply, Tone
from engine.commands.standing import Standing, proposal_of
from engine.commands.tallies import closed_reason, tally_of, votes_of
from engine.core.decide import in_order
from engine.core.plain_text import shortened
from engine.core.vocabulary.facts import CommandGiven, DecisionRated, HoldEnded, decode
from engine.core.vocabulary.ids import DecisionId
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.units import SECOND_US, percent_text, time_text
from engine.core.vocabulary.verdicts import Verdict, Wait
from engine.ports import DecisionsReader
from engine.runtime.questions import questions_of

_LONGEST: Final = 160
_MOST_ARGUMENTS: Final = 6
_MOST_VOTES: Final = 5
_TITLES: Final = {
    "held": "waits for people",
    "denied": "was denied",
    "shadowed": "was decided in shadow",
    "granted": "was granted",
    "queued": "was allowed and waits for a worker",
    "running": "is under way",
    "done": "is done",
    "failed": "failed",
    "unknown": "ended, and nobody knows how far it got",
    "stopped": "was stopped",
    "refused": "was refused at the last moment",
    "vetoed": "was vetoed",
    "expired": "was not answered in time, and is not done",
    "taken": "was done by hand",
    "bypassed": "was done without leave",
    "replaced": "was approved with changes, and is replaced",
}
_WHY_NOT: Final = "Why not? The agent is told"
_TONES: Final[dict[str, Tone]] = {
    "held": "warning",
    "denied": "danger",
    "failed": "danger",
    "unknown": "danger",
    "vetoed": "danger",
    "expired": "warning",
    "taken": "good",
    "bypassed": "danger",
    "replaced": "good",
    "stopped": "warning",
    "refused": "warning",
    "done": "good",
    "granted": "good",
    "queued": "good",
    "running": "good",
}


def card(journal: DecisionsReader, standing: Standing) -> Reply:
    """Show a decision: what is asked, what it would touch, why it waits, and what can be done about it."""
    verdict = standing.verdict
    proposal = proposal_of(journal, verdict.proposal_id)
    ending = ending_of(journal, verdict.decision_id)
    acks = acknowledged_by(journal, verdict.decision_id)
    fields = [*_what(verdict, proposal), *came_of_it(standing, ending)]
    if acks and standing.status == "held":
        fields.append(("Has it", ", ".join(acks)))
    fields += _asked_about(journal, standing)
    fields += _votes(journal, verdict)
    contest = contest_of(journal, verdict)
    fields += contest_fields(contest)
    fields += [("Rated", rated) for rated in ratings_of(journal, verdict.decision_id)]
    offered = standing.recommended and standing.waits
    title = "is recommended" if offered else _TITLES.get(standing.status, standing.status)
    return Reply(
        title=f"{verdict.action} of {verdict.agent} {title}",
        tone="plain" if offered else _TONES.get(standing.status, "plain"),
        text="\n".join(_reasons(verdict)) if standing.status in {"held", "denied"} else "",
        fields=tuple(fields),
        buttons=_buttons(standing, contest),
        footer=f"{verdict.decision_id} · {clock_text(verdict.at_us)}",
        private=False,
        about=verdict.decision_id,
        episode=verdict.episode,
    )


def ending_of(journal: DecisionsReader, decision: DecisionId) -> HoldEnded | None:
    """Return how a decision ended its waiting; `None` while it waits, or when it never did."""
    record = journal.find(f"held:{decision}")
    fact = decode(record.body) if record is not None else None
    return fact if isinstance(fact, HoldEnded) else None


def acknowledged_by(journal: DecisionsReader, decision: DecisionId) -> list[str]:
    """Return who said that they have it, the first of them first."""
    facts = [decode(record.body) for record in journal.with_prefix(f"ack:{decision}:")]
    return list(dict.fromkeys(fact.by for fact in facts if isinstance(fact, CommandGiven)))


def ratings_of(journal: DecisionsReader, decision: DecisionId) -> list[str]:
    """Return what each person last said it was worth, in words, the first of them first."""
    facts = [decode(record.body) for record in journal.with_prefix(f"rated:{decision}:")]
    last = {fact.by: fact for fact in facts if isinstance(fact, DecisionRated)}
    return [
        f"{fact.rating} by {who}" + (f": {short(fact.reason)}" if fact.reason else "")
        for who, fact in last.items()
    ]


def _what(verdict: Verdict, proposal: Proposal | None) -> list[tuple[str, str]]:
    impact, risk = verdict.impact, verdict.assessment.risk
    touched = [f"{impact.cost_usd} USD"] if impact.cost_usd else []
    touched += [f"{impact.files} files"] if impact.files else []
    touched += [f"{impact.api_calls} API calls"] if impact.api_calls else []
    confidence = verdict.assessment.confidence
    fields = []
    if verdict.changed is not UNSET:
        fields.append(("Changed", f"by {verdict.changed.by}, in place of {verdict.changed.of}"))
    if proposal is not None:
        fields += [("Arguments", _arguments(proposal.args))] if proposal.args else []
        fields += [("Why", short(proposal.rationale))] if proposal.rationale else []
    fields += [
        ("Would touch", ", ".join(touched) or "nothing it knows of"),
        ("Risk", f"{risk.level.value}, {risk.score} of 100"),
        ("Confidence", "none given" if confidence is None else percent_text(confidence)),
    ]
    if verdict.assessment.environment:
        fields.append(("Where", verdict.assessment.environment))
    fields.append(("Capability", verdict.capability))
    return fields


def came_of_it(standing: Standing, ending: HoldEnded | None) -> list[tuple[str, str]]:
    """Say who answered, what the result was, and whether it was taken back."""
    fields = []
    if ending is not None:
        who = " and ".join(ending.by)
        because = f": {short(ending.reason)}" if ending.reason else ""
        fields.append(("Answer", f"{ending.how}{f' by {who}' if who else ''}{because}"))
        if ending.replaced_by is not UNSET:
            fields.append(("In its place", ending.replaced_by))
    elif standing.status == "held":
        fields.append(("Waits for", waits_text(standing.verdict.waits)))
    if standing.result is not None:
        said = standing.result.output if standing.result.success else standing.result.error
        fields.append(("Result", short(said) or ("it worked" if standing.result.success else "it failed")))
    fields += [("Undo", f"{undo.status}, asked by {undo.by}") for undo in standing.undos]
    return fields


def _buttons(standing: Standing, contest: ContestSeen | None) -> tuple[Button, ...]:
    decision = standing.verdict.decision_id
    why = Button(label="Explain", line=f"explain {decision}")
    veto = Button(
        label="Veto",
        line=f"captain-override {decision} veto",
        style="danger",
        asks="Why must it not happen?",
    )
    if standing.status == "held" and standing.recommended:
        return (
            Button(label="Take", line=f"take {decision} run", style="good"),
            Button(label="I did it", line=f"take {decision} did"),
            Button(label="Decline", line=f"decline {decision}", style="danger", asks=_WHY_NOT),
            _question(decision),
            Button(label="I have it", line=f"ack {decision}"),
            why,
        )
    if standing.status == "held":
        waits = {wait.kind for wait in standing.verdict.waits}
        # Where votes alone are waited for, nobody's approval counts.
        approve = () if waits <= {"votes", "choice"} else (_approval(decision),)
        return (
            *approve,
            *((_change(decision),) if approve else ()),
            *(_ballot(decision) if "votes" in waits else ()),
            *contest_buttons(contest, decision),
            Button(label="Deny", line=f"deny {decision}", style="danger", asks=_WHY_NOT),
            _question(decision),
            Button(label="I have it", line=f"ack {decision}"),
            why,
            veto,
        )
    if standing.status in {"queued", "running", "granted"}:
        return why, veto
    undoable = standing.status in {"done", "failed", "unknown", "stopped"}
    if undoable and not any(undo.status in {"done", "queued", "running"} for undo in standing.undos):
        confirm = Confirm(
            title="Take it back?",
            text=f"What {standing.verdict.action} of {standing.verdict.agent} did is taken back.",
            yes="Undo",
        )
        back = Button(label="Undo", line=f"undo {decision}", style="danger", confirm=confirm)
        return why, back, *_ratings(decision)
    return (why, *_ratings(decision)) if undoable or standing.status in {"taken", "bypassed"} else (why,)


def _ratings(decision: DecisionId) -> tuple[Button, ...]:
    return (
        Button(label="Useful", line=f"rate {decision} useful"),
        Button(label="Wrong", line=f"rate {decision} wrong", asks="What was wrong?"),
        Button(label="Late", line=f"rate {decision} late"),
    )


def _change(decision: DecisionId) -> Button:
    return Button(label="Change", line=f"change {decision}", asks="name=value of what changes, then why")


def _question(decision: DecisionId) -> Button:
    return Button(label="Ask", line=f"ask {decision}", asks="What do you want to know?")


def _approval(decision: DecisionId) -> Button:
    return Button(label="Approve", line=f"approve {decision}", style="good")


def _votes(journal: DecisionsReader, verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Say in fields of a message how a vote stands, and why; nothing where none is asked for."""
    if not any(wait.kind == "votes" for wait in verdict.waits):
        return
    votes = votes_of(journal, verdict.decision_id)
    if votes:
        yield "Votes", str(tally_of(votes))
    for vote, rationale in votes[:_MOST_VOTES]:
        weight = f" ({vote.weight} votes)" if vote.weight > 1 else ""
        because = f", {short(rationale)}" if rationale else ""
        yield short(vote.voter, 64), f"{vote.choice}{weight}{because}"
    if len(votes) > _MOST_VOTES:
        yield "More votes", str(len(votes) - _MOST_VOTES)
    if reason := closed_reason(journal, verdict.decision_id):
        yield "The vote", reason


def _asked_about(journal: DecisionsReader, standing: Standing) -> Iterator[tuple[str, str]]:
    """Say in fields of a message what was asked, and what the agent said to it."""
    if standing.verdict.word != "hold" or standing.verdict.shadowed:
        return
    for each in questions_of(journal, standing.verdict.decision_id):
        yield f"{each.by} asks", short(each.question)
        if each.answered_us is not None:
            yield f"{standing.verdict.agent} answers", short(each.answer)
        elif standing.waits:
            yield f"{standing.verdict.agent} answers", "nothing yet"


def _ballot(decision: DecisionId) -> tuple[Button, ...]:
    return (
        Button(label="Vote for", line=f"vote {decision} for", style="good"),
        Button(label="Vote against", line=f"vote {decision} against", style="danger", asks="Why?"),
    )


def _reasons(verdict: Verdict) -> list[str]:
    return [answer.reason for answer in in_order(verdict) if answer.ruling != "allow" and answer.reason]


def waits_text(waits: Sequence[Wait]) -> str:
    """Say what a decision waits for."""
    said = []
    for wait in waits:
        if wait.kind == "votes":
            said.append(f"{wait.needed} of {wait.of} votes")
        elif wait.kind == "resume":
            said.append(f"a {wait.role} to resume")
        elif wait.kind == "take":
            said.append(f"a {wait.role} to take it")
        elif wait.kind == "choice":
            said.append("its turn, for others want the same")
        else:
            who = f"{wait.needed if wait.needed > 1 else 'a'} {wait.role}{'s' * (wait.needed > 1)}"
            each = "each with" if wait.needed > 1 else "with"
            said.append(f"{who}{f', {each} a one-time code' if wait.step_up else ''}{_but(wait)}")
    return " and ".join(said) or "a person"


def _but(wait: Wait) -> str:
    soon = f" within {left_text(wait.within_us / SECOND_US)}" if wait.within_us is not None else ""
    return ", not counting its agent's owner" * wait.without_owner + soon


def _arguments(args: dict[str, Any]) -> str:
    shown = [f"{name}={short(repr(value))}" for name, value in list(args.items())[:_MOST_ARGUMENTS]]
    more = len(args) - len(shown)
    return "\n".join([*shown, *([f"and {more} more"] if more > 0 else [])])


def clock_text(at_us: int) -> str:
    """Write a time to the second, which is as fine as people read it.

    >>> clock_text(1_700_000_000_123_456)
    '2023-11-14T22:13:20Z'
    """
    return time_text(at_us // SECOND_US * SECOND_US)


def left_text(seconds: float) -> str:
    """Write how long something is, with the two largest units that matter.

    >>> left_text(86_398), left_text(3_600), left_text(90), left_text(5)
    ('23 h 59 min', '1 h', '1 min', '5 s')
    """
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(0, int(seconds))} s"
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts[:2])


def short(text: str, most: int = _LONGEST) -> str:
    """Make one line of what somebody wrote; what would move a cursor or hide text becomes a space."""
    return shortened(text, most)
