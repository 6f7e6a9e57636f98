"""Answers: what follows when people answer a held decision, overrule one, or let its time pass."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from msgspec import UNSET, Struct

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.captaincy import CaptaincySettings
from engine.core.vocabulary.effects import AskPeople, Effect, PerformHeld
from engine.core.vocabulary.facts import (
    AnswerRefused,
    DecisionOverridden,
    Fact,
    HoldAnswered,
    HoldEnded,
    OutcomeReported,
    RolloutResumed,
    VoteCast,
    VoteClosed,
)
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    CapabilityName,
    DecisionId,
    Digest,
    PersonId,
    capability_name,
    decision_id,
)
from engine.core.vocabulary.people_facts import HoldEnding
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.verdicts import Answer, Wait
from engine.core.vocabulary.voting import VotingSettings, count
from engine.core.work import votes
from engine.core.work.hold import Hold, missing, objection, objection_to_vote, votes_wait
from engine.core.work.holds import Holds, outdated, overdue

Follows = tuple[tuple[Fact, ...], tuple[Effect, ...]]

GONE: Final = "it does not wait for people: it was answered, its time was over, or it never was held"

_IN_VAIN: Final = "nobody answered in time"
_CHANGED: Final = "the policy changed since"
_MOST_USD: Final = Decimal(10**12)
"""No impact may be larger, and no window holds as much."""


class Grounds(Struct, frozen=True, kw_only=True):
    """What an answer is judged by beside the hold itself: how everything else stands now."""

    policy_hash: Digest
    actions: Mapping[ActionName, Action]
    stopped: Callable[[AgentId, CapabilityId, ActionName], str]
    """Says which stop covers it, in a sentence; empty when none does."""
    limited: Callable[[AgentId, Impact], Answer]
    """Says whether there is room for it under every limit."""
    may_act: Callable[[CapabilityId], bool]
    paused: Callable[[CapabilityName], bool]
    captaincy: CaptaincySettings = CaptaincySettings()
    behind: Callable[[DecisionId], str] = lambda _: ""
    """Says what stands before it where others want what it wants; empty when its turn has come."""


def after(holds: Holds, fact: HoldAnswered | DecisionOverridden, grounds: Grounds) -> Follows:
    """Say what follows from a person's word that `holds` has already folded."""
    hold = holds.by_id.get(fact.decision_id)
    if isinstance(fact, DecisionOverridden):
        return _overridden(hold, fact, grounds)
    if hold is None:
        return _refused(fact, GONE)
    approves, runs = fact.answer == "approve", hold.effect_id is None
    against = objection(hold, fact)
    if approves and runs:
        against = against or _standing_against(hold, grounds)
        if not against and _missing(hold, fact.decision_id, grounds):
            return (), ()
        against = against or _no_room(hold, grounds)
    if against:
        return _refused(fact, against)
    if approves:
        return _approved(hold, fact, grounds, by=_people(hold, fact.by))
    # Whether a person denied it or did it themselves, nothing of it runs here.
    how: HoldEnding = "taken" if fact.answer == "did" else "denied"
    return (_ended(hold, fact, how, by=(fact.by,), reason=fact.reason),), ()


def came_without_leave(holds: Holds, fact: OutcomeReported) -> tuple[Fact, ...]:
    """End the hold on what was done though nobody had allowed it: nothing is left to decide, or to run."""
    decision = decision_id(fact.proposal_id)
    hold = holds.by_id.get(decision)
    if fact.without_leave is UNSET or hold is None or hold.shadowed or hold.effect_id is not None:
        return ()
    word = _Word(decision_id=decision, at_us=fact.at_us)
    if fact.without_leave == "prompt":
        return (_ended(hold, word, "taken", by=(), reason="somebody at the agent's own prompt let it run"),)
    return (_ended(hold, word, "bypassed", by=(), reason="its agent did not wait"),)


