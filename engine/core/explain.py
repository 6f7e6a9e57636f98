"""Explain: one verdict in words. What was asked, what each gate said, and what would have to change."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from msgspec import UNSET, Struct

from engine.core.decide import READING, in_order
from engine.core.path import Path, path_of, tree_lines
from engine.core.plain_text import shortened
from engine.core.vocabulary.facts import (
    AnswerRefused,
    DecisionOverridden,
    Fact,
    HoldAnswered,
    HoldEnded,
    ProposalReceived,
    QuestionAsked,
    QuestionReplied,
    VerdictReached,
    VoteCast,
    VoteClosed,
)
from engine.core.vocabulary.proposals import Option, Proposal
from engine.core.vocabulary.units import percent_text, time_text
from engine.core.vocabulary.verdicts import Answer, Check, Risk, Verdict, Wait

_WIDTH = 14
_COLUMNS = 80
_LONGEST = 200
_MARKS = {"allow": "✓", "escalate": "⏸", "consensus": "⏸", "deny": "✗"}
_WORDS = {"allow": "ALLOWED", "hold": "HELD", "deny": "DENIED"}


class Said(Struct, frozen=True, kw_only=True):
    """What a person said of a decision, or what became of what it waited for."""

    at: str
    """ISO 8601, UTC."""
    by: tuple[str, ...]
    """Who; nobody when the time was over."""
    what: str
    """In words: `approved it`, `overruled it: veto`."""
    reason: str


class Explanation(Struct, frozen=True, kw_only=True):
    """A verdict with its reasons in reading order, for people and for machines alike."""

    decision_id: str
    word: str
    summary: str
    """One sentence."""
    shadowed: bool
    at: str
    """ISO 8601, UTC."""
    agent: str
    capability: str
    action: str
    args: dict[str, Any] | None
    """`None` when the proposal itself is not at hand."""
    episode: str
    environment: str
    rationale: str
    confidence: float | None
    cost_usd: str
    files: int
    api_calls: int
    options: tuple[Option, ...]
    waits: tuple[Wait, ...]
    risk: Risk
    gates: tuple[Answer, ...]
    shadow_rules: tuple[str, ...]
    digest: str
    policy_hash: str
    said: tuple[Said, ...] = ()
    """What people said of it, and what became of what it waited for, in order."""
    path: Path
    """Everything that happened to it, from what set it off to what came of it, as a tree."""


def explain(
    verdict: Verdict,
    proposal: Proposal | None = None,
    said: Sequence[Fact] = (),
    *,
    path: Path | None = None,
) -> Explanation:
    """Put a verdict, and the proposal it answers where that is known, into reading order.

    `said` are the facts of what people said of it, and of what became of that. `path` is all of it; without
    one it ends with the verdict.
    """
    assessment, impact = verdict.assessment, verdict.impact
    return Explanation(
        decision_id=verdict.decision_id,
        word=verdict.word,
        summary=summary(verdict),
        shadowed=verdict.shadowed,
        at=time_text(verdict.at_us),
        agent=verdict.agent,
        capability=verdict.capability,
        action=verdict.action,
        args=proposal.args if proposal is not None else None,
        episode=verdict.episode,
        environment=assessment.environment,
        rationale=proposal.rationale if proposal is not None else "",
        confidence=assessment.confidence,
        cost_usd=str(impact.cost_usd),
        files=impact.files,
        api_calls=impact.api_calls,
        options=assessment.options,
        waits=verdict.waits,
        risk=assessment.risk,
        gates=tuple(in_order(verdict)),
        shadow_rules=tuple(assessment.shadow_rules),
        digest=verdict.digest,
        policy_hash=verdict.policy_hash,
        said=tuple(words for fact in said if (words := _said(fact)) is not None),
        path=_decided_only(verdict, proposal) if path is None else path,
    )


def _decided_only(verdict: Verdict, proposal: Proposal | None) -> Path:
    facts: list[Fact] = [VerdictReached(at_us=verdict.at_us, verdict=verdict)]
    if proposal is not None:
        facts.insert(0, ProposalReceived(at_us=verdict.at_us, proposal=proposal))
    return path_of(verdict, [(None, fact) for fact in facts])


def _said(fact: Fact) -> Said | None:
    """Put one of those facts into words; `None` for any other."""
    by: tuple[str, ...]
    match fact:
        case HoldAnswered():
            by, what, reason = (fact.by,), f"answered as {fact.role}: {fact.answer}", fact.reason
        case DecisionOverridden():
            by, what, reason = (fact.by,), f"overruled it: {fact.word}", fact.reason
        case AnswerRefused():
            by, what, reason = (fact.by,), "was told that this does not count", fact.reason
        case VoteCast():
            of = "" if fact.owner == fact.voter else f" for {fact.owner}"
            weight = "" if fact.weight == 1 else f", which counts as {fact.weight}"
            by, what, reason = (fact.voter,), f"voted{of}: {fact.choice}{weight}", fact.rationale
        case QuestionAsked():
            by, what, reason = (fact.by,), f"asked question {fact.nth}", fact.question
        case QuestionReplied():
            by, what, reason = (f"agent:{fact.agent}",), f"answered question {fact.nth}", fact.answer
        case VoteClosed():
            by, what, reason = (), "no more votes are taken", fact.reason
        case HoldEnded():
            about = (
                "" if fact.effect_id is None else f" (how {fact.effect_id} ended was not known; nothing runs)"
            )
            instead = "" if fact.replaced_by is UNSET else f" by {fact.replaced_by}"
            by, what, reason = fact.by, f"it waits no longer: {fact.how}{instead}{about}", fact.reason
        case _:
            return None
    return Said(at=time_text(fact.at_us), by=by, what=what, reason=reason)


def summary(verdict: Verdict) -> str:
    """Say in one sentence what was decided and why."""
    against = [answer for answer in in_order(verdict) if answer.ruling != "allow"]
    head = f"{_WORDS[verdict.word]}: {verdict.agent} may {'not ' if verdict.word == 'deny' else ''}"
    if verdict.word == "hold":
        head = f"HELD: {verdict.agent} must wait to "
    head += f"run {verdict.action}"
    if verdict.word == "allow":
        return head + (", in shadow only: it is not executed" if verdict.shadowed else "")
    strictest = [answer for answer in against if (answer.ruling == "deny") == (verdict.word == "deny")]
    return f"{head}, because {strictest[0].reason}"


def text(explanation: Explanation) -> str:
    """Write an explanation for people: the path as a tree, then each gate with who may change its rule."""
    given = explanation
    # Agents may be called anything: the later lines of a sentence stand where no sentence begins.
    lines = [*wrap(given.summary, _COLUMNS, subsequent_indent="  "), "", *tree_lines(given.path), ""]
    facts = [
        ("decision", given.decision_id + (" (in shadow)" if given.shadowed else "")),
        ("at", given.at),
        ("agent", given.agent),
        ("capability", given.capability),
        ("action", given.action + (_arguments(given.args) if given.args is not None else "")),
        ("where", given.environment),
        ("episode", given.episode),
        ("impact", f"{given.cost_usd} USD, {given.files} file(s), {given.api_calls} API call(s)"),
        (
            "confidence",
            "none given, counts as 0%" if given.confidence is None else percent_text(given.confidence),
        ),
        ("rationale", _short(given.rationale)),
    ]
    lines += [f"  {name:<{_WIDTH}}{value}" for name, value in facts if value]
    for option in given.options:
        why = f": {_short(option.why_not)}" if option.why_not else " (chosen)"
        lines.append(f"  {'considered':<{_WIDTH}}{_short(option.name)}{why}")
    lines += ["", f"  Risk {given.risk.level.value}, {given.risk.score} of 100"]
    lines += [f"  {'+' + str(part.points):>5}  {part.name}: {part.why}" for part in given.risk.parts]
    lines += ["", "  Gates"]
    for answer in sorted(given.gates, key=lambda gate: READING.index(gate.gate)):
        lines += _gate(answer)
    if given.shadow_rules:
        lines.append(f"    rules in shadow mode that would have fired: {', '.join(given.shadow_rules)}")
    if given.waits:
        lines += ["", "  Waits for " + " and ".join(_wait(wait) for wait in given.waits)]
    lines += ["", f"  bound to {given.digest}", f"  policy   {given.policy_hash}"]
    # Ids, places and reasons come from outside as well: none of them may move the cursor or begin a line.
    return "\n".join(map(_plain, lines))


def _gate(answer: Answer) -> list[str]:
    said = [answer.reason or "nothing to object to"]
    if answer.checks:
        said.append(", ".join(_check(check) for check in answer.checks))
    if answer.ruling == "allow" and not answer.reason:
        said[0] += f" ({answer.rule}; {answer.owner} may change it)"
    else:
        said.append(f"rule {answer.rule}, which {answer.owner} may change")
    lines = [line for words in said for line in wrap(words, _COLUMNS)]
    margins = [f"  {_MARKS[answer.ruling]} {answer.gate:<{_WIDTH}}"] + [" " * (_WIDTH + 4)] * (len(lines) - 1)
    return [margin + line for margin, line in zip(margins, lines, strict=True)]


def _check(check: Check) -> str:
    if check.measure == "confidence":
        return f"confidence {check.measured}, at least {check.limit}"
    return f"{check.measure} {check.measured}" + ("" if check.limit is None else f" of {check.limit}")


def _wait(wait: Wait) -> str:
    if wait.kind == "take":
        return f"a {wait.role} to take it"
    if wait.kind == "votes":
        return f"{wait.needed} of {wait.of} votes"
    if wait.kind == "resume":
        return f"a {wait.role} to resume the rollout"
    if wait.needed > 1 or wait.step_up or wait.without_owner:
        code = ", each with a one-time code" if wait.step_up else ""
        owner = ", not counting its agent's owner" if wait.without_owner else ""
        who = f"{wait.needed} {wait.role}s" if wait.needed > 1 else f"a {wait.role}"
        return f"{who} to decide{code}{owner}"
    if wait.kind == "choice":
        return "its turn, for others want the same"
    return f"a {wait.role} to decide"


def _arguments(args: dict[str, Any]) -> str:
    return "(" + ", ".join(f"{name}={_short(repr(value))}" for name, value in args.items()) + ")"


def _short(words: str) -> str:
    return shortened(words, _LONGEST)


def _plain(line: str) -> str:
    """Keep a line of ours from moving the cursor, its columns where they are."""
    return "".join(letter if letter.isprintable() else " " for letter in line)
