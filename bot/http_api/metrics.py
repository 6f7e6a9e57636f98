"""The route that a Prometheus scrapes."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.document import problems
from bot.http_api.front import Front, Viewer
from bot.http_api.metric_page import FORMATS
from bot.http_api.routing import StrictRoute, check_accept
from bot.http_api.watching import Watching


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["metrics"])
    # One for the application: it is made where the routes are.
    watching = Watching(front)

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Be scraped by Prometheus",
        description=(
            "For people's tokens. OpenMetrics or the plain text of Prometheus, at most a second old. Answers "
            "with the engine away, too: `watchkeeper_engine_up` is 0 then. Who scrapes was not seen by that."
        ),
        response_class=Response,
        responses={
            200: {
                "description": "Every metric",
                "content": {media_type: {"schema": {"type": "string"}} for media_type in FORMATS},
            },
            **problems(),
        },
    )
    async def metrics(request: Request, holder: Viewer) -> Response:  # noqa: ARG001 - people only
        body, content_type = await watching.page(check_accept(request, FORMATS))
        return Response(body, headers={"Content-Type": content_type})

    return router
