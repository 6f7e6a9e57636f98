"""Held decisions: what waits for people, until it is answered or its time is over."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from msgspec import UNSET, Struct, field
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
    DecisionId,
    Digest,
)
from engine.core.vocabulary.people_facts import RANKS
from engine.core.vocabulary.units import DAY_US, HOUR_US
from engine.core.vocabulary.verdicts import Verdict, Wait
from engine.core.vocabulary.voting import Vote, put
from engine.core.work.hold import (
    Approval,
    Hold,
    objection,
    objection_to_vote,
    takes_others,
)

GRACE_US: Final = HOUR_US
"""How long an overdue hold is kept for a tick to end it. A live engine ticks every minute, so each timeout is
recorded; a recording without ticks holds no more than what this long has held."""
_VETO_KEPT_US: Final = DAY_US
"""How long it is remembered that a veto may have left something to do. An engine that was away does that
before it takes any fact, so only one that keeps failing at it for a day forgets."""


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
