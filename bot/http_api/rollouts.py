"""Routes of rollouts: how they stand, and what people want of them. Evidence decides, people ask."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.document import problems, shown
from bot.http_api.front import Anybody, Captain, Front, Responder, by
from bot.http_api.models import IncumbentBody, ReasonBody
from bot.http_api.problems import Problem
from bot.http_api.routing import StrictRoute
from engine.adapters.redaction import redact
from engine.core.vocabulary.ids import ActionName, CapabilityId, EpisodeId, capability_name
from engine.core.vocabulary.units import time_text
from engine.core.work.rollout.evidence import shown as shown_requirement
from engine.runtime import wire

Capability = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}(@[A-Za-z0-9_.-]{1,27})?$", examples=["edit@1"])
]
Episode = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}$", examples=["incident-7"])]


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["rollouts"])

    @router.get(
        "/rollouts",
        operation_id="list_rollouts",
        summary="See how every rollout stands",
        response_class=Response,
        responses={**shown(answers.RolloutList, "Each capability that is live or on its way"), **problems()},
    )
    async def everything(holder: Anybody) -> Response:  # noqa: ARG001 - asked for so that the door is passed
        found = await front.ask(wire.GetRollouts(), wire.RolloutList)
        return answers.answer(answers.RolloutList(rollouts=found.rollouts))

    @router.get(
        "/rollouts/{capability}",
        operation_id="get_rollout",
        summary="See how one rollout stands",
        description="What its next step asks for, and what is there.",
        response_class=Response,
        responses={**shown(answers.RolloutList, "It alone"), **problems(404, 422)},
    )
    async def one(holder: Anybody, capability: Capability) -> Response:  # noqa: ARG001 - as above
        name = capability_name(CapabilityId(capability))
        found = await front.ask(wire.GetRollouts(capability=name), wire.RolloutList, wrong="not-found")
        return answers.answer(answers.RolloutList(rollouts=found.rollouts))

    @router.post(
        "/capabilities/{capability}/promote",
        operation_id="promote",
        summary="Ask for the next step of a version",
        description="For captains. Taken when the evidence carries it, else refused with what is missing.",
        response_class=Response,
        responses={**shown(answers.Stepped, "It went a step up"), **problems(409, body=True)},
    )
    async def promote(holder: Captain, capability: Capability, body: ReasonBody) -> Response:
        request = wire.Promote(capability=CapabilityId(capability), by=by(holder), reason=body.reason)
        stepped = await front.ask(request, wire.Stepped)
        if not stepped.moved:
            missing = "; ".join(
                f"{each.name}: {shown_requirement(each)}"
                for each in stepped.evidence.requirements
                if not each.met
            )
            when = f", perhaps at {time_text(stepped.likely_us)}" if stepped.likely_us is not None else ""
            cure = f"missing: {missing or 'see why'}{when}"
            if stepped.confounded:
                cure += f". {stepped.confounded}"
            raise Problem("unproven", stepped.reason, place=capability, cure=cure)
        return answers.answer(_stepped(stepped))

    @router.post(
        "/capabilities/{capability}/abort",
        operation_id="abort",
        summary="Take away a capability's authority",
        description="For captains. Of the version on its way or, without one, of the live one.",
        response_class=Response,
        responses={**shown(answers.Stepped, "It was rolled back"), **problems(409, body=True)},
    )
    async def abort(holder: Captain, capability: Capability, body: ReasonBody) -> Response:
        name = capability_name(CapabilityId(capability))
        request = wire.Abort(capability=name, by=by(holder), reason=body.reason)
        return answers.answer(_stepped(await front.ask(request, wire.Stepped)))

    @router.post(
        "/capabilities/{capability}/pause",
        operation_id="pause_rollout",
        summary="Hold a capability back",
        description="For responders. Several reasons may hold it at once.",
        response_class=Response,
        responses={**shown(answers.Held, "It is held back"), **problems(409, body=True)},
    )
    async def pause(holder: Responder, capability: Capability, body: ReasonBody) -> Response:
        name = capability_name(CapabilityId(capability))
        await front.ask(wire.PauseRollout(capability=name, by=by(holder), reason=body.reason), wire.Done)
        return answers.answer(
            answers.Held(capability=name, paused=True, by=by(holder), reason=redact(body.reason))
        )

    @router.post(
        "/capabilities/{capability}/resume",
        operation_id="resume_rollout",
        summary="Lift one reason that holds a capability back",
        description="For responders. The reason is the one it was paused for.",
        response_class=Response,
        responses={**shown(answers.Held, "That reason holds it no more"), **problems(409, body=True)},
    )
    async def resume(holder: Responder, capability: Capability, body: ReasonBody) -> Response:
        name = capability_name(CapabilityId(capability))
        await front.ask(wire.ResumeRollout(capability=name, by=by(holder), reason=body.reason), wire.Done)
        return answers.answer(
            answers.Held(capability=name, paused=False, by=by(holder), reason=redact(body.reason))
        )

    @router.post(
        "/episodes/{episode}/incumbent",
        operation_id="report_incumbent",
        summary="Say what people, or a program nobody governs, did in an episode",
        description="For responders and agents. A version in shadow is measured against it.",
        response_class=Response,
        responses={**shown(answers.Noted, "It is in the journal"), **problems(409, body=True)},
    )
    async def incumbent(holder: Anybody, episode: Episode, body: IncumbentBody) -> Response:
        if holder.kind == "person" and holder.role == "viewer":
            raise Problem("forbidden", "a viewer only looks", cure="ask a responder")
        request = wire.ActIncumbent(
            episode=EpisodeId(episode),
            capability=capability_name(CapabilityId(body.capability)),
            action=ActionName(body.action),
            args=body.args,
            ok=body.ok,
            by=holder.name,
        )
        await front.ask(request, wire.Done)
        return answers.answer(answers.Noted(episode=episode))

    return router


def _stepped(stepped: wire.Stepped) -> answers.Stepped:
    return answers.Stepped(
        capability=stepped.capability,
        was=stepped.was,
        now=stepped.now,
        reason=stepped.reason,
        evidence=stepped.evidence,
        confounded=stepped.confounded,
    )
