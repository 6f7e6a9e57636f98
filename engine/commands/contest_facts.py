"""Contests as people see them: what a decision competes with, from the journal alone."""

from collections.abc import Iterator
from typing import Final, Protocol

from msgspec import UNSET, Struct

from engine.commands.model import Button
from engine.core.plain_text import plain, shortened
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.contest_facts import ContestFact
from engine.core.vocabulary.ids import DecisionId, PersonId
from engine.core.vocabulary.units import time_text
from engine.core.vocabulary.verdicts import Verdict
from engine.runtime.contest_keys import contests_on

_MOST_BALLOTS: Final = 5
_LONGEST: Final = 160


class KeyedRecords(Protocol):
    """What looking for contests asks of a journal."""

    def with_prefix(self, prefix: str) -> list[Record]:
        """Return the records whose key begins so."""


class ContestSeen(Struct, frozen=True, kw_only=True):
    """The last vote a decision took part in."""

    opened: f.ContestOpened
    """With everything that came to stand on its ballot."""
    ballots: tuple[f.BallotCast, ...] = ()
    """The last of each owner, refused ones left out."""
    undecided: f.ContestUndecided | None = None
    decided: f.ContestDecided | None = None


def contest_records(journal: KeyedRecords, verdict: Verdict) -> list[tuple[Record, ContestFact]]:
    """Return every record about votes that a decision took part in, in the order of the journal."""
    if verdict.touches is UNSET:
        return []
    found = []
    for record in journal.with_prefix(contests_on(verdict.touches.resource)):
        fact = f.decode(record.body)
        if isinstance(fact, ContestFact) and verdict.decision_id in fact.decisions:
            found.append((record, fact))
    return sorted(found, key=lambda item: item[0].seq)


def contest_of(journal: KeyedRecords, verdict: Verdict) -> ContestSeen | None:
    """Return the last vote a decision took part in; `None` when it took part in none."""
    facts = [fact for _, fact in contest_records(journal, verdict)]
    opened = next((fact for fact in reversed(facts) if isinstance(fact, f.ContestOpened)), None)
    if opened is None:
        return None
    ballots: dict[PersonId, f.BallotCast] = {}
    before: f.BallotCast | None = None
    undecided = decided = None
    for fact in facts:
        if fact.contest_id != opened.contest_id:
            continue
        match fact:
            case f.BallotCast():
                before = ballots.pop(fact.owner, None)
                ballots[fact.owner] = fact
            case f.BallotRefused():
                last = next((each for each in ballots.values() if each.voter == fact.by), None)
                if last is not None and last.at_us == fact.at_us:
                    del ballots[last.owner]
                    ballots |= {} if before is None else {before.owner: before}
            case f.ContestUndecided():
                undecided = fact
            case f.ContestDecided():
                decided = fact
            case _:
                pass
    return ContestSeen(opened=opened, ballots=tuple(ballots.values()), undecided=undecided, decided=decided)


def contest_fields(contest: ContestSeen | None) -> Iterator[tuple[str, str]]:
    """Say in fields of a message what a decision competes with, and how that stands."""
    if contest is None:
        return
    opened = contest.opened
    yield "Competes for", opened.resource
    yield "On the ballot", ", ".join(opened.decisions)
    if contest.decided is not None:
        yield "Decided", _short(contest.decided.reason, 400)
        return
    for ballot in contest.ballots[:_MOST_BALLOTS]:
        weight = f" ({ballot.weight} votes)" if ballot.weight > 1 else ""
        because = f", {_short(ballot.rationale)}" if ballot.rationale else ""
        yield _short(ballot.voter, 64), f"{', '.join(ballot.choices) or 'none of them'}{weight}{because}"
    if len(contest.ballots) > _MOST_BALLOTS:
        yield "More ballots", str(len(contest.ballots) - _MOST_BALLOTS)
    if contest.undecided is not None:
        yield "The ballots", _short(contest.undecided.reason, 400)
        yield "A captain settles it", f"until {time_text(contest.undecided.until_us)}"
    else:
        how = "name all you could live with" if opened.method == "approval" else "the best first"
        yield "Ballots are taken", f"until {time_text(opened.until_us)}; {how}: /ballot ID,ID"


def contest_buttons(contest: ContestSeen | None, decision: DecisionId) -> tuple[Button, ...]:
    """Return what can be pressed while a decision stands on a ballot."""
    if contest is None or contest.decided is not None:
        return ()
    if contest.undecided is not None:
        return (Button(label="Settle for this", line=f"settle {decision}", style="good"),)
    return (
        Button(label="Choose this", line=f"ballot {decision} choose", style="good"),
        Button(label="Abstain", line=f"ballot {decision} abstain"),
    )


def _short(text: str, most: int = _LONGEST) -> str:
    return shortened(plain(text), most)
