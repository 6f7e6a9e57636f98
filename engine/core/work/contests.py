"""Contests: which decisions want one resource, what runs on it, and the ballots on which of them gets it.

A resource is a name that the registry makes of an action's arguments, such as `service:web`. What is held and
what runs stands here under it until it has ended; what comes meanwhile waits, and several that wait compete.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from engine.core.vocabulary.competing import Ballot, Touches
from engine.core.vocabulary.facts import (
    BallotCast,
    BallotRefused,
    ContestDecided,
    ContestOpened,
    ContestUndecided,
    EffectEnded,
    HoldEnded,
    OutcomeReported,
)
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    ContestId,
    DecisionId,
    PersonId,
    decision_id,
)
from engine.core.vocabulary.verdicts import Verdict, Wait
from engine.core.work.hold import MOST_CHANGES
from engine.core.work.holds import GRACE_US, Holds

MOST: Final = 20
"""How many may wait for one resource. Nobody reads a longer ballot; what comes then is denied."""


class Waiting(Struct, frozen=True, kw_only=True):
    """A held decision that wants a resource."""

    since_us: int
    until_us: int
    """When its hold is over."""
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    touches: Touches
    owner: PersonId | UnsetType = UNSET
    """Who owns the agent; unset where nobody is known to."""
    stuck: bool = False
    """Whether the failsafe holds it: only a captain's word lets it go on."""


class Runs(Struct, frozen=True, array_like=True):
    """What may be at work on a resource: `[since_us, performed]`."""

    since_us: int
    performed: bool


class Contest(Struct, frozen=True, kw_only=True):
    """The vote between those that want one resource."""

    contest_id: ContestId
    decisions: tuple[DecisionId, ...]
    """All that ever stood on the ballot."""
    since_us: int
    until_us: int
    answers: int = 0
    """How many ballots were given, counted or not."""
    ballots: tuple[Ballot, ...] = ()
    """One of each owner, the latest last."""
    replaced: Ballot | None = None
    """What the latest took the place of: it counts again if that one is refused."""
    undecided: str = ""
    """What the ballots came to when they decided nothing; empty while they are taken."""
    tied: tuple[DecisionId, ...] = ()
    captain_until_us: int = 0


class Wanted(Struct, kw_only=True):
    """One resource somebody wants or has."""

    waiting: dict[DecisionId, Waiting] = {}
    runs: dict[DecisionId, Runs] = {}
    contest: Contest | None = None
    chosen: DecisionId | None = None
    """Which of those that wait gets it next; `None` while nothing is said."""
    why: str = ""
    """Why that one."""


class Contests(Struct):
    """Every resource somebody wants or has."""

    by_resource: dict[str, Wanted] = {}
    where: dict[DecisionId, str] = {}
    """Which resource a decision wants or has."""

    def of(self, decision: DecisionId) -> Wanted | None:
        """Return the resource a decision wants or has; `None` where it competes with nothing."""
        resource = self.where.get(decision)
        return self.by_resource.get(resource) if resource is not None else None


def contest_id(resource: str, decisions: tuple[DecisionId, ...], at_us: int) -> ContestId:
    """Give a contest its id.

    >>> contest_id("service:web", (DecisionId("d_1"), DecisionId("d_2")), 0)
    'c_bf12a60c'
    """
    told = f"{resource}/{'/'.join(decisions)}/{at_us}"
    return ContestId("c_" + hashlib.blake2b(told.encode(), digest_size=4).hexdigest())


# ---------------------------------------------------------------- the fold


def fold_verdict(contests: Contests, verdict: Verdict, hold_until_us: int) -> None:
    """Note what wants a resource, or has it."""
    touches = verdict.touches
    if touches is UNSET or verdict.shadowed or verdict.word == "deny":
        return
    wanted = contests.by_resource.setdefault(touches.resource, Wanted())
    # What no tick has ended for long is gone: a recording need not have any.
    for old in [name for name, each in wanted.waiting.items() if each.until_us + GRACE_US <= verdict.at_us]:
        del wanted.waiting[old]
        contests.where.pop(old, None)
    contests.where[verdict.decision_id] = touches.resource
    if verdict.word == "allow":
        wanted.runs[verdict.decision_id] = Runs(verdict.at_us, touches.performed)
        return
    wanted.waiting[verdict.decision_id] = Waiting(
        since_us=verdict.at_us,
        until_us=hold_until_us,
        agent=verdict.agent,
        capability=verdict.capability,
        action=verdict.action,
        touches=touches,
        owner=verdict.owner,
    )


