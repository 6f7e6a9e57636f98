"""Voting: who may vote on what, and what a vote is."""

from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from engine.core.vocabulary.competing import Competition
from engine.core.vocabulary.ids import ActionName, CapabilityId, PersonId

Choice = Literal["for", "against", "abstain"]
"""What a vote says."""

AGENT = "agent:"
"""How the name of a voter begins that is an agent: `agent:coder-2`. People go by their name alone."""


class Voter(Struct, frozen=True, kw_only=True):
    """Somebody who is registered to vote on a topic."""

    name: PersonId
    """A person, or `agent:NAME`."""
    weight: int = 1
    """How many votes theirs counts as."""


class Topic(Struct, frozen=True, kw_only=True):
    """What certain voters, and nobody else, vote on."""

    capability: str = "*"
    """A pattern of capabilities, such as `heal@*`."""
    action: str = "*"
    """A pattern of actions, such as `db.*`."""
    voters: tuple[Voter, ...]

    def covers(self, capability: CapabilityId, action: ActionName) -> bool:
        """Whether this is about an action of a capability."""
        return fnmatchcase(capability, self.capability) and fnmatchcase(action, self.action)


class VotingSettings(Struct, frozen=True, kw_only=True):
    """Who votes, and until when."""

    topics: tuple[Topic, ...] = ()
    """The first that covers a decision says who votes on it. On what none covers every agent and every
    responder and captain may vote, with one vote each."""
    owners: dict[PersonId, PersonId] = {}
    """Whose an agent is: all names of one owner have one vote together. One that is not here is its own."""
    quorum: int | None = None
    """How many must have voted at the deadline; `None`: as many as must agree."""
    deadline_us: int | None = None
    """How long votes are taken; `None`: as long as the decision is held."""
    owner: str = "captain"
    """The role that may change this."""
    competition: Competition | None = None
    """What is done about proposals that want one resource; `None`: nothing, each goes its own way."""

    def owner_of(self, name: PersonId) -> PersonId:
        """Return whose vote this is; people and agents that belong to nobody are their own."""
        return self.owners.get(name, name)

    def voters_on(self, capability: CapabilityId, action: ActionName) -> tuple[Voter, ...] | None:
        """Return who alone may vote on a decision; `None` where anybody may."""
        for topic in self.topics:
            if topic.covers(capability, action):
                return topic.voters
        return None


class Vote(Struct, frozen=True, array_like=True):
    """One vote that counts: `[voter, owner, choice, weight, nth, changes]`. Each owner has one."""

    voter: PersonId
    owner: PersonId
    choice: Choice
    weight: int
    nth: int
    """Which of all answers to this hold it was, from 1."""
    changes: int = 0
    """How often this owner's vote was changed before."""


class Tally(Struct, frozen=True, array_like=True):
    """What votes come to, by their weight: `[agree, against, abstain]`."""

    agree: int = 0
    against: int = 0
    abstain: int = 0

    @property
    def cast(self) -> int:
        """How many voted."""
        return self.agree + self.against + self.abstain

    def __str__(self) -> str:
        """Write it for people.

        >>> str(Tally(2, 1, 0))
        '2 for, 1 against, 0 abstaining'
        """
        return f"{self.agree} for, {self.against} against, {self.abstain} abstaining"


def count(votes: tuple[Vote, ...]) -> Tally:
    """Count votes.

    >>> count((Vote("ann", "ann", "for", 2, 1), Vote("ben", "ben", "abstain", 1, 2)))
    Tally(agree=2, against=0, abstain=1)
    """
    sums = {"for": 0, "against": 0, "abstain": 0}
    for vote in votes:
        sums[vote.choice] += vote.weight
    return Tally(sums["for"], sums["against"], sums["abstain"])


def put(votes: tuple[Vote, ...], vote: Vote) -> tuple[Vote, ...]:
    """Put a vote in the place of the one its owner gave before."""
    return (*(each for each in votes if each.owner != vote.owner), vote)
