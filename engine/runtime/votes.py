"""Votes as the engine takes them: what a voter's word becomes, and what can be voted on."""

from collections.abc import Iterator

from engine.core.gates import kill_switch
from engine.core.state import State
from engine.core.vocabulary.facts import VoteCast
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, PersonId
from engine.core.vocabulary.voting import Vote, VotingSettings, count
from engine.core.work import votes
from engine.core.work.hold import MOST_CHANGES, Hold, objection_to_vote, votes_wait
from engine.runtime import wire


def owner_of_voter(voting: VotingSettings, voter: PersonId, by_token: PersonId | None) -> PersonId:
    """Return whose a voter is: as the policy has it, or else the voter's token."""
    return voting.owners.get(voter) or voting.owner_of(by_token or voter)


def vote_of(voting: VotingSettings, hold: Hold, request: wire.CastVote, at_us: int) -> VoteCast:
    """Make the fact of a vote, with weight and owner as the policy has them, or else the voter's token."""
    return VoteCast(
        at_us=at_us,
        decision_id=request.decision_id,
        voter=request.voter,
        owner=owner_of_voter(voting, request.voter, request.owner),
        choice=request.choice,
        weight=votes.weight_of(voting, hold.capability, hold.action, request.voter) or 1,
        rationale=request.rationale,
    )


def already(hold: Hold, fact: VoteCast) -> Vote | None:
    """Return the vote that says the same of the same voter; `None` when this one is news."""
    for vote in hold.votes:
        if (vote.voter, vote.choice, vote.weight) == (fact.voter, fact.choice, fact.weight):
            return vote
    return None


def worn_out(hold: Hold, fact: VoteCast) -> str:
    """Say that a vote was changed too often to be changed again; empty when it was not."""
    if any(vote.owner == fact.owner and vote.changes >= MOST_CHANGES for vote in hold.votes):
        return objection_to_vote(hold, fact)
    return ""


def polls(state: State, voting: VotingSettings, request: wire.GetPolls, now_us: int) -> wire.PollList:
    """Say what waits for votes, and what the asker may vote on."""
    return wire.PollList(polls=tuple(_polls(state, voting, request, now_us)))


def _polls(
    state: State, voting: VotingSettings, request: wire.GetPolls, now_us: int
) -> Iterator[wire.PollShown]:
    def stopped(agent: AgentId, capability: CapabilityId, action: ActionName) -> str:
        return kill_switch.judge(state.stops, agent, capability, action).reason

    for decision, hold in state.holds.by_id.items():
        wait = votes_wait(hold)
        if wait is None or not hold.is_open(now_us):
            continue
        asking = wire.CastVote(
            decision_id=decision, voter=request.voter, owner=request.owner, choice="abstain"
        )
        fact = vote_of(voting, hold, asking, now_us)
        deadline_us = hold.until_us if voting.deadline_us is None else hold.since_us + voting.deadline_us

        yield wire.PollShown(
            decision_id=decision,
            since_us=hold.since_us,
            until_us=min(deadline_us, hold.until_us),
            agent=hold.agent,
            capability=hold.capability,
            action=hold.action,
            needed=wait.needed,
            of=votes.room(voting, hold, wait),
            tally=count(hold.votes),
            votes=hold.votes,
            why_not=objection_to_vote(hold, fact) or votes.ineligible(voting, hold, fact, stopped),
        )