def _overridden(hold: Hold | None, fact: DecisionOverridden, grounds: Grounds) -> Follows:
    """A veto ends what waits, whatever else holds; what waits no longer is stopped by whoever performs it."""
    if against := grounds.captaincy.objection_to_agent(fact.by, fact.word):
        return _refused(fact, against)
    if hold is None:
        return ((), ()) if fact.word == "veto" else _refused(fact, GONE)
    if hold.shadowed:
        return _refused(fact, "it is in shadow: nothing of it is executed, so there is nothing to overrule")
    if fact.word == "veto":
        return (_ended(hold, fact, "vetoed", by=(fact.by,), reason=fact.reason),), ()
    against = "its time was over before that; propose it again" if hold.is_overdue(fact.at_us) else ""
    if hold.effect_id is None:
        against = against or _standing_against(hold, grounds) or _of_class_a(hold, fact)
    if against:
        return _refused(fact, against)
    return _approved(hold, fact, grounds, by=_people(hold, fact.by))


def voted(holds: Holds, fact: VoteCast, voting: VotingSettings, grounds: Grounds) -> Follows:
    """Say what follows from a vote that `holds` has already folded.

    Enough who agree end what waits for votes; other things it waits for still stand. Once too few can still
    agree, it is denied.
    """
    hold = holds.by_id.get(fact.decision_id)
    wait = votes_wait(hold) if hold is not None else None
    if hold is None or wait is None:
        return _refused(fact, GONE if hold is None else "it does not wait for votes")
    # What folding has counted, the hold itself has nothing against.
    is_counted = bool(hold.votes) and hold.votes[-1].nth == hold.answers
    against = "" if is_counted else objection_to_vote(hold, fact)
    against = against or votes.ineligible(voting, hold, fact, grounds.stopped)
    if fact.choice == "for":
        against = against or _standing_against(hold, grounds)
    if against:
        return _refused(fact, against)
    tally, most = count(hold.votes), votes.room(voting, hold, wait)
    if votes.is_lost(wait, tally, most):
        said = votes.result(wait, tally, most, "lost")
        return (_vote_lost(hold, fact.decision_id, fact.at_us, said),), ()
    if _missing(hold, fact.decision_id, grounds):
        return (), ()
    if against := _no_room(hold, grounds):
        return _refused(fact, against)
    said = votes.result(wait, tally, most, "carried")
    word = _Word(decision_id=fact.decision_id, at_us=fact.at_us, reason=said)
    return _approved(hold, word, grounds, by=_people(hold))


def votes_closed(holds: Holds, voting: VotingSettings, at_us: int) -> Follows:
    """End votes whose deadline has passed: lost where enough have voted, else a captain is asked.

    What is carried already waits for something else, and goes on waiting for that.
    """
    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()
    for decision, hold in _past_deadline(holds, voting, at_us):
        wait = votes_wait(hold)
        if wait is None or hold.vote_over:
            continue
        tally, most = count(hold.votes), votes.room(voting, hold, wait)
        quorum = wait.needed if voting.quorum is None else voting.quorum
        if tally.agree >= wait.needed:
            continue
        if tally.cast >= quorum:
            said = votes.result(wait, tally, most, "lost at its deadline")
            facts = (*facts, _vote_lost(hold, decision, at_us, said))
            continue
        said = f"too few voted before the deadline: {tally}, and it takes {quorum}; a captain decides"
        facts = (*facts, VoteClosed(at_us=at_us, decision_id=decision, reason=said))
        captain = Wait(kind="person", role="captain")
        effects = (*effects, AskPeople(decision_id=decision, waits=(captain,), summary=said))
    return facts, effects


def _past_deadline(holds: Holds, voting: VotingSettings, at_us: int) -> Iterator[tuple[DecisionId, Hold]]:
    if voting.deadline_us is None:
        return
    for decision, hold in holds.by_id.items():
        if hold.since_us + voting.deadline_us > at_us:
            # They stand in the order in which they began.
            return
        if hold.is_open(at_us):
            yield decision, hold


