"""Routes of votes: see what waits for them, and vote. Agents vote with their token, as people do."""

from fastapi import APIRouter
from starlette.responses import Response

from bot.http_api import answers, vote_answers
from bot.http_api.decisions import DecisionKey
from bot.http_api.document import problems, shown
from bot.http_api.front import Anybody, Front, by, require
from bot.http_api.models import VoteBody
from bot.http_api.problems import Problem
from bot.http_api.routing import StrictRoute
from engine.commands.standing import standing_of
from engine.core.vocabulary.ids import DecisionId, PersonId
from engine.core.vocabulary.units import time_text
from engine.ports import Holder
from engine.runtime import wire


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["votes"])

    @router.get(
        "/votes",
        operation_id="list_votes",
        summary="See what waits for votes, the longest waiting first",
        description="People see all; an agent sees what it may vote on.",
        response_class=Response,
        responses={**shown(vote_answers.PollList, "What waits for votes"), **problems()},
    )
    async def polls(holder: Anybody) -> Response:
        found = await front.ask(wire.GetPolls(voter=by(holder), owner=owner_of(holder)), wire.PollList)
        mine = [poll for poll in found.polls if holder.kind == "person" or not poll.why_not]
        return answers.answer(vote_answers.PollList(votes=tuple(_shown(poll) for poll in mine)))

    @router.post(
        "/decisions/{decision_id}/vote",
        operation_id="vote",
        summary="Vote on what waits for votes",
        description="For agents, responders and captains that the policy lets vote on it. A vote may be "
        "changed until the end, and the last one counts; one owner has one vote, and nobody votes on what "
        "they proposed. It ends when enough agree, and when too few still can.",
        response_class=Response,
        responses={**shown(vote_answers.VoteTaken, "It counts"), **problems(404, 409, body=True)},
    )
    async def vote(holder: Anybody, decision_id: DecisionKey, body: VoteBody) -> Response:
        if holder.kind == "person":
            require(holder, "responder")
        decision = DecisionId(decision_id)
        request = wire.CastVote(
            decision_id=decision,
            voter=by(holder),
            choice=body.choice,
            rationale=body.rationale,
            owner=owner_of(holder),
        )
        standing = standing_of(front.journal(), decision)
        if standing is None:
            standing = front.standing(decision, holder)
        said = await front.ask(request, wire.HoldAnswer)
        if not said.counted:
            # Whoever may not vote on it hears no more of it than of one that is not there.
            await front.seen(decision, holder)
            raise Problem(
                "conflict", said.reason, place=decision, cure="see what you may vote on: GET /v1/votes"
            )
        now = standing_of(front.journal(), decision) or standing
        return answers.answer(
            vote_answers.VoteTaken(
                decision_id=decision,
                status=said.status,
                reason=said.reason,
                vote=vote_answers.vote_of(front.journal(), now),
                links=answers.links_of(now),
            )
        )

    return router


def owner_of(holder: Holder) -> PersonId | None:
    """Say whose agent it is, as its token has it."""
    return PersonId(holder.owner) if holder.owner is not None else None


def _shown(poll: wire.PollShown) -> vote_answers.PollShown:
    here = f"/v1/decisions/{poll.decision_id}"
    return vote_answers.PollShown(
        decision_id=poll.decision_id,
        since=time_text(poll.since_us),
        until=time_text(poll.until_us),
        agent=poll.agent,
        capability=poll.capability,
        action=poll.action,
        needed=poll.needed,
        of=poll.of,
        agree=poll.tally.agree,
        against=poll.tally.against,
        abstain=poll.tally.abstain,
        why_not=poll.why_not,
        links={"self": here, "explain": f"{here}/explain", "vote": f"{here}/vote"},
    )
