"""Held decisions: what waits for people, until it is answered or its time is over."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from engine.core.vocabulary.facts import (
    AnswerRefused,
    DecisionOverridden,
    EffectEnded,
    HoldAnswered,
    HoldEnded,
    UndoRequested,
    VoteCast,
    VoteClosed,
)
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EffectId,
    EpisodeId,
    PersonId,
    ProposalId,
)
from engine.core.vocabulary.people_facts import RANKS, Role
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.units import DAY_US, HOUR_US
from engine.core.vocabulary.verdicts import Verdict, Wait
from engine.core.vocabulary.voting import Vote, count, put

GRACE_US: Final = HOUR_US
"""How long an overdue hold is kept for a tick to end it. A live engine ticks every minute, so each timeout is
recorded; a recording without ticks holds no more than what this long has held."""
_VETO_KEPT_US: Final = DAY_US
"""How long it is remembered that a veto may have left something to do. An engine that was away does that
before it takes any fact, so only one that keeps failing at it for a day forgets."""


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
    def steps_up(self) -> bool:
        """Whether it is of class A: two people approve it, each with a one-time code."""
        return any(wait.step_up for wait in self.waits)

    def is_owner(self, person: PersonId) -> bool:
        """Whether this is the agent's owner, where its owner does not count."""
        return person == self.owner and any(wait.without_owner for wait in self.waits)


class Holds(Struct):
    """All decisions that wait, the longest waiting first.

    In an `OrderedDict` the first is found at once. A plain one looks through the places of all that went
    before it, which costs more than deciding where thousands wait for a day.
    """

    hold_us: int = 0
    shortest_us: int | None = None
    """The shortest time anything ever waited for; `None` before any policy: what began later than that ago is
    not overdue, so nobody need look further."""
    by_id: dict[DecisionId, Hold] = field(default_factory=OrderedDict)
    vetoed: dict[DecisionId, int] = {}
    """Vetoes that may still demand something, and when they were given."""


def adopt(holds: Holds, hold_us: int) -> None:
    """Hold so long from now on; what is held already keeps its time."""
    holds.hold_us = hold_us
    holds.shortest_us = hold_us if holds.shortest_us is None else min(holds.shortest_us, hold_us)


def fold_verdict(holds: Holds, verdict: Verdict) -> None:
    """Begin to wait for what a held verdict names; let go of what no tick has ended for long."""
    by_id = holds.by_id
    while by_id:
        first = next(iter(by_id))
        if not _is_let_go(by_id[first], verdict.at_us):
            break
        del by_id[first]
    if verdict.changed is not UNSET and (old := by_id.get(verdict.changed.of)) is not None:
        # It counts as a word on the old one: what is refused of it takes no other word back.
        by_id[verdict.changed.of] = replace(old, answers=old.answers + 1)
    if verdict.word == "hold":
        hold = Hold(
            since_us=verdict.at_us,
            until_us=verdict.at_us + _waits_us(holds, verdict.waits),
            agent=verdict.agent,
            action=verdict.action,
            waits=verdict.waits,
            shadowed=verdict.shadowed,
            proposal_id=verdict.proposal_id,
            capability=verdict.capability,
            episode=verdict.episode,
            digest=verdict.digest,
            policy_hash=verdict.policy_hash,
            impact=verdict.impact,
            owner=verdict.owner,
            changed_by=UNSET if verdict.changed is UNSET else verdict.changed.by,
            approvals=_given_with(verdict),
        )
        _begin(holds, verdict.decision_id, hold)


def takes_others(waits: tuple[Wait, ...]) -> bool:
    """Whether who proposes something cannot be one of those who approve it, whoever that is."""
    return any(wait.needed > 1 or wait.step_up or wait.without_owner for wait in waits if wait.kind in PEOPLE)


def _given_with(verdict: Verdict) -> tuple[Approval, ...]:
    """Return the approval that comes with a change: that person's, where one person's word is enough."""
    changed = verdict.changed
    if changed is UNSET or takes_others(verdict.waits):
        return ()
    return (Approval(changed.by, changed.role, 0, changed.stepped_up),)


def fold_effect(holds: Holds, fact: EffectEnded) -> None:
    """Hold an effect that nobody knows the end of, until a person has looked. Known ends hold nothing."""
    if fact.kind == "perform" and fact.status == "refused":
        holds.vetoed.pop(fact.decision_id, None)
    if fact.status == "unknown" and fact.kind != "preview":
        hold = Hold(
            since_us=fact.at_us,
            until_us=fact.at_us + holds.hold_us,
            agent=fact.agent,
            action=fact.action,
            waits=(Wait(kind="person", role="responder"),),
            shadowed=False,
            proposal_id=fact.proposal_id,
            capability=fact.capability,
            effect_id=fact.effect_id,
        )
        _begin(holds, fact.decision_id, hold)


def _waits_us(holds: Holds, waits: tuple[Wait, ...]) -> int:
    """Return how long a decision waits: as long as the policy holds, or less where its action says so."""
    return min([holds.hold_us, *(wait.within_us for wait in waits if wait.within_us is not None)])


def _begin(holds: Holds, decision: DecisionId, hold: Hold) -> None:
    by_id = holds.by_id
    waits_us = hold.until_us - hold.since_us
    holds.shortest_us = waits_us if holds.shortest_us is None else min(holds.shortest_us, waits_us)
    # Anew at the end, for the longest waiting stand first.
    by_id.pop(decision, None)
    last = next(reversed(by_id.values()), None)
    by_id[decision] = hold
    if last is not None and (last.since_us, last.until_us) > (hold.since_us, hold.until_us):
        # In the same moment a policy was adopted that holds for less, or an action came that waits for less.
        put_in_order(holds)


