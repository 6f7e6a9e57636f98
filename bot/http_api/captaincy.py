"""Routes of the captaincy: see who holds it, and hand it over."""

from fastapi import APIRouter
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.captaincy_answers import CaptaincyShown
from bot.http_api.document import problems, shown
from bot.http_api.front import Front, Viewer, by
from bot.http_api.models import CaptaincyBody
from bot.http_api.routing import StrictRoute
from engine.core.vocabulary.ids import PersonId
from engine.runtime import wire


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["override"])

    @router.get(
        "/captaincy",
        operation_id="get_captaincy",
        summary="See who holds the captaincy",
        description="For people.",
        response_class=Response,
        responses={**shown(CaptaincyShown, "Who holds it"), **problems()},
    )
    async def captaincy(
        holder: Viewer,  # noqa: ARG001 - asked for so that only people see it
    ) -> Response:
        return told(await front.ask(wire.GetCaptaincy(), wire.CaptaincyShown))

    @router.post(
        "/captaincy",
        operation_id="say_of_captaincy",
        summary="Hand the captaincy over, take it, or say that the captain is away",
        description="For people: who acts as captain hands it over and names a deputy, whoever it is offered "
        "to accepts or declines, and the captain or the deputy says who is away.",
        response_class=Response,
        responses={**shown(CaptaincyShown, "It counts"), **problems(409, body=True)},
    )
    async def say(holder: Viewer, body: CaptaincyBody) -> Response:
        request = wire.SayOfCaptaincy(word=body.word, by=by(holder), to=PersonId(body.to), reason=body.reason)
        return told(await front.ask(request, wire.CaptaincyShown))

    def told(known: wire.CaptaincyShown) -> Response:
        return answers.answer(
            CaptaincyShown(
                captain=known.captain,
                deputy=known.deputy,
                away=known.away,
                acting=known.acting,
                offered=known.offered,
                confirm=known.confirm,
            )
        )

    return router
