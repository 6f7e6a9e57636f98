"""Routes of bodies: what performs effects on other machines comes here, and is never called.

A body asks for work and waits, says before it begins, keeps its leases alive and says how each ended. Beside
that it keeps one stream open, on which it hears of stops. That is read from the fence itself, so that it
works with the engine dead or spinning.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bot.http_api import answers
from bot.http_api.body_answers import BodyShown, BodyWork, Stops, WorkOver
from bot.http_api.document import problems, shown, streamed
from bot.http_api.front import Anybody, Front
from bot.http_api.message_bodies import STRICT
from bot.http_api.models import whole
from bot.http_api.routing import StrictRoute
from bot.http_api.streams import MEDIA_TYPE
from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.ids import ActionName, EffectId
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.bodies import worker_of

LONGEST_WAIT_S: Final = 30
LOOK_S: Final = 0.005
"""Between two looks at the fence while a body listens: each takes microseconds."""
SPEAK_S: Final = 0.25
"""A body begins nothing when it heard nothing for a while: so often it hears that nothing has changed."""
_MOST_TEXT: Final = 300_000
_MARGIN_S: Final = 10.0

_EFFECT: Final = r"^[a-z]_[0-9a-z_]{1,64}$"
Effect = Annotated[str, Field(pattern=_EFFECT, examples=["d_80dde1abd920b63"])]
Run = Annotated[str, Field(pattern=r"^[a-z0-9]{4,32}$", description="Names this run", examples=["3f9a77c1"])]
Token = Annotated[
    int, Field(ge=1, le=10**15, description="The fencing token of the lease"), BeforeValidator(whole)
]
_Kind = TypeVar("_Kind", bound=wire.Answer)


class _Body(BaseModel):
    model_config = STRICT


class WorkAsked(_Body):
    """What a body says when it asks for work."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={"examples": [{"run": "3f9a77c1", "most": 2, "accepts": ["file.edit"]}]}
    )

    run: Run
    most: Annotated[int, Field(ge=0, le=64, description="How many it takes at once"), BeforeValidator(whole)]
    wait_s: Annotated[float, Field(ge=0, le=LONGEST_WAIT_S, allow_inf_nan=False)] = 0.0
    version: Annotated[str, Field(pattern=r"^([0-9]{1,4}(\.[0-9]{1,6}){0,3}[a-z0-9.+]{0,12})?$")] = ""
    accepts: Annotated[
        list[Annotated[str, Field(max_length=128)]],
        Field(max_length=1000, description="The actions its owner lets it perform"),
    ] = Field(default_factory=list)


class LeaseNamed(_Body):
    """One lease."""

    effect_id: Effect
    token: Token


