"""One held decision: what it waits for, and what it has against an answer."""

from collections.abc import Iterator
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from engine.core.vocabulary.facts import HoldAnswered, VoteCast
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    Digest,
    EffectId,
    EpisodeId,
    PersonId,
    ProposalId,
)
from engine.core.vocabulary.people_facts import RANKS, Role
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.verdicts import Wait
from engine.core.vocabulary.voting import Vote, count


class Approval(Struct, frozen=True, array_like=True):
    """One approval that counted: `[by, role, nth]`."""

    by: PersonId
    role: Role
    nth: int
    """Which of all answers to this hold it was, from 1."""
    stepped_up: bool = False
    """Whether a one-time code came with it."""


class Hold(Struct, frozen=True):
    """One decision that waits."""

    since_us: int
    until_us: int
    agent: AgentId
    action: ActionName
    waits: tuple[Wait, ...]
    shadowed: bool
    """Whether nothing of it is ever executed: then nobody is asked, and nobody can answer."""
    proposal_id: ProposalId
    capability: CapabilityId
    episode: EpisodeId = EpisodeId("")
    digest: Digest = Digest("")
    policy_hash: Digest = Digest("")
    impact: Impact = Impact()
    approvals: tuple[Approval, ...] = ()
    """In the order given."""
    answers: int = 0
    """How many were given, counted or not."""
    effect_id: EffectId | None = None
    """The effect nobody knows the end of; `None` while nothing of the decision ran. Such a hold bears no
    digest, policy and impact: whatever is answered, nothing runs."""
    votes: tuple[Vote, ...] = ()
    """One of each owner, the latest last."""
    replaced: Vote | None = None
    """What the latest vote took the place of: it counts again if that one is refused."""
    vote_over: bool = False
    """Whether the deadline passed with too few votes: no more are taken."""
    owner: PersonId | UnsetType = UNSET
    """Who owns the agent; unset where nobody is known to."""
    changed_by: PersonId | UnsetType = UNSET
    """Who proposed it in this form, in the place of what the agent did; unset where nobody did."""

    def is_overdue(self, now_us: int) -> bool:
        """Whether its time is over."""
        return self.until_us <= now_us

    def is_open(self, now_us: int) -> bool:
        """Whether people may still answer it."""
        return not self.shadowed and not self.is_overdue(now_us)

    @property
    def waits_for_choice(self) -> bool:
        """Whether it waits for a choice among those that want what it wants."""
        return any(wait.kind == "choice" for wait in self.waits)

    @property
    def steps_up(self) -> bool:
        """Whether it is of class A: two people approve it, each with a one-time code."""
        return any(wait.step_up for wait in self.waits)

    def is_owner(self, person: PersonId) -> bool:
        """Whether this is the agent's owner, where its owner does not count."""
        return person == self.owner and any(wait.without_owner for wait in self.waits)


def takes_others(waits: tuple[Wait, ...]) -> bool:
    """Whether who proposes something cannot be one of those who approve it, whoever that is."""
    return any(wait.needed > 1 or wait.step_up or wait.without_owner for wait in waits if wait.kind in PEOPLE)


# ---------------------------------------------------------------- what a hold has against an answer


def objection(hold: Hold, fact: HoldAnswered) -> str:
    """Say what in the hold itself, and in who answers, speaks against an answer; empty when nothing does."""
    return next(_objections(hold, fact), "")


def _objections(hold: Hold, fact: HoldAnswered) -> Iterator[str]:
    if hold.shadowed:
        yield "it is in shadow: nothing of it is executed, so there is nothing to answer"
    if hold.is_overdue(fact.at_us):
        yield "its time was over before that; propose it again"
    # Whose undo was lost may well look at it; it then bears that person's name.
    if hold.effect_id is None and fact.by in {hold.agent, f"agent:{hold.agent}"}:
        yield f"{fact.by} proposed it, and nobody answers for themselves"
    if RANKS[fact.role] < RANKS["responder"]:
        yield f"{fact.by} is a {fact.role}, and only responders and captains answer"
    if hold.effect_id is None and fact.digest != hold.digest:
        yield "what was shown is not what is held: its digest differs; look at it again"
    if fact.answer == "did" and not is_recommended(hold):
        yield "it is no recommendation: approve it or deny it"
    if fact.answer != "deny":
        yield from _on_its_side(hold, fact.by)
        if hold.steps_up and not fact.stepped_up:
            yield f"{hold.action} is of class A: nobody approves it without a one-time code"
        people = [wait for wait in hold.waits if wait.kind in PEOPLE]
        if people and all(RANKS[fact.role] < rank_of(wait) for wait in people):
            yield f"{fact.by} is a {fact.role}, and it waits for a {people[0].role}"
        if all(wait.kind in _VOTED for wait in hold.waits):
            yield "it waits for votes, not for one person's word; vote on it, or a captain overrides it"


