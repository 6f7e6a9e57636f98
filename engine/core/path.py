"""The path of one decision as a tree: what set it off, what was decided and why, and what came of it.

A projection of the facts the journal holds about it. Each of them is one step, and read from top to bottom
the steps stand in the order of the journal: what belongs under an earlier step stands there only as long as
nothing else came between.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import UNSET, Struct

from engine.core.decide import in_order
from engine.core.plain_text import columns, plain, shortened, wrapped
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.contest_facts import ContestFact
from engine.core.vocabulary.ids import DecisionId, EffectId, ProposalId
from engine.core.vocabulary.units import percent_text, time_text
from engine.core.vocabulary.verdicts import Answer, Check, Verdict, Wait

COLUMNS: Final = 80
_LONGEST: Final = 200
_MARKS: Final = {"allow": "✓", "escalate": "⏸", "consensus": "⏸", "deny": "✗"}
_GATE: Final = 14
_NUMBER: Final = 5


class PathStep(Struct, frozen=True, kw_only=True):
    """One thing that happened to a decision, and what followed from it."""

    seq: int | None
    """The record of the journal that says so; `None` for a gate, and where there is no journal."""
    at: str
    """ISO 8601, UTC."""
    kind: str
    """The kind of fact, such as `hold_answered`; `gate` for a gate's part in the verdict above it."""
    by: str
    """Who or what did it; empty for what only follows."""
    what: str
    """In a sentence."""
    steps: tuple["PathStep", ...] = ()


class Path(Struct, frozen=True, kw_only=True):
    """Everything that happened to one decision."""

    decision_id: str
    episode: str
    """What it belongs to; empty when it stands alone."""
    what: str
    """Whose action it is about."""
    steps: tuple[PathStep, ...]


def is_about(fact: f.Fact, decision: DecisionId, proposal: ProposalId) -> bool:
    """Whether a fact is a step of that decision. Stops, which are about many, are not among these."""
    match fact:
        case f.ProposalReceived():
            return fact.proposal.proposal_id == proposal
        case f.VerdictReached():
            return fact.verdict.decision_id == decision
        case f.OutcomeReported():
            return fact.proposal_id == proposal
        case f.CommandGiven():
            return fact.command.split()[:2] == ["ack", decision]
        case _ if isinstance(fact, ContestFact):
            return decision in fact.decisions
        case _:
            return getattr(fact, "decision_id", None) == decision


def covers(fact: f.Fact, verdict: Verdict) -> bool:
    """Whether a fact stops what was decided on, or lets it go on."""
    if not isinstance(fact, f.KillSwitchSet | f.KillSwitchCleared):
        return False
    return fact.scope.covers(verdict.agent, verdict.capability, verdict.action)


def path_of(verdict: Verdict, records: Iterable[tuple[int | None, f.Fact]]) -> Path:
    """Put the facts about a decision, in the order of the journal, into a tree."""
    tree = _Tree()
    for seq, fact in records:
        tree.take(seq, fact)
    return Path(
        decision_id=verdict.decision_id,
        episode=verdict.episode,
        what=f"{verdict.action} of {verdict.agent}",
        steps=tuple(node.frozen() for node in tree.top),
    )


def flat(steps: Sequence[PathStep]) -> Iterator[PathStep]:
    """Give every step with a record, from top to bottom.

    >>> leaf = PathStep(seq=2, at="", kind="b", by="", what="")
    >>> [step.seq for step in flat([PathStep(seq=1, at="", kind="a", by="", what="", steps=(leaf,))])]
    [1, 2]
    """
    for step in steps:
        if step.kind != "gate":
            yield step
        yield from flat(step.steps)


# ---------------------------------------------------------------- the tree


class _Node:
    """A step that may still get more under it."""

    def __init__(self, seq: int | None, fact: f.Fact) -> None:
        self.seq, self.fact = seq, fact
        self.under: list[_Node] = []

    def frozen(self) -> PathStep:
        fact = self.fact
        by, what = _said(fact)
        at = time_text(fact.at_us)
        gates: tuple[PathStep, ...] = ()
        if isinstance(fact, f.VerdictReached):
            gates = tuple(
                PathStep(seq=None, at=at, kind="gate", by=answer.gate, what=_gate(answer))
                for answer in in_order(fact.verdict)
            )
        return PathStep(
            seq=self.seq,
            at=at,
            kind=f.tag_of(fact),
            by=by,
            what=what,
            steps=gates + tuple(node.frozen() for node in self.under),
        )


