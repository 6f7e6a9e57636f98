"""What goes out about votes."""

from typing import Annotated

from msgspec import Meta, Struct

from engine.commands.standing import Standing
from engine.commands.tallies import closed_reason, tally_of, votes_of
from engine.core.vocabulary.voting import Choice
from engine.ports import DecisionsReader
from engine.runtime.wire import DecisionStatus


class VoteShown(Struct, frozen=True, kw_only=True):
    """One vote that counts."""

    voter: Annotated[str, Meta(description="A person, or agent:NAME")]
    owner: Annotated[str, Meta(description="Whose vote it is; one owner has one")]
    choice: Choice
    weight: Annotated[int, Meta(description="How many votes it counts as")]
    rationale: str


class VoteStanding(Struct, frozen=True, kw_only=True):
    """How the vote on a decision stands."""

    needed: Annotated[int, Meta(description="How many must agree")]
    agree: int
    against: int
    abstain: int
    votes: tuple[VoteShown, ...]
    closed: Annotated[str, Meta(description="Why no more votes are taken and a captain decides; else empty")]


class VoteTaken(Struct, frozen=True, kw_only=True):
    """What a vote led to."""

    decision_id: str
    status: DecisionStatus
    reason: Annotated[str, Meta(description="What happens next, or what it still waits for")]
    vote: VoteStanding | None
    links: dict[str, str]


class PollShown(Struct, frozen=True, kw_only=True):
    """One decision that waits for votes."""

    decision_id: str
    since: str
    until: Annotated[str, Meta(description="When no more votes are taken")]
    agent: str
    capability: str
    action: str
    needed: Annotated[int, Meta(description="How many must agree")]
    of: Annotated[int, Meta(description="How many votes there can be")]
    agree: int
    against: int
    abstain: int
    why_not: Annotated[str, Meta(description="Why you may not vote on it; empty when you may")]
    links: dict[str, str]


class PollList(Struct, frozen=True, kw_only=True):
    """What waits for votes, the longest waiting first."""

    votes: tuple[PollShown, ...]


def vote_of(journal: DecisionsReader, standing: Standing) -> VoteStanding | None:
    """Say how the vote on a decision stands; `None` where none is waited for."""
    verdict = standing.verdict
    wait = next((wait for wait in verdict.waits if wait.kind == "votes"), None)
    if wait is None:
        return None
    votes = votes_of(journal, verdict.decision_id)
    tally = tally_of(votes)
    return VoteStanding(
        needed=wait.needed,
        agree=tally.agree,
        against=tally.against,
        abstain=tally.abstain,
        votes=tuple(
            VoteShown(
                voter=vote.voter,
                owner=vote.owner,
                choice=vote.choice,
                weight=vote.weight,
                rationale=rationale,
            )
            for vote, rationale in votes
        ),
        closed=closed_reason(journal, verdict.decision_id),
    )
