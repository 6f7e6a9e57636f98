"""Routes of what was said: agents tell what the person asked and what tools returned."""

from fastapi import APIRouter
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.document import problems, shown
from bot.http_api.front import Agent, Front
from bot.http_api.message_bodies import MessagesBody, messages_of
from bot.http_api.rollouts import Episode
from bot.http_api.routing import StrictRoute
from engine.core.vocabulary.ids import AgentId, EpisodeId
from engine.runtime import wire


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["agents"])

    @router.post(
        "/episodes/{episode}/messages",
        operation_id="tell_messages",
        summary="Tell what was said in an episode: where values come from is read from that",
        description="For agents, in order. What is known counts once, so the whole conversation may be told "
        "again. What the person said is the agent's word; `provenance.yaml` says whose word counts.",
        response_class=Response,
        responses={**shown(answers.Noted, "It is in the journal"), **problems(body=True)},
    )
    async def tell(holder: Agent, episode: Episode, body: MessagesBody) -> Response:
        request = wire.TellMessages(
            agent=AgentId(holder.name), episode=EpisodeId(episode), messages=messages_of(body.messages)
        )
        await front.ask(request, wire.Done)
        return answers.answer(answers.Noted(episode=episode))

    return router