def fold_hold_ended(contests: Contests, fact: HoldEnded) -> None:
    """Let go of what waits no longer; approved, it has the resource now."""
    wanted = contests.of(fact.decision_id)
    if wanted is None or fact.effect_id is not None:
        return
    waited = wanted.waiting.pop(fact.decision_id, None)
    if wanted.chosen == fact.decision_id:
        wanted.chosen, wanted.why = None, ""
    if waited is not None and fact.how == "approved":
        wanted.runs[fact.decision_id] = Runs(fact.at_us, waited.touches.performed)
    _forget(contests, fact.decision_id)


def fold_effect(contests: Contests, fact: EffectEnded) -> None:
    """Free the resource of what has ended, however it ended."""
    if fact.kind == "perform":
        _free(contests, fact.decision_id)


def fold_outcome(contests: Contests, fact: OutcomeReported) -> None:
    """Free the resource of what an agent did itself, and reports on."""
    decision = decision_id(fact.proposal_id)
    wanted = contests.of(decision)
    if wanted is not None and decision in wanted.runs and not wanted.runs[decision].performed:
        _free(contests, decision)


def fold_time(contests: Contests, now_us: int, hold_us: int) -> None:
    """Free the resource of what an agent never reported on: it has it no longer than anything is held."""
    late = [
        decision
        for wanted in contests.by_resource.values()
        for decision, each in wanted.runs.items()
        if not each.performed and each.since_us + hold_us <= now_us
    ]
    for decision in late:
        _free(contests, decision)


def fold_opened(contests: Contests, fact: ContestOpened) -> None:
    """Take ballots from now on; of one that goes on, among one more."""
    wanted = contests.by_resource.get(fact.resource)
    if wanted is None:
        return
    before = wanted.contest
    if before is not None and before.contest_id == fact.contest_id:
        # What left meanwhile stood on it once.
        decisions = tuple(dict.fromkeys((*before.decisions, *fact.decisions)))
        wanted.contest = replace(before, decisions=decisions)
        return
    wanted.contest = Contest(
        contest_id=fact.contest_id, decisions=fact.decisions, since_us=fact.at_us, until_us=fact.until_us
    )


def fold_waits(holds: Holds, fact: ContestOpened) -> None:
    """Have everything that stands on a ballot wait for what it comes to."""
    for decision in fact.decisions:
        hold = holds.by_id.get(decision)
        if hold is not None and not hold.waits_for_choice:
            waits = (*hold.waits, Wait(kind="choice", role="voters"))
            holds.by_id[decision] = replace(hold, waits=waits)


def fold_ballot(contests: Contests, fact: BallotCast) -> None:
    """Count a ballot in the place of the one its owner gave before, if nothing stands against it here.

    One that is refused for anything else is followed by `BallotRefused`, and the earlier one counts again.
    """
    wanted, contest = _contest(contests, fact)
    if wanted is None or contest is None:
        return
    nth, ballots, before = contest.answers + 1, contest.ballots, None
    if not objection(contest, fact):
        before = next((each for each in ballots if each.owner == fact.owner), None)
        changes = 0 if before is None else before.changes + 1
        ballots = _put(ballots, Ballot(fact.voter, fact.owner, fact.choices, fact.weight, nth, changes))
    wanted.contest = replace(contest, answers=nth, ballots=ballots, replaced=before)


def fold_refused(contests: Contests, fact: BallotRefused) -> None:
    """Take the last ballot out again."""
    wanted, contest = _contest(contests, fact)
    if wanted is None or contest is None or not contest.ballots or fact.by != contest.ballots[-1].voter:
        return
    if contest.ballots[-1].nth == contest.answers:
        left = contest.ballots[:-1]
        ballots = left if contest.replaced is None else _put(left, contest.replaced)
        wanted.contest = replace(contest, ballots=ballots, replaced=None)


def fold_undecided(contests: Contests, fact: ContestUndecided) -> None:
    """Take no more ballots: a captain is asked."""
    wanted, contest = _contest(contests, fact)
    if wanted is not None and contest is not None:
        wanted.contest = replace(
            contest, undecided=fact.reason, tied=fact.tied, captain_until_us=fact.until_us
        )


