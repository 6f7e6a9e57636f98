"""Competing: what follows when several decisions want one resource: who is put to a vote, and who gets it.

The vote takes the place of nothing else: whoever wins goes on only when all it waits for beside that is
there, nothing runs on the resource, and no stop, limit or other policy stands against it, as with every hold.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from engine.core.vocabulary.competing import Competition
from engine.core.vocabulary.contest_facts import ContestEnding, Points
from engine.core.vocabulary.effects import AskPeople, Effect
from engine.core.vocabulary.facts import (
    BallotCast,
    BallotRefused,
    ContestDecided,
    ContestOpened,
    ContestSettled,
    ContestUndecided,
    EffectEnded,
    Fact,
    HoldEnded,
    OutcomeReported,
    TimePassed,
    VerdictReached,
)
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, DecisionId, PersonId, decision_id
from engine.core.vocabulary.units import MINUTE_US
from engine.core.vocabulary.verdicts import Answer, Wait
from engine.core.vocabulary.voting import AGENT, VotingSettings
from engine.core.work import answers, balloting, ballots
from engine.core.work.contests import (
    MOST,
    Contest,
    Contests,
    Waiting,
    Wanted,
    alive,
    behind,
    contest_id,
    contested,
    objection,
    on_ballot,
    others,
)
from engine.core.work.holds import Holds

FOLLOWED: Final = (
    VerdictReached, HoldEnded, EffectEnded, OutcomeReported, TimePassed, BallotCast, ContestSettled,
    ContestDecided,
)  # fmt: skip
"""Facts after which somebody may get a resource, or a vote on it may begin or end."""
GATE: Final = "consensus"
_RULE: Final = "voting.competition"
_MOST_SAID: Final = 3

Follows = answers.Follows


def judge(
    voting: VotingSettings, contests: Contests, resource: str, apart: frozenset[DecisionId], now_us: int
) -> Answer:
    """Hold what wants a resource that others want or have.

    `apart` are the decision itself, and what it takes the place of.
    """
    waiting, runs = others(contests, resource, now_us)
    before = [name for name in waiting if name not in apart]
    if not before and not runs:
        return Answer(gate=GATE, ruling="allow", rule=_RULE, owner=voting.owner)
    if len(before) >= MOST:
        return Answer(
            gate=GATE,
            ruling="deny",
            reason=f"{MOST} wait for {resource} already; propose it again when fewer do",
            rule=_RULE,
            owner=voting.owner,
        )
    said = [f"{name} runs on {resource}" for name in runs[:_MOST_SAID]]
    said += [
        f"{name} ({waiting[name].action} of {waiting[name].agent}) wants it too"
        for name in before[:_MOST_SAID]
    ]
    more = len(runs) + len(before) - len(said)
    return Answer(
        gate=GATE,
        ruling="consensus",
        reason=f"it needs {resource}, and {', '.join(said)}{f' and {more} more' if more > 0 else ''}",
        rule=_RULE,
        owner=voting.owner,
        waits=(Wait(kind="choice", role="voters"),),
    )


def after(  # noqa: PLR0911 - one answer for each kind of fact
    contests: Contests, holds: Holds, fact: Fact, voting: VotingSettings, grounds: answers.Grounds
) -> Follows:
    """Say what follows from a fact that is folded already."""
    rules = voting.competition
    if rules is None:
        return (), ()
    match fact:
        case TimePassed():
            return _in_time(contests, holds, voting, rules, grounds, fact.at_us)
        case BallotCast():
            return _voted(contests, fact, voting, rules, grounds)
        case ContestSettled():
            return _settled(contests, fact)
        case ContestDecided():
            losers, _ = _lost(contests, holds, fact, rules)
            went, effects = _let_go(contests, holds, fact.resource, fact.at_us, grounds)
            return losers + went, effects
        case VerdictReached():
            decision = fact.verdict.decision_id
        case OutcomeReported():
            decision = decision_id(fact.proposal_id)
        case HoldEnded() | EffectEnded():
            decision = fact.decision_id
        case _:
            return (), ()
    touched = _resources(contests, decision, fact)
    facts: tuple[Fact, ...] = ()
    effects = ()
    for resource in touched:
        more, asked = _go_on(contests, holds, resource, fact, voting, rules, grounds)
        facts, effects = facts + more, effects + asked
    return facts, effects


def _resources(contests: Contests, decision: DecisionId, fact: Fact) -> Iterable[str]:
    """Return what a fact may have changed something on.

    What has ended stands nowhere any more, so whoever waits is looked for everywhere.
    """
    if isinstance(fact, VerdictReached):
        return [contests.where[decision]] if decision in contests.where else []
    return sorted(name for name, wanted in contests.by_resource.items() if wanted.waiting or wanted.contest)


def _go_on(  # noqa: PLR0917 - what everything here goes by
    contests: Contests,
    holds: Holds,
    resource: str,
    fact: Fact,
    voting: VotingSettings,
    rules: Competition,
    grounds: answers.Grounds,
) -> Follows:
    """Begin or end a vote on a resource, or let go on whose turn it is."""
    wanted, at_us = contests.by_resource[resource], fact.at_us
    if (over := _overruled(wanted, resource, fact)) is not None:
        return (over,), ()
    if wanted.contest is not None and len(left := on_ballot(wanted, at_us)) < 2:
        return (_alone(resource, wanted.contest, tuple(left), at_us),), ()
    if wanted.chosen in alive(wanted, at_us):
        return _let_go(contests, holds, resource, at_us, grounds)
    first = _first_of_each(wanted, voting, at_us)
    if (opened := _opened(wanted, resource, first, at_us, rules)) is not None:
        return (opened,), ()
    if wanted.contest is None and len(first) == 1 and not wanted.runs:
        hold = holds.by_id.get(first[0])
        if hold is not None and hold.waits_for_choice:
            return (_alone(resource, None, tuple(first), at_us),), ()
    return (), ()


def _first_of_each(wanted: Wanted, voting: VotingSettings, at_us: int) -> list[DecisionId]:
    """Return what may stand on a ballot: of each owner what waits longest, so that nobody fills it."""
    first: dict[PersonId, DecisionId] = {}
    for name, each in alive(wanted, at_us).items():
        if not each.stuck:
            first.setdefault(balloting.whose(voting, each), name)
    return list(first.values())


def _opened(
    wanted: Wanted, resource: str, first: list[DecisionId], at_us: int, rules: Competition
) -> ContestOpened | None:
    contest = wanted.contest
    if contest is None:
        if len(first) < 2:
            return None
        decisions, until_us = tuple(first), at_us + rules.within_us
        name = contest_id(resource, decisions, at_us)
    else:
        if contest.undecided or at_us >= contest.until_us or set(first) <= set(contest.decisions):
            return None
        new = [each for each in first if each not in contest.decisions]
        decisions = (*(each for each in first if each in contest.decisions), *new)
        name, until_us = contest.contest_id, contest.until_us
    return ContestOpened(
        at_us=at_us,
        contest_id=name,
        resource=resource,
        decisions=decisions,
        method=rules.method,
        until_us=until_us,
    )


# ---------------------------------------------------------------- ballots


def _voted(
    contests: Contests,
    fact: BallotCast,
    voting: VotingSettings,
    rules: Competition,
    grounds: answers.Grounds,
) -> Follows:
    wanted = contests.by_resource.get(fact.resource)
    contest = wanted.contest if wanted is not None else None
    if wanted is None or contest is None or contest.contest_id != fact.contest_id:
        return (_refused(fact, fact.voter, "that vote is over"),), ()
    left = on_ballot(wanted, fact.at_us)
    is_counted = bool(contest.ballots) and contest.ballots[-1].nth == contest.answers
    against = "" if is_counted else objection(contest, fact)
    against = against or balloting.ineligible(voting, left, fact.voter, fact.owner)
    if not against and (fact.owner, fact.weight) != (
        # Where the policy names no owner, whoever let the voter in knows who it is.
        voting.owners.get(fact.voter, fact.owner),
        balloting.weight_of(voting, left, fact.voter),
    ):
        against = f"the policy gives {fact.voter} another owner or weight; vote again"
    if not against and fact.voter.startswith(AGENT):
        agent = AgentId(fact.voter.removeprefix(AGENT))
        against = grounds.stopped(agent, CapabilityId(""), ActionName(""))
    if against:
        return (_refused(fact, fact.voter, against),), ()
    room = balloting.room(voting, left)
    _, weights = balloting.counted(contest, left, voting)
    if room is not None and sum(weights.values()) >= room:
        # All have voted who may: nothing can change any more.
        return _closed(fact.resource, contest, left, voting, rules, fact.at_us)
    return (), ()


def _closed(  # noqa: PLR0917 - what everything here goes by
    resource: str,
    contest: Contest,
    left: Mapping[DecisionId, Waiting],
    voting: VotingSettings,
    rules: Competition,
    at_us: int,
) -> Follows:
    """Count the ballots. A tie, or too few of them, is a captain's to settle."""
    names, outcome = tuple(left), balloting.tally(contest, left, voting, rules)
    _, weights = balloting.counted(contest, left, voting)
    cast = sum(weights.values())
    said = (
        f"the {rules.method} vote on {resource}: {_points(outcome.scores)} points; {cast} votes cast, "
        f"and it takes {rules.quorum}"
    )
    scores = tuple(Points(DecisionId(each.alternative), each.points) for each in outcome.scores)
    if cast >= rules.quorum and outcome.winner is not None:
        winner = DecisionId(outcome.winner)
        return (
            _decided(resource, contest, names, "vote", winner, f"{said}; {winner} has most", at_us, scores),
        ), ()
    if cast < rules.quorum:
        tied, why = names, "too few voted"
    elif not outcome.winners:
        tied, why = names, "nobody chose any of them"
    else:
        tied = tuple(name for name in names if name in outcome.winners)
        why = f"a tie between {' and '.join(tied)}"
    said = f"{said}; {why}"
    minutes = rules.captain_us // MINUTE_US
    undecided = ContestUndecided(
        at_us=at_us,
        contest_id=contest.contest_id,
        resource=resource,
        decisions=names,
        tied=tied,
        until_us=at_us + rules.captain_us,
        reason=said,
    )
    captain = (Wait(kind="person", role="captain"),)
    asked = AskPeople(
        decision_id=tied[0], waits=captain, summary=f"{said}; a captain settles it within {minutes} min"
    )
    return (undecided,), (asked,)


