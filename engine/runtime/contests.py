"""Contests as the engine takes them: ballots, and a captain's word where they leave something open."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from msgspec import structs

from engine.core.gates import kill_switch
from engine.core.policy import Policy
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.contest_facts import Points
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, DecisionId
from engine.core.vocabulary.units import time_text
from engine.core.vocabulary.voting import AGENT
from engine.core.work import balloting
from engine.core.work.contests import MOST, Contest, Wanted, contested, on_ballot
from engine.core.work.hold import MOST_CHANGES
from engine.errors import InputError
from engine.ports import JournalReader
from engine.runtime import wire, wire_contests
from engine.runtime.contest_keys import ballot_key
from engine.runtime.intake import Intake
from engine.runtime.outbox import hold_end, verdict_of
from engine.runtime.votes import owner_of_voter


class ContestKeeper:
    """Takes votes between decisions that want one resource."""

    def __init__(
        self,
        policy: Policy,
        intake: Intake,
        now_us: Callable[[], int],
        stops_known: Callable[[], Awaitable[None]],
    ) -> None:
        """`stops_known` returns when every stop of the fence is in the journal."""
        self._policy, self._intake, self._now_us, self._stops_known = policy, intake, now_us, stops_known
        self.answers: dict[type[wire.Request], Callable[[Any], Awaitable[Any]]] = {
            wire_contests.CastBallot: self.vote,
            wire_contests.SettleContest: self.settle,
            wire_contests.GetContests: self.show,
        }

    async def vote(self, request: wire_contests.CastBallot) -> wire_contests.ContestAnswer:
        """Take a ballot; the same one again changes nothing. Raises `InputError` without such a decision."""
        await self._stops_known()
        found = self._contest(request.about)
        if isinstance(found, wire_contests.ContestAnswer):
            return found
        resource, wanted, contest = found
        voting, left = self._policy.voting, on_ballot(wanted, self._now_us())
        fact = f.BallotCast(
            at_us=self._now_us(),
            contest_id=contest.contest_id,
            resource=resource,
            decisions=tuple(left),
            voter=request.voter,
            owner=owner_of_voter(voting, request.voter, request.owner),
            # More than can stand on a ballot says nothing more, and must not fill the disk.
            choices=tuple(dict.fromkeys(request.choices))[: MOST + 1],
            weight=balloting.weight_of(voting, left, request.voter),
            rationale=request.rationale,
        )
        mine = next((each for each in contest.ballots if each.owner == fact.owner), None)
        if mine is not None and (mine.voter, mine.choices) == (fact.voter, fact.choices):
            return _counted(contest, f"{mine.voter} voted so already; {_goes_on(contest)}")
        if mine is not None and mine.changes >= MOST_CHANGES:
            return _not_counted(f"this ballot was changed {MOST_CHANGES} times already, and stays as it is")
        return await self._said(contest, fact)

    async def settle(self, request: wire_contests.SettleContest) -> wire_contests.ContestAnswer:
        """Take a captain's word. Raises `InputError` when there is no such decision."""
        await self._stops_known()
        found = self._contest(request.choice)
        if isinstance(found, wire_contests.ContestAnswer):
            return found
        resource, wanted, contest = found
        fact = f.ContestSettled(
            at_us=self._now_us(),
            contest_id=contest.contest_id,
            resource=resource,
            decisions=tuple(on_ballot(wanted, self._now_us())),
            choice=request.choice,
            by=request.by,
            reason=request.reason,
        )
        return await self._said(contest, fact)

    async def show(self, request: wire_contests.GetContests) -> wire_contests.ContestList:
        """Say what is being voted on, as somebody who may vote there sees it."""
        shown = [self._shown(*each, request) for each in contested(self._intake.state.contests)]
        return wire_contests.ContestList(contests=tuple(shown))

    # ------------------------------------------------------------ the rest

    async def _said(
        self, contest: Contest, fact: f.BallotCast | f.ContestSettled
    ) -> wire_contests.ContestAnswer:
        journal = self._intake.journal
        key = next(
            key
            for nth in count(1)
            if journal.find(key := ballot_key(fact.resource, contest.contest_id, nth)) is None
        )
        taken = await self._intake.take(key, fact)
        for followed in taken.decisions.facts:
            if isinstance(followed, f.BallotRefused):
                return _not_counted(followed.reason)
            if isinstance(followed, f.ContestDecided):
                return structs.replace(_counted(contest, followed.reason), winner=followed.winner)
            if isinstance(followed, f.ContestUndecided):
                return _counted(contest, f"{followed.reason}; a captain settles it")
        return _counted(contest, _goes_on(contest))

    def _contest(self, decision: DecisionId) -> tuple[str, Wanted, Contest] | wire_contests.ContestAnswer:
        contests = self._intake.state.contests
        wanted, resource = contests.of(decision), contests.where.get(decision, "")
        if wanted is not None and wanted.contest is not None and decision in wanted.contest.decisions:
            return resource, wanted, wanted.contest
        return _not_counted(self._why_none(self._intake.journal, decision))

    @staticmethod
    def _why_none(journal: JournalReader, decision: DecisionId) -> str:
        verdict_of(journal, decision)
        over = hold_end(journal, decision)
        if over is not None:
            return f"{decision} does not compete any more: it is {over.how} since {time_text(over.at_us)}"
        return f"{decision} stands on no ballot now"

    def _shown(
        self, resource: str, wanted: Wanted, contest: Contest, request: wire_contests.GetContests
    ) -> wire_contests.ContestShown:
        rules = self._policy.voting.competition
        if rules is None:
            raise InputError("nothing competes under this policy", cure="see `competition` in voting.yaml")
        left = on_ballot(wanted, self._now_us())
        return wire_contests.ContestShown(
            contest_id=contest.contest_id,
            resource=resource,
            method=rules.method,
            since_us=contest.since_us,
            until_us=contest.captain_until_us if contest.undecided else contest.until_us,
            quorum=rules.quorum,
            alternatives=tuple(
                wire_contests.AlternativeShown(
                    decision_id=name,
                    agent=each.agent,
                    capability=each.capability,
                    action=each.action,
                    score=each.touches.score,
                )
                for name, each in left.items()
            ),
            ballots=contest.ballots,
            points=tuple(
                Points(DecisionId(each.alternative), each.points)
                for each in balloting.tally(contest, left, self._policy.voting, rules).scores
            ),
            undecided=contest.undecided,
            why_not=self._why_not(contest, left, request),
        )

    def _why_not(
        self, contest: Contest, left: dict[DecisionId, Any], request: wire_contests.GetContests
    ) -> str:
        if contest.undecided:
            return "no more ballots are taken; it waits for a captain to settle it"
        voting = self._policy.voting
        owner = owner_of_voter(voting, request.voter, request.owner)
        if against := balloting.ineligible(voting, left, request.voter, owner):
            return against
        if not request.voter.startswith(AGENT):
            return ""
        agent = AgentId(request.voter.removeprefix(AGENT))
        stops = self._intake.state.stops
        return kill_switch.judge(stops, agent, CapabilityId(""), ActionName("")).reason


def _counted(contest: Contest, reason: str) -> wire_contests.ContestAnswer:
    return wire_contests.ContestAnswer(counted=True, reason=reason, contest_id=contest.contest_id)


def _not_counted(reason: str) -> wire_contests.ContestAnswer:
    return wire_contests.ContestAnswer(counted=False, reason=reason)


def _goes_on(contest: Contest) -> str:
    return f"ballots are taken until {time_text(contest.until_us)}"
