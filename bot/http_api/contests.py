"""Routes of competing decisions: see what is voted on between them, vote, settle what votes leave open."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import Response

from bot.http_api import answers, contest_answers
from bot.http_api.decisions import DecisionKey
from bot.http_api.document import problems, shown
from bot.http_api.front import Anybody, Captain, Front, by, require
from bot.http_api.models import Body
from bot.http_api.problems import Problem
from bot.http_api.routing import StrictRoute
from bot.http_api.votes import owner_of
from engine.commands.standing import standing_of
from engine.core.vocabulary.ids import DecisionId
from engine.core.vocabulary.units import time_text
from engine.runtime import wire_contests


class BallotBody(Body):
    """A ballot among decisions that want the same."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"choices": ["d_7e566b8fac673f6"], "rationale": "it is quicker"}]}
    )

    choices: Annotated[
        list[Annotated[str, Field(pattern=r"^d_[0-9a-f]{15}$")]],
        Field(max_length=20, description="What you could live with, or the best first; none abstains"),
    ]
    rationale: Annotated[str, Field(max_length=2_000, description="Why; everybody who may vote reads it")] = (
        ""
    )


class SettleBody(Body):
    """A captain's word on what the ballots left open."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "the restart is safer"}]})

    reason: Annotated[str, Field(max_length=2_000)] = ""


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["votes"])

    @router.get(
        "/contests",
        operation_id="list_contests",
        summary="See what is voted on between decisions that want one resource",
        description="People see all; an agent sees where it may vote.",
        response_class=Response,
        responses={**shown(contest_answers.ContestList, "What is voted on"), **problems()},
    )
    async def contests(holder: Anybody) -> Response:
        found = await front.ask(
            wire_contests.GetContests(voter=by(holder), owner=owner_of(holder)), wire_contests.ContestList
        )
        mine = [each for each in found.contests if holder.kind == "person" or not each.why_not]
        return answers.answer(contest_answers.ContestList(contests=tuple(_shown(each) for each in mine)))

    @router.post(
        "/decisions/{decision_id}/ballot",
        operation_id="cast_ballot",
        summary="Vote among decisions that want one resource",
        description="For agents, responders and captains that the policy lets vote on all of them. The path "
        "names any of them. A ballot may be changed until the end; one owner has one, and nobody votes where "
        "their own proposal stands.",
        response_class=Response,
        responses={**shown(contest_answers.BallotTaken, "It counts"), **problems(404, 409, body=True)},
    )
    async def ballot(holder: Anybody, decision_id: DecisionKey, body: BallotBody) -> Response:
        if holder.kind == "person":
            require(holder, "responder")
        decision = DecisionId(decision_id)
        request = wire_contests.CastBallot(
            about=decision,
            voter=by(holder),
            choices=tuple(DecisionId(each) for each in body.choices),
            rationale=body.rationale,
            owner=owner_of(holder),
        )
        if standing_of(front.journal(), decision) is None:
            front.standing(decision, holder)
        said = await front.ask(request, wire_contests.ContestAnswer)
        if not said.counted:
            # Whoever may not vote on it hears no more of it than of one that is not there.
            await front.seen(decision, holder)
            raise Problem(
                "conflict", said.reason, place=decision, cure="see where you may vote: GET /v1/contests"
            )
        return _taken(said)

    @router.post(
        "/decisions/{decision_id}/settle",
        operation_id="settle_contest",
        summary="Say which of those that want one resource it is, where ballots left it open",
        description="For captains, after a tie or a missing quorum. It takes the place of the vote alone: "
        "what needs an approval still does, and no stop or limit is passed by.",
        response_class=Response,
        responses={**shown(contest_answers.BallotTaken, "It counts"), **problems(403, 404, 409, body=True)},
    )
    async def settle(holder: Captain, decision_id: DecisionKey, body: SettleBody) -> Response:
        decision = DecisionId(decision_id)
        front.standing(decision, holder)
        request = wire_contests.SettleContest(choice=decision, by=by(holder), reason=body.reason)
        said = await front.ask(request, wire_contests.ContestAnswer)
        if not said.counted:
            raise Problem("conflict", said.reason, place=decision, cure="see what is open: GET /v1/contests")
        return _taken(said)

    return router


def _taken(said: wire_contests.ContestAnswer) -> Response:
    return answers.answer(
        contest_answers.BallotTaken(contest_id=said.contest_id, reason=said.reason, winner=said.winner)
    )


def _shown(contest: wire_contests.ContestShown) -> contest_answers.ContestShown:
    points = {each.decision_id: each.points for each in contest.points}
    return contest_answers.ContestShown(
        contest_id=contest.contest_id,
        resource=contest.resource,
        method=contest.method,
        since=time_text(contest.since_us),
        until=time_text(contest.until_us),
        quorum=contest.quorum,
        alternatives=tuple(
            contest_answers.AlternativeShown(
                decision_id=each.decision_id,
                agent=each.agent,
                capability=each.capability,
                action=each.action,
                points=points.get(each.decision_id, 0),
                score=each.score,
                links={
                    "self": f"/v1/decisions/{each.decision_id}",
                    "ballot": f"/v1/decisions/{each.decision_id}/ballot",
                },
            )
            for each in contest.alternatives
        ),
        ballots=tuple(
            contest_answers.BallotShown(
                voter=each.voter, owner=each.owner, choices=each.choices, weight=each.weight
            )
            for each in contest.ballots
        ),
        undecided=contest.undecided,
        why_not=contest.why_not,
    )