def _on_its_side(hold: Hold, person: PersonId) -> Iterator[str]:
    """Say why a person is one of those who want it, where others than these are asked."""
    if hold.is_owner(person):
        yield f"{person} owns {hold.agent}, and its owner does not count for {hold.action}"
    if person == hold.changed_by and takes_others(hold.waits):
        yield f"{person} proposed it in this form, and does not count as one of those who approve it"


MOST_CHANGES: Final = 20
"""How often one owner's vote may be changed: whoever changed it so often will not make up their mind."""


def objection_to_vote(hold: Hold, fact: VoteCast) -> str:
    """Say what in the hold itself speaks against a vote; empty when nothing does."""
    return next(_objections_to_vote(hold, fact), "")


def _objections_to_vote(hold: Hold, fact: VoteCast) -> Iterator[str]:
    if hold.shadowed:
        yield "it is in shadow: nothing of it is executed, so there is nothing to vote on"
    if hold.is_overdue(fact.at_us):
        yield "its time was over before that; propose it again"
    if votes_wait(hold) is None:
        yield "it does not wait for votes"
    if hold.vote_over:
        yield "the vote is over, with too few votes; it waits for a captain's override"
    if fact.voter in {hold.agent, f"agent:{hold.agent}"}:
        yield f"{fact.voter} proposed it, and nobody votes on what they proposed"
    if hold.changed_by in {fact.voter, fact.owner}:
        yield f"{hold.changed_by} proposed it in this form, and nobody votes on what they proposed"
    mine = next((each for each in hold.votes if each.owner == fact.owner), None)
    if mine is not None and mine.voter != fact.voter:
        yield f"{mine.voter} has voted for {fact.owner} already, and one owner has one vote"
    if mine is not None and mine.changes >= MOST_CHANGES:
        yield f"this vote was changed {MOST_CHANGES} times already, and stays {mine.choice}"


def votes_wait(hold: Hold) -> Wait | None:
    """Return the votes a hold waits for; `None` when it waits for none."""
    return next((wait for wait in hold.waits if wait.kind == "votes"), None)


def is_recommended(hold: Hold) -> bool:
    """Whether it waits for nothing but a person to take it."""
    return bool(hold.waits) and all(wait.kind == "take" for wait in hold.waits)


PEOPLE: Final = frozenset({"person", "take"})
"""What a person's word gives."""
_VOTED: Final = frozenset({"votes", "choice"})
"""What no one person's word gives."""


def rank_of(wait: Wait) -> int:
    """Return the least rank that can give what is waited for. A role nobody has is a captain's to give."""
    return next((rank for role, rank in RANKS.items() if role == wait.role), RANKS["captain"])


def missing(hold: Hold, *, paused: bool, behind: str = "") -> tuple[str, ...]:
    """Say what it still waits for, each in a few words; nothing when all is there.

    `behind` is what stands before it where others want what it wants; empty when its turn has come.
    """
    found = []
    for wait in hold.waits:
        if wait.kind in PEOPLE:
            said = {each.by for each in hold.approvals if RANKS[each.role] >= rank_of(wait)}
            if (more := wait.needed - len(said)) > 0:
                who = f"a {wait.role}" if more == 1 else f"{more} {wait.role}s"
                who += " with a one-time code" if wait.step_up else ""
                found.append(f"one more person, {who}" if said and more == 1 else who)
        elif wait.kind == "votes" and hold.vote_over:
            found.append("a captain's override")
        elif wait.kind == "votes":
            agree = count(hold.votes).agree
            if (more := wait.needed - agree) > 0:
                what = f"{more} more of {wait.needed} votes" if agree else f"{wait.needed} of {wait.of} votes"
                found.append(what)
        elif wait.kind == "choice":
            found += [behind] if behind else []
        elif paused:
            found.append("the rollout to be resumed")
    return tuple(found)
