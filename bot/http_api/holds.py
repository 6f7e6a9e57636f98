"""Routes of held decisions: see what waits for people, answer it, and overrule any decision."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.decisions import DecisionKey
from bot.http_api.document import problems, shown
from bot.http_api.front import Anybody, Front, Responder, Viewer, by, require
from bot.http_api.models import AnswerBody, ChangeBody, OverrideBody, TakeBody
from bot.http_api.problems import Problem
from bot.http_api.routing import StrictRoute
from engine.commands.recommending import MOST, recommendations_in
from engine.commands.standing import standing_of
from engine.core.vocabulary.ids import DecisionId, Digest
from engine.core.vocabulary.units import time_text
from engine.errors import InputError
from engine.ports import Holder
from engine.runtime import wire

_PLAIN, _TAKE = AnswerBody(), TakeBody()
# What works for a vetoed effect is ended before the answer, and ending it may take some seconds.
_OVERRIDE_S = 30.0


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["holds"])

    @router.get(
        "/holds",
        operation_id="list_holds",
        summary="See what waits for people, the longest waiting first",
        description="For people.",
        response_class=Response,
        responses={**shown(answers.HoldList, "What waits"), **problems()},
    )
    async def holds(
        holder: Viewer,  # noqa: ARG001 - asked for so that only people see it
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        found = await front.ask(wire.GetHolds(most=limit), wire.HoldList)
        return answers.answer(
            answers.HoldList(holds=tuple(_shown(hold) for hold in found.holds), more=found.more)
        )

    @router.post(
        "/decisions/{decision_id}/approve",
        operation_id="approve",
        summary="Approve what waits for people",
        description="For responders and captains. It runs when everything it waits for is given: one person "
        "counts once. Refused behind a stop, and when the policy has changed since it was proposed.",
        response_class=Response,
        responses={**shown(answers.AnswerTaken, "It counts"), **problems(404, 409, body=True)},
    )
    async def approve(holder: Responder, decision_id: DecisionKey, body: AnswerBody = _PLAIN) -> Response:
        return await answered(holder, decision_id, body, approves=True)

    @router.post(
        "/decisions/{decision_id}/deny",
        operation_id="deny",
        summary="Deny what waits for people",
        description="For responders and captains. One denial is enough, and nothing of it runs.",
        response_class=Response,
        responses={**shown(answers.AnswerTaken, "It counts"), **problems(404, 409, body=True)},
    )
    async def deny(holder: Responder, decision_id: DecisionKey, body: AnswerBody = _PLAIN) -> Response:
        return await answered(holder, decision_id, body, approves=False)

    async def answered(holder: Holder, decision_id: str, body: AnswerBody, *, approves: bool) -> Response:
        decision = DecisionId(decision_id)
        front.standing(decision, holder)
        request = wire.AnswerHold(
            decision_id=decision,
            by=by(holder),
            role=holder.role or "viewer",
            answer="approve" if approves else "deny",
            digest=Digest(body.digest) if body.digest is not None else None,
            reason=body.reason,
            stepped_up=approves and stepped_up(holder, body.code),
        )
        return taken(await front.ask(request, wire.HoldAnswer))

    @router.post(
        "/decisions/{decision_id}/change",
        operation_id="change",
        summary="Approve what waits, with changes",
        description="For whoever may approve it. What you make of it is a proposal of yours in its place: "
        "every gate is asked, it waits for no less, and where several people approve, you are none of them. "
        "If it is denied, what waits goes on waiting.",
        response_class=Response,
        responses={**shown(answers.AnswerTaken, "It took the place"), **problems(404, 409, body=True)},
    )
    async def change(holder: Responder, decision_id: DecisionKey, body: ChangeBody) -> Response:
        decision = DecisionId(decision_id)
        front.standing(decision, holder)
        request = wire.ChangeHold(
            decision_id=decision,
            by=by(holder),
            role=holder.role or "viewer",
            args=body.args,
            cost_usd=body.impact.cost_usd,
            files=body.impact.files,
            api_calls=body.impact.api_calls,
            digest=Digest(body.digest) if body.digest is not None else None,
            reason=body.reason,
            stepped_up=stepped_up(holder, body.code),
        )
        return taken(await front.ask(request, wire.HoldAnswer))

    @router.get(
        "/recommendations",
        operation_id="list_recommendations",
        summary="See what was recommended, and what became of it",
        description="For people. From the newest held decisions, the newest first.",
        response_class=Response,
        responses={**shown(answers.RecommendationList, "What was recommended"), **problems()},
    )
    async def recommendations(
        holder: Viewer,  # noqa: ARG001 - asked for so that only people see it
    ) -> Response:
        found = await front.look(recommendations_in)
        return answers.answer(answers.RecommendationList(recommendations=tuple(found), newest=MOST))

    @router.post(
        "/decisions/{decision_id}/take",
        operation_id="take",
        summary="Take what is recommended",
        description="For responders and captains: let it run, or say that you did it yourself. To decline "
        "it, deny it.",
        response_class=Response,
        responses={**shown(answers.AnswerTaken, "It counts"), **problems(404, 409, body=True)},
    )
    async def take(holder: Responder, decision_id: DecisionKey, body: TakeBody = _TAKE) -> Response:
        decision = DecisionId(decision_id)
        if not front.standing(decision, holder).recommended:
            raise Problem("conflict", "it is no recommendation", place=decision, cure="approve it or deny it")
        request = wire.AnswerHold(
            decision_id=decision,
            by=by(holder),
            role=holder.role or "viewer",
            answer="approve" if body.how == "run" else "did",
            reason=body.reason,
        )
        return taken(await front.ask(request, wire.HoldAnswer))

    def stepped_up(holder: Holder, code: str | None) -> bool:
        """Use up a code, if one was given. A wrong one changes nothing else."""
        if code is None:
            return False
        try:
            front.step_up.check(by(holder), code)
        except InputError as wrong:
            raise Problem("forbidden", wrong.message, cure=wrong.cure or "say /enrol in chat") from wrong
        return True

    @router.post(
        "/decisions/{decision_id}/override",
        operation_id="override",
        summary="Overrule a decision",
        description="For captains, with a reason; agents that hold the veto may veto, and no agent allows. "
        "`veto` ends what waits, keeps from beginning what is queued, ends what is under way, and takes back "
        "what was done, as far as that is possible. `allow` ends what a held decision waits for; no stop, "
        "changed policy or denial is overruled.",
        response_class=Response,
        responses={**shown(answers.AnswerTaken, "It counts"), **problems(404, 409, body=True)},
    )
    async def override(holder: Anybody, decision_id: DecisionKey, body: OverrideBody) -> Response:
        decision = DecisionId(decision_id)
        if holder.kind == "person":
            require(holder, "captain")
        elif not await front.holds_veto(holder):
            raise Problem("forbidden", f"{holder.name} is an agent and holds no veto", cure="ask a captain")
        await front.seen(decision, holder)
        request = wire.Override(
            decision_id=decision,
            by=by(holder),
            word=body.word,
            reason=body.reason,
            stepped_up=body.word == "allow" and stepped_up(holder, body.code),
        )
        return taken(await front.ask(request, wire.HoldAnswer, timeout_s=_OVERRIDE_S))

    def taken(said: wire.HoldAnswer) -> Response:
        if not said.counted:
            raise Problem(
                "conflict",
                said.reason,
                place=said.decision_id,
                cure="see where it stands: GET /v1/decisions, /v1/holds, /v1/stops",
            )
        standing = standing_of(front.journal(), said.decision_id)
        links = answers.links_of(standing) if standing is not None else {}
        return answers.answer(
            answers.AnswerTaken(
                decision_id=said.decision_id,
                status=said.status,
                reason=said.reason,
                undo=said.undo,
                replaced_by=said.replaced_by,
                links=links,
            )
        )

    return router


def _shown(hold: wire.HoldShown) -> answers.HoldShown:
    here = f"/v1/decisions/{hold.decision_id}"
    return answers.HoldShown(
        decision_id=hold.decision_id,
        since=time_text(hold.since_us),
        until=time_text(hold.until_us),
        agent=hold.agent,
        capability=hold.capability,
        action=hold.action,
        episode=hold.episode,
        digest=hold.digest,
        waits=hold.waits,
        approved_by=hold.approved_by,
        effect=hold.effect_id,
        links={word: f"{here}/{word}" for word in ("approve", "change", "deny", "explain", "override")}
        | {"self": here},
    )
