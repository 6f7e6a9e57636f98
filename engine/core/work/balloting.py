"""Balloting: who has a ballot among decisions that compete, what it counts as, and what all come to."""

from collections.abc import Iterable, Mapping

from msgspec import UNSET

from engine.core.vocabulary.competing import Competition
from engine.core.vocabulary.ids import DecisionId, PersonId
from engine.core.vocabulary.voting import AGENT, VotingSettings
from engine.core.work import ballots
from engine.core.work.contests import Contest, Waiting
from engine.core.work.votes import most_votes


def electorate(voting: VotingSettings, waiting: Iterable[Waiting]) -> dict[PersonId, int] | None:
    """Return who may vote, with their weights: whoever may vote on every one; `None` where anybody may.

    Where topics give one voter different weights, the least counts.
    """
    found: dict[PersonId, int] | None = None
    for each in waiting:
        voters = voting.voters_on(each.capability, each.action)
        if voters is None:
            continue
        here = {voter.name: voter.weight for voter in voters}
        found = here if found is None else {n: min(w, here[n]) for n, w in found.items() if n in here}
    return found


def whose(voting: VotingSettings, each: Waiting) -> PersonId:
    """Return whose proposal this is: as the policy names the owner, or else the agent's token."""
    agent = PersonId(f"{AGENT}{each.agent}")
    if agent in voting.owners or each.owner is UNSET:
        return voting.owner_of(agent)
    return voting.owner_of(each.owner)


def ineligible(
    voting: VotingSettings, waiting: Mapping[DecisionId, Waiting], voter: PersonId, owner: PersonId
) -> str:
    """Say why somebody has no ballot; empty when they have.

    Whose proposal stands on a ballot has none: they said what they want by proposing it, and could otherwise
    only help it or bury its rivals.
    """
    for each in waiting.values():
        theirs = {whose(voting, each), PersonId(each.agent), PersonId(f"{AGENT}{each.agent}")}
        if owner in theirs or voter in theirs:
            return f"{each.agent} has a proposal on this ballot, and nobody votes where their own stands"
    voters = electorate(voting, waiting.values())
    if voters is not None and voter not in voters:
        return f"{voter} is not registered to vote on all that stands on this ballot"
    return ""


def weight_of(voting: VotingSettings, waiting: Mapping[DecisionId, Waiting], voter: PersonId) -> int:
    """Return how many votes somebody's ballot counts as."""
    voters = electorate(voting, waiting.values())
    return 1 if voters is None else voters.get(voter, 1)


def counted(
    contest: Contest, waiting: Mapping[DecisionId, Waiting], voting: VotingSettings
) -> tuple[dict[str, tuple[DecisionId, ...]], dict[str, int]]:
    """Return the ballots that count, and their weights: not of those whose own came to stand on it later."""
    own = {whose(voting, each) for each in waiting.values()}
    given = [ballot for ballot in contest.ballots if ballot.owner not in own]
    return {ballot.owner: ballot.choices for ballot in given}, {each.owner: each.weight for each in given}


def room(voting: VotingSettings, waiting: Mapping[DecisionId, Waiting]) -> int | None:
    """Return how many votes there can be in all; `None` where anybody may vote."""
    voters = electorate(voting, waiting.values())
    if voters is None:
        return None
    return most_votes(voting, voters.items(), {whose(voting, each) for each in waiting.values()})


def tally(
    contest: Contest, left: Mapping[DecisionId, Waiting], voting: VotingSettings, rules: Competition
) -> ballots.Outcome:
    """Say what the ballots that count come to."""
    count = ballots.approval if rules.method == "approval" else ballots.borda
    return count(tuple(left), *counted(contest, left, voting))