def fold_decided(contests: Contests, fact: ContestDecided) -> None:
    """Remember who gets it; where nothing decided, hold them for a captain's word alone."""
    wanted = contests.by_resource.get(fact.resource)
    if wanted is None:
        return
    if wanted.contest is not None and wanted.contest.contest_id == fact.contest_id:
        wanted.contest = None
    if fact.winner is not None and fact.winner in wanted.waiting:
        wanted.chosen, wanted.why = fact.winner, fact.reason
    elif fact.how == "failsafe":
        for decision in fact.decisions:
            if (waits := wanted.waiting.get(decision)) is not None:
                wanted.waiting[decision] = replace(waits, stuck=True)
    if not wanted.waiting and not wanted.runs:
        del contests.by_resource[fact.resource]


# ---------------------------------------------------------------- how it stands


def objection(contest: Contest, fact: BallotCast) -> str:
    """Say what in the contest itself speaks against a ballot; empty when nothing does."""
    if contest.undecided:
        return "no more ballots are taken; it waits for a captain to settle it"
    if fact.at_us >= contest.until_us:
        return "its time was over before that"
    if strange := [each for each in fact.choices if each not in contest.decisions]:
        return f"{strange[0]} does not stand on this ballot"
    mine = next((each for each in contest.ballots if each.owner == fact.owner), None)
    if mine is not None and mine.voter != fact.voter:
        return f"{mine.voter} has voted for {fact.owner} already, and one owner has one ballot"
    if mine is not None and mine.changes >= MOST_CHANGES:
        return f"this ballot was changed {MOST_CHANGES} times already, and stays as it is"
    return ""


def alive(wanted: Wanted, now_us: int) -> dict[DecisionId, Waiting]:
    """Return what still waits, the longest waiting first; of what began together, by name."""
    found = [(name, each) for name, each in wanted.waiting.items() if each.until_us > now_us]
    return dict(sorted(found, key=lambda item: (item[1].since_us, item[0])))


def on_ballot(wanted: Wanted, now_us: int) -> dict[DecisionId, Waiting]:
    """Return what stands on the ballot and still waits, in that order; nothing without a contest."""
    if wanted.contest is None:
        return {}
    return {name: each for name, each in alive(wanted, now_us).items() if name in wanted.contest.decisions}


def behind(contests: Contests, decision: DecisionId) -> str:
    """Say what stands before a decision that waits for its turn; empty when nothing does."""
    resource = contests.where.get(decision, "")
    wanted = contests.by_resource.get(resource)
    if wanted is None or decision not in wanted.waiting:
        return ""
    if wanted.chosen == decision:
        return f"what runs on {resource} to end" if wanted.runs else ""
    if wanted.waiting[decision].stuck:
        return "a captain's override"
    if wanted.contest is not None and decision in wanted.contest.decisions:
        return f"a captain to settle {resource}" if wanted.contest.undecided else f"the ballot on {resource}"
    return f"{resource} to be free"


def others(
    contests: Contests, resource: str, now_us: int
) -> tuple[Mapping[DecisionId, Waiting], list[DecisionId]]:
    """Return what waits for a resource, and what runs on it."""
    wanted = contests.by_resource.get(resource)
    return ({}, []) if wanted is None else (alive(wanted, now_us), sorted(wanted.runs))


def contested(contests: Contests) -> Iterator[tuple[str, Wanted, Contest]]:
    """Give every resource that is being voted on, by name."""
    for resource in sorted(contests.by_resource):
        wanted = contests.by_resource[resource]
        if wanted.contest is not None:
            yield resource, wanted, wanted.contest


def _contest(
    contests: Contests, fact: BallotCast | BallotRefused | ContestUndecided
) -> tuple[Wanted | None, Contest | None]:
    wanted = contests.by_resource.get(fact.resource)
    if wanted is None or wanted.contest is None or wanted.contest.contest_id != fact.contest_id:
        return None, None
    return wanted, wanted.contest


def _put(ballots: tuple[Ballot, ...], ballot: Ballot) -> tuple[Ballot, ...]:
    return (*(each for each in ballots if each.owner != ballot.owner), ballot)


def _free(contests: Contests, decision: DecisionId) -> None:
    wanted = contests.of(decision)
    if wanted is not None and wanted.runs.pop(decision, None) is not None:
        _forget(contests, decision)


def _forget(contests: Contests, decision: DecisionId) -> None:
    """Keep no more of it than is still going on."""
    resource = contests.where[decision]
    wanted = contests.by_resource[resource]
    if decision not in wanted.waiting and decision not in wanted.runs:
        del contests.where[decision]
    if not wanted.waiting and not wanted.runs and wanted.contest is None:
        del contests.by_resource[resource]
