"""The OpenAPI document: what the framework knows of the routes, with our answers and problems added."""

from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from msgspec import Struct

from bot.http_api import (
    answers,
    body_answers,
    captaincy_answers,
    contest_answers,
    escalation_answers,
    question_answers,
    vote_answers,
)
from bot.http_api.door import OPEN
from bot.http_api.problems import MEDIA_TYPE, TITLES, ProblemDetails
from engine.core.explain import Explanation

_REF: Final = "#/components/schemas/{name}"
_ANSWERS: Final[tuple[type[Struct], ...]] = (
    answers.Decision,
    answers.DecisionList,
    answers.AnswerTaken,
    answers.HoldList,
    vote_answers.PollList,
    vote_answers.VoteTaken,
    question_answers.QuestionTaken,
    captaincy_answers.CaptaincyShown,
    contest_answers.ContestList,
    contest_answers.BallotTaken,
    escalation_answers.EscalationList,
    escalation_answers.EscalationTaken,
    escalation_answers.AlertsTaken,
    escalation_answers.OnCallShown,
    answers.UndoQueued,
    answers.Preview,
    answers.Reported,
    answers.Killed,
    answers.Resumed,
    answers.StopList,
    answers.Stepped,
    answers.RolloutList,
    answers.KpiList,
    answers.CalibrationList,
    answers.Rated,
    answers.RecommendationList,
    answers.Held,
    answers.Noted,
    answers.Status,
    answers.Health,
    answers.Version,
    answers.SnapshotShown,
    answers.SnapshotList,
    body_answers.BodyShown,
    body_answers.BodyWork,
    body_answers.WorkOver,
    ProblemDetails,
    Explanation,
)
_EVERYWHERE: Final = (401, 403, 406, 421, 422, 429, 500, 503, 507)
_WITH_BODY: Final = (408, 413, 415)

# One event of a stream, as those who write about streams in OpenAPI agree to describe it.
_EVENT: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The record of the journal; send it as Last-Event-ID"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": answers.JSON},
    },
}

Responses = dict[int | str, dict[str, Any]]


def shown(kind: type[Struct], description: str, *text: str, status: int = 200) -> Responses:
    """Describe what a route answers; `text` names the media types it can also be had in, as plain text."""
    content: dict[str, Any] = {answers.JSON: {"schema": {"$ref": _REF.format(name=kind.__name__)}}}
    content |= {media_type: {"schema": {"type": "string"}} for media_type in text}
    return {status: {"description": description, "content": content}}


def streamed(description: str) -> Responses:
    """Describe a route that answers with server-sent events."""
    return {200: {"description": description, "content": {"text/event-stream": {"schema": _EVENT}}}}


def problems(*statuses: int, body: bool = False, open_to_all: bool = False) -> Responses:
    """Describe what may go wrong: what may go wrong everywhere, and these statuses besides."""
    everywhere = (421, 500) if open_to_all else _EVERYWHERE
    return {
        status: {
            "description": "; ".join(title for number, title in TITLES.values() if number == status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="ProblemDetails")}}},
        }
        for status in sorted({*everywhere, *statuses, *(_WITH_BODY if body else ())})
    }


def install(app: FastAPI, *, version: str) -> None:
    """Have an application serve the document, made once when it is first asked for."""

    def made() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, version)
        return app.openapi_schema

    app.openapi = made  # type: ignore[method-assign]  # the framework's documented way to extend it


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave null out of what a query or header may be: there it would be the word null. Absent is enough."""
    kinds: list[dict[str, Any]] = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {name: value for name, value in schema.items() if name != "anyOf"} | kinds[0]


def _document(app: FastAPI, version: str) -> dict[str, Any]:
    document = get_openapi(
        title="Watchkeeper",
        version=version,
        summary="Agents propose, the engine decides, people hold the override.",
        routes=app.routes,
    )
    _, ours = msgspec.json.schema_components(_ANSWERS, ref_template=_REF)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= ours
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "wk_…: watchkeeper token create"}
    }
    for path, methods in document["paths"].items():
        for operation in methods.values():
            operation["security"] = [] if path in OPEN else [{"token": []}]
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
    return document
