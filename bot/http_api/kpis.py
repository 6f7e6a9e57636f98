"""The route of KPIs: the figures people judge autonomy by."""

from fastapi import APIRouter
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.document import problems, shown
from bot.http_api.front import Front, Viewer
from bot.http_api.routing import StrictRoute
from engine.core.vocabulary.units import time_text


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["kpis"])

    @router.get(
        "/kpis",
        operation_id="list_kpis",
        summary="See how the KPIs of autonomy stand",
        description=(
            "For people. Counted from the journal, so it answers with the engine away, too. `word` says "
            "whether the target is met; what nothing is known of is unknown, with the reason and no value."
        ),
        response_class=Response,
        responses={**shown(answers.KpiList, "Every KPI of kpis.yaml, in its order"), **problems()},
    )
    async def everything(holder: Viewer) -> Response:  # noqa: ARG001 - asked for so that only people see it
        seen = await front.kpis()
        at_us = max((kpi.until_us for kpi in seen.kpis), default=0)
        return answers.answer(
            answers.KpiList(
                kpis=seen.kpis, at=time_text(at_us) if seen.seq else None, seq=seen.seq, behind=seen.behind
            )
        )

    return router
