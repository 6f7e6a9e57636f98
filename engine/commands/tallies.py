"""Tallies: how a vote stands, from the journal alone."""

from itertools import count as numbers

from engine.core.vocabulary.facts import AnswerRefused, VoteCast, VoteClosed, decode
from engine.core.vocabulary.ids import DecisionId
from engine.core.vocabulary.voting import Tally, Vote, count, put
from engine.ports import DecisionsReader
from engine.runtime.outbox import answer_key, first_of


def votes_of(journal: DecisionsReader, decision: DecisionId) -> tuple[tuple[Vote, str], ...]:
    """Return the votes that count on a decision, each with its rationale, in the order they were given."""
    votes: tuple[Vote, ...] = ()
    rationales: dict[int, str] = {}
    for nth in numbers(1):
        record = journal.find(answer_key(decision, nth))
        if record is None:
            break
        fact = decode(record.body)
        if isinstance(fact, VoteCast) and not _is_refused(journal, answer_key(decision, nth)):
            votes = put(votes, Vote(fact.voter, fact.owner, fact.choice, fact.weight, nth))
            rationales[nth] = fact.rationale
    return tuple((vote, rationales[vote.nth]) for vote in votes)


def _is_refused(journal: DecisionsReader, key: str) -> bool:
    record = journal.find(first_of(key))
    return record is not None and isinstance(decode(record.body), AnswerRefused)


def closed_reason(journal: DecisionsReader, decision: DecisionId) -> str:
    """Say why no more votes are taken; empty while they are."""
    record = journal.find(f"vote-closed:{decision}")
    fact = decode(record.body) if record is not None else None
    return fact.reason if isinstance(fact, VoteClosed) else ""


def tally_of(votes: tuple[tuple[Vote, str], ...]) -> Tally:
    """Count them."""
    return count(tuple(vote for vote, _ in votes))
