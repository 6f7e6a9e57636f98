"""Routes about the service itself: how it is, which version, its snapshots."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.document import problems, shown
from bot.http_api.front import Captain, Front, Viewer
from bot.http_api.problems import RETRY_S
from bot.http_api.routing import StrictRoute
from engine.core.vocabulary.facts import SnapshotSaved, decode, tag_of
from engine.core.vocabulary.units import time_text
from engine.errors import Unreachable
from engine.runtime import wire

_STATUS_S = 2.0
_SNAPSHOT_S = 600.0
_SNAPSHOT_TAG = tag_of(SnapshotSaved)


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["service"])

    @router.get(
        "/health",
        operation_id="health",
        summary="Ask whether front and engine answer",
        description="Needs no token, and never waits for the engine: it says whether that answered lately.",
        response_class=Response,
        responses={
            **shown(answers.Health, "Both answer"),
            **shown(answers.Health, "The engine does not answer", status=503),
            **problems(406, 421, open_to_all=True),
        },
    )
    async def health() -> Response:
        if front.hearing.engine_answers:
            return answers.answer(answers.Health(front="ok", engine="ok"))
        return answers.answer(answers.Health(front="ok", engine="away"), 503, Retry_After=str(RETRY_S))

    @router.get(
        "/version",
        operation_id="version",
        summary="Ask which version this is",
        description="Needs no token.",
        response_class=Response,
        responses={**shown(answers.Version, "The version"), **problems(406, open_to_all=True)},
    )
    async def version() -> Response:
        return answers.answer(answers.Version(version=front.version, api="v1"))

    @router.get(
        "/status",
        operation_id="status",
        summary="See how the engine is",
        description="For people. Answers with the engine away, too: `engine` is null then.",
        response_class=Response,
        responses={**shown(answers.Status, "How everything is"), **problems()},
    )
    async def status(holder: Viewer) -> Response:  # noqa: ARG001 - asked for so that only people see it
        engine, away = None, ""
        try:
            engine = await front.ask(wire.GetStatus(), wire.EngineStatus, timeout_s=_STATUS_S)
        except Unreachable as error:
            away = error.message
        stops = await asyncio.to_thread(front.fence.stops)
        return answers.answer(
            answers.Status(
                front=answers.FrontStatus(version=front.version, started=time_text(front.started_us)),
                engine=engine,
                engine_away=away,
                stops=tuple(answers.stop_shown(stop) for stop in stops),
            )
        )

    @router.get(
        "/snapshots",
        operation_id="list_snapshots",
        summary="See which snapshots were saved, the newest first",
        description="For people. From the journal: old ones may have been let go since.",
        response_class=Response,
        responses={**shown(answers.SnapshotList, "A page of snapshots"), **problems()},
    )
    async def snapshots(
        holder: Viewer,  # noqa: ARG001 - asked for so that only people see it
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before")] = None,
    ) -> Response:
        page = await front.look(lambda journal: journal.facts(_SNAPSHOT_TAG, before=cursor, most=limit))
        facts = [fact for record in page.records if isinstance(fact := decode(record.body), SnapshotSaved)]
        return answers.answer(
            answers.SnapshotList(
                snapshots=tuple(
                    answers.SnapshotShown(
                        snapshot_id=fact.snapshot_id,
                        at=time_text(fact.at_us),
                        journal_seq=fact.journal_seq,
                        files=fact.files,
                        size_bytes=fact.size_bytes,
                    )
                    for fact in facts
                ),
                next=page.before,
            )
        )

    @router.post(
        "/snapshots",
        operation_id="take_snapshot",
        summary="Copy journal, configuration and workspace now",
        description="For captains. Answers when the copy is whole, which may take minutes.",
        response_class=Response,
        status_code=201,
        responses={**shown(answers.SnapshotShown, "It was taken", status=201), **problems(409)},
    )
    async def take(holder: Captain) -> Response:  # noqa: ARG001 - asked for so that only captains do
        saved = await front.ask(wire.TakeSnapshot(), wire.Saved, timeout_s=_SNAPSHOT_S)
        return answers.answer(
            answers.SnapshotShown(
                snapshot_id=saved.snapshot_id,
                at=None,
                journal_seq=None,
                files=saved.files,
                size_bytes=saved.size_bytes,
            ),
            201,
        )

    return router
