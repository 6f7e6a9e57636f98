"""Routes of the override: stop and resume. Stopping asks nobody who could be dead."""

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.document import problems, shown
from bot.http_api.front import Anybody, Captain, Front, by, require
from bot.http_api.models import KillBody, ResumeBody
from bot.http_api.problems import Problem
from bot.http_api.routing import StrictRoute
from engine.adapters.machine_time import now_us
from engine.adapters.redaction import redact
from engine.core.vocabulary.facts import Scope
from engine.ports import Holder, Stop
from engine.runtime import wire

# In an emergency nobody should have to remember how a body is written.
_EVERYTHING = KillBody()


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["override"])

    @router.post(
        "/kill",
        operation_id="kill",
        summary="Stop everything, an agent, a capability or an action",
        description="For responders and captains; an agent may stop itself. The fence is durable before this "
        "answers, also when the engine is dead. Counted apart from a token's other requests.",
        response_class=Response,
        responses={**shown(answers.Killed, "Nothing the stop covers begins any more"), **problems(body=True)},
    )
    async def kill(holder: Anybody, body: KillBody = _EVERYTHING) -> Response:
        scope = body.parsed
        _may_stop(holder, scope)
        who = by(holder)
        stop = Stop(scope=scope, by=who, reason=body.reason, at_us=now_us())
        stood = await front.stopping.set(stop, asker=holder.kind)
        return answers.answer(
            answers.Killed(
                scope=str(scope),
                by=who,
                fence="set",
                swept=stood.swept,
                engine=stood.engine,
            )
        )

    @router.post(
        "/resume",
        operation_id="resume",
        summary="Lift one stop",
        description="For captains, with a reason.",
        response_class=Response,
        responses={**shown(answers.Resumed, "That stop no longer stands"), **problems(409, body=True)},
    )
    async def resume(holder: Captain, body: ResumeBody) -> Response:
        scope = body.parsed
        await front.ask(wire.LiftStop(scope=scope, by=by(holder), reason=body.reason), wire.Done)
        return answers.answer(answers.Resumed(scope=str(scope), by=by(holder), reason=redact(body.reason)))

    @router.get(
        "/stops",
        operation_id="list_stops",
        summary="See what is stopped",
        response_class=Response,
        responses={**shown(answers.StopList, "The stops that stand"), **problems()},
    )
    async def stops(holder: Anybody) -> Response:  # noqa: ARG001 - asked for so that the door is passed
        standing = await asyncio.to_thread(front.fence.stops)
        return answers.answer(answers.StopList(stops=tuple(answers.stop_shown(stop) for stop in standing)))

    return router


def _may_stop(holder: Holder, scope: Scope) -> None:
    if holder.kind == "person":
        require(holder, "responder")
    elif scope != Scope("agent", holder.name):
        raise Problem(
            "forbidden",
            "an agent may stop itself only",
            cure=f"give the scope agent:{holder.name}, or ask a responder",
        )