def _vote_lost(hold: Hold, decision: DecisionId, at_us: int, reason: str) -> HoldEnded:
    by = tuple(each.voter for each in hold.votes if each.choice == "against")
    return _ended(hold, _Word(decision_id=decision, at_us=at_us), "denied", by=by, reason=reason)


def _of_class_a(hold: Hold, fact: DecisionOverridden) -> str:
    """Say why a captain's word alone does not let it run; empty when it does.

    Of class A it takes the place of everything but the code and the second person.
    """
    if not hold.steps_up:
        return ""
    if not fact.stepped_up:
        return f"{hold.action} is of class A: nobody allows it without a one-time code"
    if hold.is_owner(fact.by):
        return f"{fact.by} owns {hold.agent}, and its owner does not count for {hold.action}"
    if hold.changed_by == fact.by:
        return f"{fact.by} proposed it in this form, and does not count as one of the two it takes"
    if all(each.by == fact.by for each in hold.approvals):
        return (
            f"{hold.action} is of class A: a captain's word is one of two, and another person approves first"
        )
    return ""


def resumed(holds: Holds, fact: RolloutResumed, grounds: Grounds) -> Follows:
    """End what waited for a rollout to go on, if it waits for nothing else and nothing stands against it.

    What finds no room under a limit by now stays held: a person may approve it when there is room again.
    """
    if grounds.paused(capability_name(fact.capability)):
        return (), ()
    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()
    used = Impact()
    waiting = sorted(_waits_to_go_on(holds, fact), key=lambda item: (item[1].since_us, item[0]))
    for decision, hold in waiting:
        if _missing(hold, decision, grounds) or _standing_against(hold, grounds):
            continue
        # None of these is charged yet. Taken together, whoever asked for them, they must fit as well.
        together = _sum(used, hold.impact)
        if _no_room(hold, grounds) or (facts and grounds.limited(hold.agent, together).ruling != "allow"):
            continue
        used = together
        word = _Word(decision_id=decision, at_us=fact.at_us, reason=f"resumed: {fact.reason}")
        more, performed = _approved(hold, word, grounds, by=_people(hold, PersonId(fact.by)))
        facts, effects = facts + more, effects + performed
    return facts, effects


def turn_came(hold: Hold, decision: DecisionId, at_us: int, reason: str, grounds: Grounds) -> Follows:
    """End what waited for its turn on a resource, if all else is there and nothing stands against it.

    Otherwise it stays held: the next minute looks again.
    """
    if hold.effect_id is not None or _missing(hold, decision, grounds):
        return (), ()
    if _standing_against(hold, grounds) or _no_room(hold, grounds):
        return (), ()
    return _approved(hold, _Word(decision_id=decision, at_us=at_us, reason=reason), grounds, by=_people(hold))


def denied(hold: Hold, decision: DecisionId, at_us: int, reason: str) -> HoldEnded:
    """End what another got the resource of."""
    return _ended(hold, _Word(decision_id=decision, at_us=at_us), "denied", by=(), reason=reason)


def timed_out(holds: Holds, at_us: int, policy_hash: Digest) -> tuple[Fact, ...]:
    """End what nobody answered in time, the longest overdue first, then what no answer lets go any more.

    Neither is a denial by anybody.
    """
    late = {decision: hold for decision, hold in overdue(holds, at_us) if not hold.shadowed}
    found = [(d, late[d], _in_vain(late[d])) for d in sorted(late, key=lambda d: (late[d].until_us, d))]
    found += [
        (decision, hold, _CHANGED) for decision, hold in outdated(holds, policy_hash) if decision not in late
    ]
    return tuple(
        _ended(hold, _Word(decision_id=decision, at_us=at_us), "timeout", by=(), reason=reason)
        for decision, hold, reason in found
    )


