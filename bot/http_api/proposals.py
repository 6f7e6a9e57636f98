"""Routes of agents: propose, report an outcome, say that one is alive."""

import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query
from msgspec import UNSET
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.change_answers import replacement_of
from bot.http_api.document import problems, shown
from bot.http_api.front import Agent, Front
from bot.http_api.message_bodies import messages_of
from bot.http_api.models import KEY, OutcomeBody, ProposalBody
from bot.http_api.problems import Problem
from bot.http_api.question_answers import is_asked, questions_about
from bot.http_api.routing import StrictRoute
from engine.adapters.token_file import may_propose
from engine.commands.standing import OPEN, Standing, proposal_of
from engine.core.vocabulary.ids import AgentId, CapabilityId, ProposalId, decision_id
from engine.errors import ChainBroken, JournalBusy, JournalError
from engine.runtime import wire

LONGEST_WAIT_S: Final = 60
_AT_ONCE: Final = frozenset({"denied", "shadowed", "granted"})

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY,
        description="Yours to choose, once for each proposal: sent again, it finds the same decision",
        examples=["ticket-17.step-3"],
    ),
]
Wait = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        allow_inf_nan=False,
        description="How long to wait for a final status, seconds",
        examples=[0],
    ),
]
ProposalKey = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}:[A-Za-z0-9._~:+=-]{1,100}$",
        examples=["coder-1:ticket-17.step-3"],
    ),
]


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["agents"])

    @router.post(
        "/proposals",
        operation_id="propose",
        summary="Propose an action, and learn what was decided",
        response_class=Response,
        responses={
            **shown(answers.Decision, "The decision, final. A denial is an answer too: `word` says deny"),
            **shown(answers.Decision, "The decision, and what it allows is still under way", status=202),
            **problems(409, body=True),
        },
    )
    async def propose(holder: Agent, body: ProposalBody, key: Key = None, wait_s: Wait = 0.0) -> Response:
        agent, capability = AgentId(holder.name), CapabilityId(body.capability)
        if not may_propose(holder, capability):
            raise Problem(
                "forbidden",
                f"this token does not cover the capability {capability}",
                cure=f"it covers {', '.join(holder.capabilities)}; make another for more",
            )
        # Chance is as good as a key of the agent's own for whoever never repeats a request.
        proposal_id = ProposalId(f"{agent}:{key or secrets.token_hex(16)}")
        if body.context and not body.episode:
            raise Problem("invalid", "context: what was said belongs to an episode", cure="name the episode")
        try:
            request = wire.Propose(
                proposal=body.proposal(agent=agent, proposal_id=proposal_id, owner=holder.owner),
                context=messages_of(body.context),
            )
        except ValueError as wrong:
            raise Problem("invalid", str(wrong), cure="mend that part of the proposal") from wrong
        try:
            decided = await front.ask(request, wire.Decided, wrong="invalid")
        except JournalError as taken:
            if isinstance(taken, ChainBroken | JournalBusy):
                raise
            raise Problem(
                "conflict",
                "this Idempotency-Key was used for another proposal",
                place=proposal_id,
                cure="give every proposal a key of its own; send the same one again only word for word",
            ) from taken
        standing = Standing(verdict=decided.verdict, seq=decided.seq, status=decided.status)
        # Most answers are whole as they are: the journal is asked only for what came of an effect or a hold.
        if (wait_s > 0 and not standing.final) or not _is_whole(standing):
            decision = decided.verdict.decision_id
            # Whoever asks the agent something waits for it, as it waits for them.
            standing = (
                await front.settle(decision, wait_s, lambda now: now.final or is_asked(front.journal(), now))
                or standing
            )
        held = standing.verdict.word == "hold"
        return answers.answer(
            answers.decision_of(
                standing,
                replacement=replacement_of(front.journal(), standing) if held else None,
                questions=questions_about(front.journal(), standing) if held else (),
            ),
            200 if standing.final else 202,
            location=f"/v1/decisions/{standing.verdict.decision_id}",
        )

    @router.post(
        "/proposals/{proposal_id}/outcome",
        operation_id="report_outcome",
        summary="Report what came of a proposal that was granted",
        response_class=Response,
        responses={
            **shown(answers.Reported, "It is in the journal. Reporting the same again changes nothing"),
            **problems(404, 409, body=True),
        },
    )
    async def report(holder: Agent, proposal_id: ProposalKey, body: OutcomeBody) -> Response:
        found = proposal_of(front.journal(), ProposalId(proposal_id))
        if found is None or found.agent != holder.name:
            raise Problem(
                "not-found",
                f"{holder.name} made no proposal {proposal_id}",
                cure="take proposal_id from the answer to the proposal",
            )
        await front.ask(
            wire.ReportOutcome(
                proposal_id=found.proposal_id,
                agent=found.agent,
                ok=body.ok,
                detail=body.detail,
                cost_usd=UNSET if body.cost_usd is None else body.cost_usd,
                at_prompt=body.at_prompt,
            ),
            wire.Done,
        )
        return answers.answer(
            answers.Reported(proposal_id=found.proposal_id, decision_id=decision_id(found.proposal_id))
        )

    @router.post(
        "/heartbeat",
        operation_id="heartbeat",
        summary="Say that the agent is alive",
        response_class=Response,
        status_code=204,
        responses=problems(),
    )
    async def heartbeat(holder: Agent) -> Response:
        await front.ask(wire.Beat(agent=AgentId(holder.name)), wire.Done)
        return Response(status_code=204)

    return router


def _is_whole(standing: Standing) -> bool:
    """Whether nothing more is to be said of a decision than what the engine just answered."""
    if standing.verdict.word == "hold":
        return standing.status == "held"
    return standing.status in _AT_ONCE or standing.status in OPEN