class _Tree:
    """Grows at its end only: a step goes under the nearest of the last ones it belongs to, or to the top."""

    def __init__(self) -> None:
        self.top: list[_Node] = []

    def take(self, seq: int | None, fact: f.Fact) -> None:
        node = _Node(seq, fact)
        for last in self._lasts():
            if _belongs(fact, last.fact):
                last.under.append(node)
                return
        self.top.append(node)

    def _lasts(self) -> list["_Node"]:
        """Return the last step and all it stands under, the nearest first."""
        found: list[_Node] = []
        level = self.top
        while level:
            found.append(level[-1])
            level = level[-1].under
        return found[::-1]


def _belongs(fact: f.Fact, to: f.Fact) -> bool:  # noqa: C901, PLR0911, PLR0912 - one answer for each kind of fact
    """Whether a step is read as part of an earlier one."""
    match fact:
        case f.HoldAnswered() | f.DecisionOverridden() | f.CommandGiven() | f.VoteCast() | f.VoteClosed():
            return isinstance(to, f.VerdictReached)
        case f.QuestionAsked():
            return isinstance(to, f.VerdictReached)
        case f.QuestionReplied():
            return isinstance(to, f.VerdictReached) or (
                isinstance(to, f.QuestionAsked) and to.nth == fact.nth
            )
        case f.AnswerRefused():
            words = f.HoldAnswered | f.DecisionOverridden | f.VoteCast
            return isinstance(to, words | f.ProposalReceived)
        case f.ProposalReceived():
            # A change is tried on a decision, and is the beginning of another.
            return isinstance(to, f.VerdictReached)
        case f.HoldEnded() if fact.effect_id is not None:
            return isinstance(to, f.EffectEnded) and to.effect_id == fact.effect_id
        case f.HoldEnded():
            last_words = f.HoldAnswered | f.DecisionOverridden | f.VoteCast | f.VoteClosed | f.ContestDecided
            return isinstance(to, last_words | f.VerdictReached | f.ProposalReceived)
        case f.EffectStarted():
            return isinstance(to, f.UndoRequested) and to.effect_id == fact.effect_id
        case f.EffectEnded():
            return isinstance(to, f.EffectStarted | f.UndoRequested) and to.effect_id == fact.effect_id
        case f.OutcomeReported():
            return isinstance(to, f.EffectEnded)
        case f.EffectEndTold():
            return isinstance(to, f.EffectEnded) and to.effect_id == fact.effect_id
        case f.ContestOpened():
            return isinstance(to, f.VerdictReached)
        case f.BallotRefused():
            return isinstance(to, f.BallotCast | f.ContestSettled)
        case f.BallotCast() | f.ContestUndecided() | f.ContestSettled() | f.ContestDecided():
            return isinstance(to, f.ContestOpened)
        case f.KillSwitchSet() | f.KillSwitchCleared():
            return isinstance(to, f.VerdictReached | f.EffectStarted | f.UndoRequested)
        case _:
            return False


# ---------------------------------------------------------------- in words


def _said(fact: f.Fact) -> tuple[str, str]:  # noqa: C901, PLR0911, PLR0912 - one sentence for each kind of fact
    """Say who did a thing, and what."""
    match fact:
        case f.ProposalReceived():
            changed = fact.proposal.changed
            return fact.proposal.agent if changed is UNSET else changed.by, _proposed(fact)
        case f.VerdictReached():
            return "", _decided(fact.verdict)
        case f.HoldAnswered():
            return fact.by, f"{fact.by}, a {fact.role}, {_ANSWERS[fact.answer]}{_because(fact.reason)}"
        case f.AnswerRefused():
            return "", f"that did not count: {_short(fact.reason)}"
        case f.DecisionOverridden():
            word = "vetoed it" if fact.word == "veto" else "overruled what it waits for"
            return fact.by, f"{fact.by} {word}{_because(fact.reason)}"
        case f.VoteCast():
            of = "" if fact.owner == fact.voter else f" for {fact.owner}"
            weight = "" if fact.weight == 1 else f", which counts as {fact.weight}"
            return fact.voter, f"{fact.voter} voted{of}: {fact.choice}{weight}{_because(fact.rationale)}"
        case f.QuestionAsked():
            return fact.by, f"{fact.by} asked{_because(fact.question)}"
        case f.QuestionReplied():
            return fact.agent, f"{fact.agent} answered{_because(fact.answer)}"
        case f.VoteClosed():
            return "", f"no more votes are taken{_because(fact.reason)}"
        case f.HoldEnded():
            return " and ".join(fact.by), _over(fact)
        case _ if isinstance(fact, ContestFact):
            return _contest(fact)
        case f.EffectStarted():
            again = f", attempt {fact.attempt}" if fact.attempt > 1 else ""
            return fact.worker, f"{fact.worker} began {_EFFECTS[fact.kind]}{again}"
        case f.EffectEnded():
            return "", _ended(fact)
        case f.EffectEndTold():
            why = _because(fact.result.error)
            return fact.body, f"{fact.body} told too late how it ended: {fact.status}{why}"
        case f.OutcomeReported():
            who = fact.agent if fact.by == "incumbent" else fact.by
            cost = "" if fact.cost_usd is UNSET else f", for {fact.cost_usd} USD"
            word = "it went well" if fact.ok else "it went wrong"
            return who, f"{who} reported: {word}{cost}{_because(fact.detail)}"
        case f.UndoRequested():
            force = ", whatever changed since" if fact.force else ""
            what = "it" if fact.of == EffectId(fact.decision_id) else fact.of
            return (
                fact.by,
                f"{fact.by} asked to take {what} back{force} ({fact.effect_id}){_because(fact.reason)}",
            )
        case f.CommandGiven():
            return fact.by, f"{fact.by} has it"
        case f.DecisionRated():
            return fact.by, f"{fact.by} rated it {fact.rating}{_because(fact.reason)}"
        case f.KillSwitchSet():
            return fact.by, f"{fact.by} stopped {fact.scope}{_because(fact.reason)}"
        case f.KillSwitchCleared():
            return fact.by, f"{fact.by} resumed {fact.scope}{_because(fact.reason)}"
        case _:
            return "", f.tag_of(fact).replace("_", " ")