class LeasesNamed(_Body):
    """The leases that a run holds."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={
            "examples": [{"run": "3f9a77c1", "leases": [{"effect_id": "d_80dde1abd920b63", "token": 7}]}]
        }
    )

    run: Run
    leases: Annotated[list[LeaseNamed], Field(max_length=1000)]


class ResultTold(_Body):
    """What a runner had to say at the end."""

    success: bool
    output: Annotated[str, Field(max_length=_MOST_TEXT)] = ""
    error: Annotated[str, Field(max_length=_MOST_TEXT)] = ""
    execution_time_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class EndTold(_Body):
    """How an effect ended."""

    effect_id: Effect
    token: Token
    status: EffectStatus
    result: ResultTold


def routes(front: Front) -> APIRouter:
    """Make the routes. The door lets bodies in, and nobody else."""
    router = APIRouter(prefix="/v1/body", route_class=StrictRoute, tags=["bodies"])

    async def ask(request: wire.AnyRequest, kind: type[_Kind], wait_s: float = 0.0) -> _Kind:
        return await front.ask(request, kind, timeout_s=wait_s + _MARGIN_S)

    @router.get(
        "/self",
        operation_id="body_self",
        summary="Ask who this body is, and what the registry has for it",
        response_class=Response,
        responses={**shown(BodyShown, "Its name, its pools and its actions"), **problems(409)},
    )
    async def oneself(holder: Anybody) -> Response:
        known = await ask(wire.AskActions(places=(holder.name, *holder.pools)), wire.ActionsKnown)
        about = BodyShown(name=holder.name, pools=holder.pools, version=front.version, actions=known.actions)
        return answers.answer(about)

    @router.post(
        "/work",
        operation_id="body_work",
        summary="Take effects to perform, or wait for some",
        description="Each comes with a lease that ends by itself unless it is renewed. Before it is begun, "
        "that must be said, and answered.",
        response_class=Response,
        responses={**shown(BodyWork, "Effects, or none"), **problems(409, body=True)},
    )
    async def work(holder: Anybody, body: WorkAsked) -> Response:
        about = wire.Body(
            name=holder.name,
            pools=holder.pools,
            version=body.version,
            accepts=tuple(ActionName(name) for name in body.accepts),
        )
        request = wire.Lease(
            worker=worker_of(holder.name, body.run), most=body.most, wait_s=body.wait_s, body=about
        )
        leased = await ask(request, wire.Leased, body.wait_s)
        return answers.answer(BodyWork(effects=leased.effects, lease_s=leased.lease_s))

    @router.post(
        "/begin",
        operation_id="body_begin",
        summary="Say that an effect is about to begin",
        description="Answered with 204 once it is on disk. Whatever else is answered, or nothing: it must "
        "not begin. The lease runs anew from then on.",
        response_class=Response,
        status_code=204,
        responses=problems(409, body=True),
    )
    async def begin(holder: Anybody, body: LeaseNamed) -> Response:
        effect = EffectId(body.effect_id)
        return await _done(front, wire.Start(effect_id=effect, token=body.token, body=holder.name))

    @router.post(
        "/return",
        operation_id="body_return",
        summary="Return an effect that was not begun",
        response_class=Response,
        status_code=204,
        responses=problems(409, body=True),
    )
    async def give_back(holder: Anybody, body: LeaseNamed) -> Response:
        effect = EffectId(body.effect_id)
        return await _done(front, wire.GiveBack(effect_id=effect, token=body.token, body=holder.name))

    @router.post(
        "/renew",
        operation_id="body_renew",
        summary="Keep leases alive",
        response_class=Response,
        responses={**shown(WorkOver, "Which of them are over"), **problems(409, body=True)},
    )
    async def renew(holder: Anybody, body: LeasesNamed) -> Response:
        tokens = {EffectId(lease.effect_id): lease.token for lease in body.leases}
        request = wire.Renew(worker=worker_of(holder.name, body.run), tokens=tokens)
        renewed = await ask(request, wire.Renewed)
        return answers.answer(WorkOver(lost=renewed.lost))

    @router.post(
        "/end",
        operation_id="body_end",
        summary="Say how an effect ended",
        description="Answered with 204 once it is on disk: until then it is to be kept. Saying the same "
        "again changes nothing. One that was given up meanwhile is told to people all the same.",
        response_class=Response,
        status_code=204,
        responses=problems(409, body=True),
    )
    async def end(holder: Anybody, body: EndTold) -> Response:
        told = body.result
        request = wire.End(
            effect_id=EffectId(body.effect_id),
            token=body.token,
            status=body.status,
            result=Result(
                success=told.success,
                output=told.output,
                error=told.error,
                execution_time_s=told.execution_time_s,
            ),
            body=holder.name,
        )
        return await _done(front, request)

    @router.get(
        "/stops",
        operation_id="body_stops",
        summary="Hear of every stop at once",
        description="All stops that stand, at once, at every change, and a few times a second besides. A "
        "body that has not heard this for a moment begins nothing.",
        response_class=Response,
        responses={**streamed("The stops as they come and go"), **problems()},
    )
    async def stops(request: Request) -> Response:
        lines = _stops(front, request.state.still_in)
        return StreamingResponse(lines, media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})

    return router


async def _done(front: Front, request: Any) -> Response:
    await front.ask(request, wire.Done)
    return Response(status_code=204)


async def _stops(front: Front, still_in: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Give the stops, until the token is revoked or we come to an end."""
    loop = asyncio.get_running_loop()
    said: tuple[Stop, ...] | None = None
    speak_at = 0.0
    while not front.hearing.closing:
        now = front.fence.stops()
        if now != said or loop.time() >= speak_at:
            if not still_in():
                return
            said, speak_at = now, loop.time() + SPEAK_S
            yield b"event: stops\ndata: %b\n\n" % answers.encoded(Stops(stops=now))
        await asyncio.sleep(LOOK_S)