def _points(scores: Iterable[ballots.Score]) -> str:
    return ", ".join(f"{each.alternative} {each.points}" for each in scores)


# ---------------------------------------------------------------- what decides where ballots do not


def _settled(contests: Contests, fact: ContestSettled) -> Follows:
    wanted = contests.by_resource.get(fact.resource)
    contest = wanted.contest if wanted is not None else None
    if wanted is None or contest is None or contest.contest_id != fact.contest_id:
        return (_refused(fact, fact.by, "that vote is over"),), ()
    if not contest.undecided:
        return (_refused(fact, fact.by, "ballots are still taken; what they leave open is settled then"),), ()
    left = on_ballot(wanted, fact.at_us)
    if fact.choice not in left:
        return (_refused(fact, fact.by, f"{fact.choice} does not stand on this ballot any more"),), ()
    because = f": {fact.reason}" if fact.reason else ""
    said = f"{contest.undecided}; {fact.by} settled it for {fact.choice}{because}"
    return (_decided(fact.resource, contest, tuple(left), "captain", fact.choice, said, fact.at_us),), ()


def _by_score(
    resource: str,
    contest: Contest,
    left: Mapping[DecisionId, Waiting],
    rules: Competition,
    at_us: int,
) -> ContestDecided:
    """Let the highest priority score decide; where several have it, nothing does but the failsafe."""
    open_still = [name for name in contest.tied if name in left] or list(left)
    scores = tuple(Points(name, left[name].touches.score) for name in open_still)
    most = max(each.points for each in scores)
    best = [each.decision_id for each in scores if each.points == most]
    said = f"{contest.undecided}; no captain settled it in time; priority scores: " + ", ".join(
        f"{each.decision_id} {each.points}" for each in scores
    )
    if len(best) == 1:
        said = f"{said}; {best[0]} has the highest"
        return _decided(resource, contest, tuple(left), "priority", best[0], said, at_us, scores)
    word = "all are denied" if rules.failsafe == "deny" else "all are held for a captain's override"
    said = f"{said}; {' and '.join(best)} have the same, so the failsafe holds: {word}"
    return _decided(resource, contest, tuple(left), "failsafe", None, said, at_us, scores)