def _missing(hold: Hold, decision: DecisionId, grounds: Grounds) -> tuple[str, ...]:
    paused = grounds.paused(capability_name(hold.capability))
    return missing(hold, paused=paused, behind=grounds.behind(decision))


def _in_vain(hold: Hold) -> str:
    return f"too few agreed in time: {count(hold.votes)}" if hold.votes else _IN_VAIN


def _no_room(hold: Hold, grounds: Grounds) -> str:
    """Say which limit has no room for it; empty when there is.

    What is larger than a whole window escalates (ADR 7): its owner was asked for just that.
    """
    said = grounds.limited(hold.agent, hold.impact)
    return said.reason if said.ruling == "deny" else ""


def _standing_against(hold: Hold, grounds: Grounds) -> str:
    """Say what keeps everybody from letting it run now, captains too; empty when nothing does."""
    if stop := grounds.stopped(hold.agent, hold.capability, hold.action):
        return stop
    if hold.policy_hash != grounds.policy_hash:
        return f"{_CHANGED}; propose it again"
    if hold.action not in grounds.actions:
        return f"the registry no longer has {hold.action}"
    if not grounds.may_act(hold.capability):
        return f"{hold.capability} lost its authority after this was held"
    return ""


class _Word(Struct, frozen=True, kw_only=True):
    """What ends a hold without being about that one alone."""

    decision_id: DecisionId
    at_us: int
    reason: str = ""


_Ending = HoldAnswered | DecisionOverridden | _Word


def _approved(hold: Hold, word: _Ending, grounds: Grounds, *, by: tuple[PersonId, ...]) -> Follows:
    over = _ended(hold, word, "approved", by=by, reason=word.reason)
    action = grounds.actions.get(hold.action)
    if hold.effect_id is not None or action is None or action.run is None:
        # Looked at, and nothing runs; or the agent does it itself, and reports the outcome.
        return (over,), ()
    perform = PerformHeld(
        decision_id=word.decision_id,
        proposal_id=hold.proposal_id,
        agent=hold.agent,
        capability=hold.capability,
        action=hold.action,
        digest=hold.digest,
        undo=action.undo,
        run=action.run,
    )
    return (over,), (perform,)


def _ended(hold: Hold, word: _Ending, how: HoldEnding, *, by: tuple[PersonId, ...], reason: str) -> HoldEnded:
    return HoldEnded(
        at_us=word.at_us,
        decision_id=word.decision_id,
        proposal_id=hold.proposal_id,
        agent=hold.agent,
        capability=hold.capability,
        action=hold.action,
        how=how,
        by=by,
        reason=reason,
        effect_id=hold.effect_id,
    )


def _refused(fact: HoldAnswered | DecisionOverridden | VoteCast, reason: str) -> Follows:
    by = fact.voter if isinstance(fact, VoteCast) else fact.by
    return (AnswerRefused(at_us=fact.at_us, decision_id=fact.decision_id, by=by, reason=reason),), ()


def _people(hold: Hold, *last: PersonId) -> tuple[PersonId, ...]:
    """Name everybody whose word let it run: approvals in the order in which they were given, then votes."""
    agreed = [each.voter for each in hold.votes if each.choice == "for"]
    return tuple(dict.fromkeys([*(each.by for each in hold.approvals), *agreed, *last]))


def _waits_to_go_on(holds: Holds, fact: RolloutResumed) -> Iterator[tuple[DecisionId, Hold]]:
    name = capability_name(fact.capability)
    for decision, hold in holds.by_id.items():
        if (
            capability_name(hold.capability) == name
            and hold.is_open(fact.at_us)
            and any(wait.kind == "resume" for wait in hold.waits)
        ):
            yield decision, hold


def _sum(one: Impact, other: Impact) -> Impact:
    return Impact(
        cost_usd=min(one.cost_usd + other.cost_usd, _MOST_USD),
        files=one.files + other.files,
        api_calls=one.api_calls + other.api_calls,
    )
