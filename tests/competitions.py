"""Builders for tests of competing proposals: a policy under which things compete, told step by step."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.core.decide import Decisions, follow
from engine.core.evolve import evolve
from engine.core.policy import Policy
from engine.core.state import State
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.competing import Competition
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.core.vocabulary.voting import VotingSettings
from engine.core.work import balloting
from engine.core.work.contests import on_ballot
from tests.builders import NOON_US, changed, performing, proposal, state_under

WEB = "service:web"


def competition(**values: Any) -> Competition:
    """Approval, five minutes for ballots and fifteen for a captain, a quorum of two."""
    given: dict[str, Any] = {"within_us": 5 * MINUTE_US, "captain_us": 15 * MINUTE_US, "quorum": 2}
    return Competition(**given | values)


def policy_with(voting: dict[str, Any] | None = None, **values: Any) -> Policy:
    """The shipped policy with `cache.clear` and `service.restart` performed by us, and a competition."""
    whole = VotingSettings(competition=competition(**values), **voting or {})
    return changed(performing("cache.clear", "service.restart"), voting=whole)


class Course:
    """A history that is told step by step, as a live engine would tell it."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or policy_with()
        self.state: State = state_under(self.policy)
        self.at_us = NOON_US
        self.facts: list[f.Fact] = []

    def tell(self, fact: f.Fact) -> Decisions:
        self.facts.append(fact)
        evolve(self.state, fact)

        def take(each: f.Fact) -> None:
            self.facts.append(each)
            evolve(self.state, each)

        return follow(self.policy, self.state, fact, take)

    def wants(self, name: str, agent: str, action: str = "cache.clear", **values: Any) -> str:
        """Have an agent propose something on `web`; returns the decision's id."""
        self.at_us += SECOND_US
        asked = proposal(action, proposal_id=name, agent=agent, **values)
        self.tell(f.ProposalReceived(at_us=self.at_us, proposal=asked))
        return decision_id(asked.proposal_id)

    def ballot(self, voter: str, *choices: str, resource: str = WEB, **values: Any) -> Decisions:
        self.at_us += SECOND_US
        wanted = self.state.contests.by_resource[resource]
        assert wanted.contest is not None
        voting = self.policy.voting
        given: dict[str, Any] = {
            "contest_id": wanted.contest.contest_id,
            "decisions": tuple(on_ballot(wanted, self.at_us)),
            "owner": voting.owner_of(voter),
            "weight": balloting.weight_of(voting, on_ballot(wanted, self.at_us), voter),
        }
        return self.tell(
            f.BallotCast(at_us=self.at_us, resource=resource, voter=voter, choices=choices, **given | values)
        )

    def settles(self, captain: str, choice: str, resource: str = WEB) -> Decisions:
        self.at_us += SECOND_US
        contest = self.state.contests.by_resource[resource].contest
        assert contest is not None
        return self.tell(
            f.ContestSettled(
                at_us=self.at_us,
                contest_id=contest.contest_id,
                resource=resource,
                decisions=contest.decisions,
                choice=choice,
                by=captain,
            )
        )

    def passes(self, minutes: float) -> Decisions:
        self.at_us += round(minutes * MINUTE_US)
        return self.tell(f.TimePassed(at_us=self.at_us, schedule="minute"))

    def ends(self, decision: str, status: str = "done") -> Decisions:
        self.at_us += SECOND_US
        (proposal_id,) = [
            each.verdict.proposal_id
            for each in self.facts
            if isinstance(each, f.VerdictReached) and each.verdict.decision_id == decision
        ]
        return self.tell(
            f.EffectEnded(
                at_us=self.at_us,
                effect_id=decision,
                kind="perform",
                decision_id=decision,
                proposal_id=proposal_id,
                agent="coder-1",
                capability="heal@1",
                action="cache.clear",
                token=1,
                status=status,
                result=f.Result(success=status == "done", execution_time_s=0.1),
            )
        )

    def runs(self) -> list[str]:
        """What was handed to a worker, in order: verdicts that allowed, and holds that were let go."""
        found = []
        for fact in self.facts:
            if isinstance(fact, f.VerdictReached) and fact.verdict.word == "allow":
                found.append(fact.verdict.decision_id)
            if isinstance(fact, f.HoldEnded) and fact.how == "approved":
                found.append(fact.decision_id)
        return found

    def decided(self) -> f.ContestDecided:
        """How the only contest was decided."""
        (found,) = [fact for fact in self.facts if isinstance(fact, f.ContestDecided)]
        return found

    def how(self, decision: str) -> str:
        """How a hold ended; empty while it waits."""
        return next((over.how for over in self._ends(decision)), "")

    def reason(self, decision: str) -> str:
        (over,) = self._ends(decision)
        return over.reason

    def _ends(self, decision: str) -> list[f.HoldEnded]:
        ends = [fact for fact in self.facts if isinstance(fact, f.HoldEnded)]
        return [over for over in ends if over.decision_id == decision]

    def refusals(self) -> list[str]:
        return [fact.reason for fact in self.facts if isinstance(fact, f.BallotRefused)]


def three(course: Course, last: str = "service.restart", **values: Any) -> tuple[str, str, str]:
    """Have one thing run on `web`, and two others want it meanwhile."""
    first = course.wants("p-1", "coder-1")
    second = course.wants("p-2", "coder-2", **values)
    third = course.wants("p-3", "coder-3", last, **values)
    return first, second, third


def folded(facts: list[f.Fact], policy: Policy) -> State:
    """State folded from the facts alone, as a restart does."""
    state = state_under(policy)
    for fact in facts:
        evolve(state, msgspec.json.decode(f.encode(fact), type=f.AnyFact))
    return state