def _overruled(wanted: Wanted, resource: str, fact: Fact) -> ContestDecided | None:
    """Say that a captain let one of them go on while it was being voted on."""
    contest = wanted.contest
    if contest is None or not isinstance(fact, HoldEnded) or fact.how != "approved":
        return None
    if fact.decision_id not in contest.decisions or fact.decision_id not in wanted.runs:
        return None
    said = f"{' and '.join(fact.by)} overruled the vote on {resource} for {fact.decision_id}"
    names = tuple(on_ballot(wanted, fact.at_us))
    return _decided(resource, contest, names, "override", fact.decision_id, said, fact.at_us)


def _alone(
    resource: str, contest: Contest | None, left: tuple[DecisionId, ...], at_us: int
) -> ContestDecided:
    said = f"nothing else that waits wants {resource} any more"
    name = contest.contest_id if contest is not None else contest_id(resource, left, at_us)
    return ContestDecided(
        at_us=at_us,
        contest_id=name,
        resource=resource,
        decisions=left,
        how="alone",
        winner=left[0] if left else None,
        reason=said,
    )


def _decided(  # noqa: PLR0917 - what the fact holds
    resource: str,
    contest: Contest,
    names: tuple[DecisionId, ...],
    how: ContestEnding,
    winner: DecisionId | None,
    reason: str,
    at_us: int,
    scores: tuple[Points, ...] = (),
) -> ContestDecided:
    return ContestDecided(
        at_us=at_us,
        contest_id=contest.contest_id,
        resource=resource,
        decisions=names,
        how=how,
        winner=winner,
        reason=reason,
        scores=scores,
    )