_ANSWERS: Final = {"approve": "approved it", "deny": "denied it", "did": "did it themselves"}
_EFFECTS: Final = {"perform": "it", "undo": "to take it back", "preview": "a preview"}
_ENDS: Final = {"perform": "it ended", "undo": "the taking back ended", "preview": "a preview ended"}
_HOW: Final = {
    "approved": "may go on",
    "denied": "is denied",
    "vetoed": "is vetoed",
    "taken": "was done by hand",
    "replaced": "is replaced",
    "bypassed": "was done without leave",
}


def _proposed(fact: f.ProposalReceived) -> str:
    asked = fact.proposal
    args = ", ".join(f"{name}={_short(repr(value), 60)}" for name, value in asked.args.items())
    sure = (
        "no confidence given" if asked.confidence is None else f"confidence {percent_text(asked.confidence)}"
    )
    impact = asked.impact
    touched = f"{impact.cost_usd} USD, {impact.files} file(s), {impact.api_calls} API call(s)"
    where = f" in {asked.environment}" if asked.environment else ""
    changed = asked.changed
    if changed is not UNSET:
        who = f"{changed.by}, a {changed.role}, proposed in place of {changed.of} of {asked.agent}"
    else:
        who = f"{asked.agent} proposed"
    return (
        f"{who} {asked.action}({_short(args)}){where} as {asked.capability}, {sure}, "
        f"{touched}{_because(asked.rationale)}"
    )


def _decided(verdict: Verdict) -> str:
    shadow = ", in shadow only: nothing of it runs" if verdict.shadowed else ""
    if verdict.word == "allow":
        return f"allowed{shadow}"
    if verdict.word == "deny":
        return f"denied{shadow}"
    return f"held{shadow}; waits for {' and '.join(map(_wait, verdict.waits)) or 'a person'}"


def _wait(wait: Wait) -> str:
    if wait.kind == "take":
        return f"a {wait.role} to take it"
    if wait.kind == "votes":
        return f"{wait.needed} of {wait.of} votes"
    if wait.kind == "resume":
        return f"a {wait.role} to resume the rollout"
    if wait.kind == "choice":
        return "its turn, for others want the same"
    return f"a {wait.role}" if wait.needed == 1 else f"{wait.needed} {wait.role}s"


def _over(fact: f.HoldEnded) -> str:
    who = f" by {' and '.join(fact.by)}" if fact.by else ""
    if fact.effect_id is not None:
        looked = "somebody looked" if fact.how != "timeout" else "nobody looked"
        return f"{looked} at how {fact.effect_id} ended: {fact.how}{who}; nothing runs because of that"
    if fact.how == "timeout":
        return f"{fact.reason or 'nobody answered in time'}; nothing of it runs"
    if fact.replaced_by is not UNSET:
        changed = f"{' and '.join(fact.by)} approved it with changes{_because(fact.reason)}"
        return f"{changed}; {fact.replaced_by} takes its place, and nothing of this one runs"
    whose = f", by the word of {' and '.join(fact.by)}" if fact.by else ""
    return f"it waits no longer and {_HOW[fact.how]}{whose}"


