"""Routes about decisions: look through them, have one explained, taken back or tried out."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.http_api import answers
from bot.http_api.change_answers import replacement_of
from bot.http_api.document import problems, shown
from bot.http_api.front import Anybody, Front, Responder, by, may_see, require
from bot.http_api.models import DecisionsQuery, UndoBody
from bot.http_api.problems import Problem
from bot.http_api.question_answers import questions_about
from bot.http_api.routing import StrictRoute, check_accept
from bot.http_api.vote_answers import vote_of
from engine.commands.standing import Standing, proposal_of, standing_from
from engine.commands.tracing import trace
from engine.core.explain import Explanation, explain, text
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, DecisionId, EffectId, ProposalId
from engine.core.vocabulary.ids import decision_id as decision_id_of
from engine.core.vocabulary.units import parse_time
from engine.core.vocabulary.verdicts import Verdict
from engine.ports import DecisionFilter, DecisionsReader, Holder, Page
from engine.runtime import wire
from engine.runtime.outbox import said_of

_EXPLAINED = (answers.JSON, "text/plain")
_PREVIEW_S = 30.0
_PLAIN_UNDO = UndoBody()

# The decision on the proposal that the document's other examples are about.
EXAMPLE = decision_id_of(ProposalId("coder-1:ticket-17.step-3"))
DecisionKey = Annotated[str, Path(pattern=r"^d_[0-9a-f]{15}$", examples=[EXAMPLE])]


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/decisions", route_class=StrictRoute, tags=["decisions"])
    previewing: Counter[str] = Counter()

    @router.get(
        "",
        operation_id="list_decisions",
        summary="Look through decisions, the newest first",
        description="An agent sees its own; people, and agents that hold the veto, see all. One page looks "
        "back over 100,000 records at most: go on with `next` until it is null.",
        response_class=Response,
        responses={**shown(answers.DecisionList, "A page of decisions"), **problems()},
    )
    async def decisions(holder: Anybody, query: Annotated[DecisionsQuery, Query()]) -> Response:
        agent = AgentId(query.agent) if query.agent is not None else None
        if holder.kind == "agent" and not await front.holds_veto(holder):
            if agent is not None and not may_see(holder, agent):
                return answers.answer(answers.DecisionList(decisions=(), next=None))
            agent = AgentId(holder.name)
        wanted = DecisionFilter(
            agent=agent,
            capability=CapabilityId(query.capability) if query.capability is not None else None,
            action=ActionName(query.action) if query.action is not None else None,
            word=query.word,
            since_us=parse_time(query.since.isoformat()) if query.since is not None else None,
            until_us=parse_time(query.until.isoformat()) if query.until is not None else None,
        )

        def page_of(journal: DecisionsReader) -> tuple[Page, list[Standing]]:
            page = journal.decisions(wanted, before=query.cursor, most=query.limit)
            found = [standing_from(journal, record) for record in page.records]
            return page, [standing for standing in found if standing is not None]

        page, found = await front.look(page_of)
        return answers.answer(
            answers.DecisionList(
                decisions=tuple(answers.decision_of(standing) for standing in found), next=page.before
            )
        )

    @router.get(
        "/{decision_id}",
        operation_id="get_decision",
        summary="See where a decision stands",
        response_class=Response,
        responses={**shown(answers.Decision, "The decision"), **problems(404)},
    )
    async def decision(holder: Anybody, decision_id: DecisionKey) -> Response:
        standing = await front.seen(DecisionId(decision_id), holder)
        journal = front.journal()
        shown_now = answers.decision_of(
            standing,
            vote_of(journal, standing),
            replacement_of(journal, standing),
            questions_about(journal, standing),
        )
        return answers.answer(shown_now)

    @router.get(
        "/{decision_id}/explain",
        operation_id="explain_decision",
        summary="Have a decision explained: its whole path as a tree, and gate by gate",
        response_class=Response,
        responses={
            **shown(Explanation, "Its path and every gate's answer, as JSON or as text", "text/plain"),
            **problems(404),
        },
    )
    async def explained(request: Request, holder: Anybody, decision_id: DecisionKey) -> Response:
        standing = await front.seen(DecisionId(decision_id), holder)
        verdict, journal = standing.verdict, front.journal()
        said = said_of(journal, verdict.decision_id)
        path = await front.look(lambda looking: trace(looking, verdict, goes_on=not standing.settled))
        explanation = explain(verdict, proposal_of(journal, verdict.proposal_id), said, path=path)
        if check_accept(request, _EXPLAINED) == "text/plain":
            return PlainTextResponse(text(explanation) + "\n", headers={"Vary": "Accept"})
        return answers.answer(explanation, Vary="Accept")

    @router.post(
        "/{decision_id}/undo",
        operation_id="undo",
        summary="Take back what a decision did",
        description="For responders and captains. Journaled, and can be undone in turn by naming its effect.",
        response_class=Response,
        status_code=202,
        responses={
            **shown(answers.UndoQueued, "It waits for a worker", status=202),
            **problems(404, 409, body=True),
        },
    )
    async def undo(holder: Responder, decision_id: DecisionKey, body: UndoBody = _PLAIN_UNDO) -> Response:
        standing = front.standing(DecisionId(decision_id), holder)
        known = {decision_id, *(undone.effect_id for undone in standing.undos)}
        effect = body.effect or decision_id
        if effect not in known:
            raise Problem(
                "not-found",
                f"{effect} is no effect of {decision_id}",
                cure="take one from `undos`, or leave it out",
            )
        queued = await front.ask(
            wire.RequestUndo(of=EffectId(effect), by=by(holder), reason=body.reason, force=body.force),
            wire.Queued,
        )
        return answers.answer(
            answers.UndoQueued(
                decision_id=decision_id,
                effect_id=queued.effect_id,
                links=answers.links_of(standing),
            ),
            202,
        )

    @router.post(
        "/{decision_id}/preview",
        operation_id="preview",
        summary="Have a worker say what a decided proposal would do, and do nothing",
        description="For responders and captains; for the agent that proposed it when it was allowed, one "
        "at a time. It may show what is there now, and is made before what waits.",
        response_class=Response,
        responses={**shown(answers.Preview, "What would happen"), **problems(404, 409)},
    )
    async def preview(holder: Anybody, decision_id: DecisionKey) -> Response:
        decision = DecisionId(decision_id)
        verdict = front.standing(decision, holder).verdict
        if holder.kind == "person":
            require(holder, "responder")
        else:
            _may_preview(holder, verdict, previewing)
        previewing[by(holder)] += 1
        try:
            previewed = await front.ask(
                wire.RequestPreview(decision_id=decision, wait_s=_PREVIEW_S),
                wire.Previewed,
                timeout_s=_PREVIEW_S + 5,
            )
        finally:
            previewing[by(holder)] -= 1
        return answers.answer(answers.Preview(decision_id=decision, result=previewed.result))

    return router


def _may_preview(holder: Holder, verdict: Verdict, previewing: Mapping[str, int]) -> None:
    """Refuse an agent that would learn, or use, what it was not granted."""
    if verdict.word != "allow":
        raise Problem(
            "forbidden",
            "what was not allowed is shown to people only: it may tell what is there now",
            cure="ask a responder",
        )
    if previewing[by(holder)]:
        raise Problem(
            "too-many",
            "another preview of yours is under way",
            cure="wait for it",
            headers={"Retry-After": "1"},
        )
