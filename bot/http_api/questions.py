"""Routes of questions: people ask an agent about what waits, and the agent answers."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from bot.http_api import answers, question_answers
from bot.http_api.decisions import DecisionKey
from bot.http_api.document import problems, shown
from bot.http_api.front import Agent, Front, Responder, by
from bot.http_api.models import QuestionBody, ReplyBody
from bot.http_api.routing import StrictRoute
from engine.core.vocabulary.ids import AgentId, DecisionId
from engine.runtime import wire


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/decisions", route_class=StrictRoute, tags=["holds"])

    @router.post(
        "/{decision_id}/questions",
        operation_id="ask_question",
        summary="Ask the agent about what waits",
        description="For responders and captains. The agent reads it in `questions` of the decision and in "
        "its streams, and answers. It stops no clock: what waits ends when its time is over.",
        response_class=Response,
        responses={**shown(question_answers.QuestionTaken, "It is asked"), **problems(404, 409, body=True)},
    )
    async def ask(holder: Responder, decision_id: DecisionKey, body: QuestionBody) -> Response:
        decision = DecisionId(decision_id)
        front.standing(decision, holder)
        request = wire.AskAgent(decision_id=decision, by=by(holder), question=body.question)
        return taken(await front.ask(request, wire.QuestionTaken))

    @router.post(
        "/{decision_id}/questions/{nth}/answer",
        operation_id="answer_question",
        summary="Answer a question about what you proposed",
        description="For the agent that proposed it, once for each question, while it waits.",
        response_class=Response,
        responses={
            **shown(question_answers.QuestionTaken, "It is answered"),
            **problems(404, 409, body=True),
        },
    )
    async def reply(
        holder: Agent,
        decision_id: DecisionKey,
        nth: Annotated[int, Path(ge=1, le=1000, examples=[1])],
        body: ReplyBody,
    ) -> Response:
        decision = DecisionId(decision_id)
        front.standing(decision, holder)
        request = wire.ReplyToQuestion(
            decision_id=decision, agent=AgentId(holder.name), nth=nth, answer=body.answer
        )
        return taken(await front.ask(request, wire.QuestionTaken))

    def taken(said: wire.QuestionTaken) -> Response:
        here = f"/v1/decisions/{said.decision_id}"
        return answers.answer(
            question_answers.QuestionTaken(
                decision_id=said.decision_id,
                nth=said.nth,
                agent=said.agent,
                links={"self": here, "answer": f"{here}/questions/{said.nth}/answer"},
            )
        )

    return router