def _contest(fact: ContestFact) -> tuple[str, str]:
    """Say who did what about a vote between those that compete."""
    match fact:
        case f.ContestOpened():
            vote = "an approval vote" if fact.method == "approval" else "a Borda vote"
            they = " and ".join(fact.decisions)
            return "", f"{they} want {fact.resource}: put to {vote} until {time_text(fact.until_us)}"
        case f.BallotCast():
            of = "" if fact.owner == fact.voter else f" for {fact.owner}"
            weight = "" if fact.weight == 1 else f", which counts as {fact.weight}"
            chose = ", ".join(fact.choices) or "none of them"
            return fact.voter, f"{fact.voter} voted{of}: {chose}{weight}{_because(fact.rationale)}"
        case f.BallotRefused():
            return "", f"that did not count: {_short(fact.reason)}"
        case f.ContestUndecided():
            return "", f"{fact.reason}; a captain is asked until {time_text(fact.until_us)}"
        case f.ContestSettled():
            return fact.by, f"{fact.by} settled it for {fact.choice}{_because(fact.reason)}"
        case f.ContestDecided():
            who = f"{fact.winner} gets {fact.resource}" if fact.winner else f"nothing gets {fact.resource}"
            return "", f"{who}, by {_BY[fact.how]}: {fact.reason}"


_BY: Final = {
    "vote": "the vote",
    "captain": "a captain's word",
    "override": "a captain's override",
    "priority": "its priority score",
    "failsafe": "the failsafe",
    "alone": "being the only one left",
}


def _ended(fact: f.EffectEnded) -> str:
    result = fact.result
    took = f" after {result.execution_time_s:.1f} s" if result.execution_time_s else ""
    said = result.output if result.success else result.error
    return f"{_ENDS[fact.kind]}: {fact.status}{took}{_because(said)}"


def _gate(answer: Answer) -> str:
    """Say what a gate measured against what limit, and why it objects where it does."""
    measured = ", ".join(map(_check, answer.checks))
    parts = [_short(part) for part in (answer.reason, measured) if part]
    return f"{_MARKS[answer.ruling]} {answer.gate:<{_GATE}}{'; '.join(parts) or 'nothing to object to'}"


def _check(check: Check) -> str:
    if check.measure == "confidence":
        return f"confidence {check.measured}, at least {check.limit}"
    return f"{check.measure} {check.measured}" + ("" if check.limit is None else f" of {check.limit}")


def _because(words: str) -> str:
    return f": “{_short(words)}”" if words.strip() else ""


def _short(words: str, most: int = _LONGEST) -> str:
    return shortened(words, most)


# ---------------------------------------------------------------- as text


def tree_lines(path: Path) -> list[str]:
    """Write a path for people, at most 80 columns wide. What others wrote cannot begin a line or a branch.

    A time stands with its day where that is another than the step's before.
    """
    about = f", episode {plain(path.episode)}" if path.episode else ""
    lines = wrapped(f"{path.decision_id}  {plain(path.what)}{about}", COLUMNS, hanging=4)
    return lines + _lines(path.steps, "", _Days())


class _Days:
    """Remembers which day was written last."""

    def __init__(self) -> None:
        self._last = ""

    def clock(self, at: str) -> str:
        """Write a time of day, with its day where that is new."""
        day, _, rest = at.partition("T")
        clock = rest[:8] or at
        if day == self._last or not rest:
            return clock
        self._last = day
        return f"{day} {clock}"


def _lines(steps: Sequence[PathStep], margin: str, days: _Days) -> list[str]:
    lines = []
    for place, step in enumerate(steps):
        last = place == len(steps) - 1
        branch, more = ("└─ ", "   ") if last else ("├─ ", "│  ")
        head = ""
        if step.kind != "gate":
            number = f"#{step.seq}" if step.seq is not None else ""
            head = f"{number:<{_NUMBER}} {days.clock(step.at)} " if number else f"{days.clock(step.at)} "
        below = "│  " if step.steps else "   "
        room = COLUMNS - columns(margin) - len(branch)
        # A later line of a sentence stands further right than any branch below it begins.
        said = step.what if step.kind == "gate" else plain(step.what)
        first, *rest = wrapped(head + said, room, hanging=6)
        lines.append(margin + branch + first)
        lines += [margin + more + below + line[3:] for line in rest]
        lines += _lines(step.steps, margin + more, days)
    return lines
