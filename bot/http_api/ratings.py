"""Routes of ratings: say what a decision was worth, and see how far confidences came true."""

from fastapi import APIRouter
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.decisions import DecisionKey
from bot.http_api.document import problems, shown
from bot.http_api.front import Front, Responder, Viewer, by
from bot.http_api.models import RateBody
from bot.http_api.routing import StrictRoute
from engine.commands.judging import MOST, calibrations_in
from engine.core.vocabulary.ids import DecisionId
from engine.runtime import wire


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["ratings"])

    @router.post(
        "/decisions/{decision_id}/rate",
        operation_id="rate",
        summary="Say what a decision was worth",
        description="For responders and captains, once it is over. Said again, the last word counts.",
        response_class=Response,
        responses={**shown(answers.Rated, "It is in the journal"), **problems(404, 409, body=True)},
    )
    async def rate(holder: Responder, decision_id: DecisionKey, body: RateBody) -> Response:
        decision = DecisionId(decision_id)
        front.standing(decision, holder)
        request = wire.RateDecision(
            decision_id=decision,
            by=by(holder),
            role=holder.role or "viewer",
            rating=body.rating,
            reason=body.reason,
        )
        await front.ask(request, wire.Done)
        return answers.answer(answers.Rated(decision_id=decision, rating=body.rating))

    @router.get(
        "/calibration",
        operation_id="list_calibrations",
        summary="See how far confidences came true, by capability and by rule",
        description="For people. From the newest outcomes and ratings in the journal, so it answers with the "
        "engine away, too.",
        response_class=Response,
        responses={**shown(answers.CalibrationList, "Every capability and rule"), **problems()},
    )
    async def everything(holder: Viewer) -> Response:  # noqa: ARG001 - asked for so that only people see it
        found = await front.look(calibrations_in)
        return answers.answer(answers.CalibrationList(calibrations=tuple(found), newest=MOST))

    return router