def _in_time(  # noqa: PLR0917 - what everything here goes by
    contests: Contests,
    holds: Holds,
    voting: VotingSettings,
    rules: Competition,
    grounds: answers.Grounds,
    at_us: int,
) -> Follows:
    """End votes whose time is over, and let go on whatever may by now."""
    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()
    for resource, wanted, contest in contested(contests):
        left = on_ballot(wanted, at_us)
        if len(left) < 2:
            facts = (*facts, _alone(resource, contest, tuple(left), at_us))
        elif contest.undecided:
            if contest.captain_until_us <= at_us:
                facts = (*facts, _by_score(resource, contest, left, rules, at_us))
        elif contest.until_us <= at_us:
            more, asked = _closed(resource, contest, left, voting, rules, at_us)
            facts, effects = facts + more, effects + asked
    tick = TimePassed(at_us=at_us, schedule="")
    for resource in sorted(contests.by_resource):
        if contests.by_resource[resource].contest is None:
            more, asked = _go_on(contests, holds, resource, tick, voting, rules, grounds)
            facts, effects = facts + more, effects + asked
    return facts, effects


# ---------------------------------------------------------------- what becomes of them


def _lost(contests: Contests, holds: Holds, fact: ContestDecided, rules: Competition) -> Follows:
    """Deny those that lost, naming the winner; or leave them to wait, as the policy says."""
    denies = rules.failsafe == "deny" if fact.how == "failsafe" else rules.losers == "deny"
    if not denies or fact.how == "alone":
        return (), ()
    reason = f"{fact.winner} gets {fact.resource}: {fact.reason}" if fact.winner else fact.reason
    return tuple(_denials(contests, holds, fact, reason)), ()


def _denials(contests: Contests, holds: Holds, fact: ContestDecided, reason: str) -> Iterator[Fact]:
    wanted = contests.by_resource.get(fact.resource)
    for decision in fact.decisions:
        hold = holds.by_id.get(decision)
        still = wanted is not None and decision in wanted.waiting
        if decision != fact.winner and hold is not None and hold.effect_id is None and still:
            yield answers.denied(hold, decision, fact.at_us, reason)


def _let_go(contests: Contests, holds: Holds, resource: str, at_us: int, grounds: answers.Grounds) -> Follows:
    """Let whoever was chosen go on, if all else it waits for is there and nothing stands against it."""
    wanted = contests.by_resource.get(resource)
    decision = wanted.chosen if wanted is not None else None
    hold = holds.by_id.get(decision) if decision is not None else None
    if wanted is None or decision is None or hold is None or not hold.is_open(at_us):
        return (), ()
    if decision not in wanted.waiting or behind(contests, decision):
        return (), ()
    return answers.turn_came(hold, decision, at_us, wanted.why, grounds)


def _refused(fact: BallotCast | ContestSettled, by: PersonId, reason: str) -> BallotRefused:
    return BallotRefused(
        at_us=fact.at_us,
        contest_id=fact.contest_id,
        resource=fact.resource,
        decisions=fact.decisions,
        by=by,
        reason=reason,
    )
