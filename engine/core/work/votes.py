"""Votes on one decision: who may vote, and when a vote is carried, lost or over."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Protocol

from msgspec import UNSET

from engine.core.vocabulary.facts import VoteCast
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, PersonId
from engine.core.vocabulary.verdicts import Wait
from engine.core.vocabulary.voting import AGENT, Tally, VotingSettings
from engine.core.work.hold import Hold


class Asked(Protocol):
    """What is voted on: a verdict, or what waits because of one."""

    @property
    def agent(self) -> AgentId:
        """Who proposed it."""

    @property
    def capability(self) -> CapabilityId:
        """Under which capability."""

    @property
    def action(self) -> ActionName:
        """To do what."""


_NO_CAPABILITY, _NO_ACTION = CapabilityId(""), ActionName("")


def weight_of(
    voting: VotingSettings, capability: CapabilityId, action: ActionName, voter: PersonId
) -> int | None:
    """Return how many votes a voter's counts as; `None` for who is not registered on this topic."""
    voters = voting.voters_on(capability, action)
    if voters is None:
        return 1
    return next((each.weight for each in voters if each.name == voter), None)


def unregistered(voting: VotingSettings, asked: Asked, voter: PersonId) -> str:
    """Say what in the policy speaks against a voter on what an agent proposed; empty when nothing does."""
    if weight_of(voting, asked.capability, asked.action, voter) is None:
        return f"{voter} is not registered to vote on {asked.action} of {asked.capability}"
    owner = voting.owner_of(voter)
    if owner == voting.owner_of(PersonId(f"{AGENT}{asked.agent}")):
        return f"{asked.agent} belongs to {owner}, and nobody votes on what is theirs"
    return ""


def _theirs(voting: VotingSettings, hold: Hold, owner: PersonId) -> str:
    """Say why what waits is an owner's own; empty when it is not."""
    if hold.changed_by is not UNSET and owner == voting.owner_of(hold.changed_by):
        return f"{hold.changed_by} proposed it in this form, and nobody votes on what is theirs"
    # By the policy, and by its token: whichever of them says so.
    own = {
        voting.owner_of(each) for each in (PersonId(f"{AGENT}{hold.agent}"), hold.owner) if each is not UNSET
    }
    if owner in own:
        return f"{hold.agent} belongs to {owner}, and nobody votes on what is theirs"
    return ""


def ineligible(
    voting: VotingSettings,
    hold: Hold,
    fact: VoteCast,
    stopped: Callable[[AgentId, CapabilityId, ActionName], str],
) -> str:
    """Say what in the policy and in the stops speaks against a vote; empty when nothing does."""
    if against := unregistered(voting, hold, fact.voter):
        return against
    if against := _theirs(voting, hold, fact.owner):
        return against
    if voting.deadline_us is not None and hold.since_us + voting.deadline_us <= fact.at_us:
        return "the deadline of the vote has passed: votes that come later do not count"
    weight = weight_of(voting, hold.capability, hold.action, fact.voter)
    # Where the policy names no owner, whoever let the voter in knows who it is.
    if fact.weight != weight or fact.owner != voting.owners.get(fact.voter, fact.owner):
        return f"the policy gives {fact.voter} another owner or weight; vote again"
    if fact.voter.startswith(AGENT):
        return stopped(AgentId(fact.voter.removeprefix(AGENT)), _NO_CAPABILITY, _NO_ACTION)
    return ""


def room(voting: VotingSettings, hold: Hold, wait: Wait) -> int:
    """Return how many votes there can be in all: of those registered, else as many as the policy asks for.

    One owner has one vote, as heavy as the heaviest of their names; whoever proposed it has none.
    """
    voters = voting.voters_on(hold.capability, hold.action)
    if voters is None:
        return wait.of or wait.needed
    own = {voting.owner_of(PersonId(f"{AGENT}{hold.agent}"))}
    own |= {voting.owner_of(each) for each in (hold.owner, hold.changed_by) if each is not UNSET}
    return most_votes(voting, ((each.name, each.weight) for each in voters), own)


def most_votes(
    voting: VotingSettings, voters: Iterable[tuple[PersonId, int]], own: AbstractSet[PersonId]
) -> int:
    """Add up what voters' votes weigh: of each owner the heaviest, of those it is their own nothing."""
    heaviest: dict[PersonId, int] = {}
    for name, weight in voters:
        owner = voting.owner_of(name)
        if owner not in own:
            heaviest[owner] = max(heaviest.get(owner, 0), weight)
    return sum(heaviest.values())


def is_lost(wait: Wait, tally: Tally, most: int) -> bool:
    """Whether too few can still agree.

    >>> is_lost(Wait(kind="votes", role="voters", needed=3, of=5), Tally(2, 2, 0), 5)
    False
    >>> is_lost(Wait(kind="votes", role="voters", needed=3, of=5), Tally(2, 2, 1), 5)
    True
    """
    return max(most - tally.against - tally.abstain, tally.agree) < wait.needed


def result(wait: Wait, tally: Tally, most: int, how: str) -> str:
    """Say how a vote went.

    >>> result(Wait(kind="votes", role="voters", needed=3, of=5), Tally(3, 1, 0), 5, "carried")
    'the vote was carried: 3 for, 1 against, 0 abstaining, and it takes 3 of 5'
    """
    return f"the vote was {how}: {tally}, and it takes {wait.needed} of {most}"