def put_in_order(holds: Holds) -> None:
    """Put holds into the order in which they began, as folding has them: canonical bytes are sorted by name.

    Of those that began and end together it makes no difference which stands first.
    """
    ordered = sorted(holds.by_id.items(), key=lambda item: (item[1].since_us, item[1].until_us))
    holds.by_id = OrderedDict(ordered)


def fold_answer(holds: Holds, fact: HoldAnswered) -> None:
    """Count an answer, and an approval as one if the hold itself has nothing against it.

    One that is refused for anything else is followed by `AnswerRefused`, and counts no more after that.
    """
    hold = holds.by_id.get(fact.decision_id)
    if hold is None:
        return
    nth, approvals = hold.answers + 1, hold.approvals
    if fact.answer == "approve" and not objection(hold, fact) and not _has_said(hold, fact):
        approvals = (*approvals, Approval(fact.by, fact.role, nth, fact.stepped_up))
    holds.by_id[fact.decision_id] = replace(hold, answers=nth, approvals=approvals)


def fold_vote(holds: Holds, fact: VoteCast) -> None:
    """Count a vote in the place of the one its owner gave before, if the hold has nothing against it.

    One that is refused for anything else is followed by `AnswerRefused`, and the earlier one counts again.
    """
    hold = holds.by_id.get(fact.decision_id)
    if hold is None:
        return
    nth, votes, before = hold.answers + 1, hold.votes, None
    if not objection_to_vote(hold, fact):
        before = next((each for each in votes if each.owner == fact.owner), None)
        changes = 0 if before is None else before.changes + 1
        votes = put(votes, Vote(fact.voter, fact.owner, fact.choice, fact.weight, nth, changes))
    holds.by_id[fact.decision_id] = replace(hold, answers=nth, votes=votes, replaced=before)


def fold_vote_closed(holds: Holds, fact: VoteClosed) -> None:
    """Take no more votes."""
    hold = holds.by_id.get(fact.decision_id)
    if hold is not None:
        holds.by_id[fact.decision_id] = replace(hold, vote_over=True)


def fold_override(holds: Holds, fact: DecisionOverridden) -> None:
    """Count the word among the answers; remember a veto for what it may demand."""
    hold = holds.by_id.get(fact.decision_id)
    if hold is not None:
        holds.by_id[fact.decision_id] = replace(hold, answers=hold.answers + 1)
    if fact.word == "veto" and (hold is None or not hold.shadowed):
        holds.vetoed[fact.decision_id] = fact.at_us


def fold_refused(holds: Holds, fact: AnswerRefused) -> None:
    """Take the last answer out of the approvals, or the votes, again."""
    hold = holds.by_id.get(fact.decision_id)
    if hold is None:
        return
    if hold.approvals and hold.approvals[-1].nth == hold.answers:
        holds.by_id[fact.decision_id] = replace(hold, approvals=hold.approvals[:-1])
    if hold.votes and hold.votes[-1].nth == hold.answers:
        votes = hold.votes[:-1] if hold.replaced is None else put(hold.votes, hold.replaced)
        holds.by_id[fact.decision_id] = replace(hold, votes=votes, replaced=None)


def fold_hold_ended(holds: Holds, fact: HoldEnded) -> Hold | None:
    """Wait no longer, and return what waited; `None` when that is not known."""
    if fact.how == "vetoed" and fact.effect_id is None:
        holds.vetoed.pop(fact.decision_id, None)
    hold = holds.by_id.get(fact.decision_id)
    if hold is None or hold.effect_id != fact.effect_id:
        return None
    return holds.by_id.pop(fact.decision_id)


def fold_undo(holds: Holds, fact: UndoRequested) -> None:
    """Leave a veto alone once what it was about is being taken back."""
    holds.vetoed.pop(fact.decision_id, None)


def fold_time(holds: Holds, now_us: int) -> None:
    """Let go of what only would have waited, and of vetoes that left nothing to do.

    In shadow nobody was asked, so nobody failed to answer.
    """
    for name in [name for name, at_us in holds.vetoed.items() if at_us + _VETO_KEPT_US <= now_us]:
        del holds.vetoed[name]
    for decision, hold in list(overdue(holds, now_us)):
        if hold.shadowed:
            del holds.by_id[decision]


def overdue(holds: Holds, now_us: int) -> Iterator[tuple[DecisionId, Hold]]:
    """Give everything whose time is over."""
    shortest_us = holds.shortest_us or 0
    for decision, hold in holds.by_id.items():
        if hold.since_us + shortest_us > now_us:
            # They stand in the order in which they began.
            return
        if hold.is_overdue(now_us):
            yield decision, hold


def outdated(holds: Holds, policy_hash: Digest) -> Iterator[tuple[DecisionId, Hold]]:
    """Give everything held under another policy than this: no approval of it counts any more."""
    for decision, hold in holds.by_id.items():
        # What became of an effect is asked whatever the policy, and nobody answers what is in shadow.
        if hold.shadowed or hold.effect_id is not None:
            continue
        if hold.policy_hash == policy_hash:
            # They stand in the order in which they began.
            return
        yield decision, hold


def _is_let_go(hold: Hold, now_us: int) -> bool:
    return hold.until_us + (0 if hold.shadowed else GRACE_US) <= now_us


def _has_said(hold: Hold, fact: HoldAnswered) -> bool:
    """Whether that person's approval counts already, with a role as high as this."""
    return any(each.by == fact.by and RANKS[each.role] >= RANKS[fact.role] for each in hold.approvals)


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


def choice_wait(hold: Hold) -> Wait | None:
    """Return the choice a hold waits for, among those that want what it wants; `None` without one."""
    return next((wait for wait in hold.waits if wait.kind == "choice"), None)


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
