"""Replay: recorded history decided again under a policy, compared with another, and its reports."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.problems import Problem
from bot.web_console.console import Console, View
from bot.web_console.guarding import HEADERS, Visitor
from engine.errors import InputError
from engine.ports import ReplayJob
from simulator.differing import DifferingPage, Wanted, differing
from simulator.jobs import MOST_KEPT

_PAGE: Final = 50
REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Of a report: a page of its own, with its styles within. It runs nothing, loads nothing and sends nothing,
and no origin is its own: whatever it held could not reach the console."""

Job = Annotated[str, InPath(pattern=r"^[a-z0-9]{1,20}$", examples=["r1a2b3c"])]


class Asked(BaseModel):
    """Which differences are asked for; empty takes all."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True, str_max_length=200)

    how: Literal["", "allowed", "stopped", "reason"] = ""
    agent: str = ""
    action: str = ""
    rule: str = ""
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Where the page before ended; 0 begins with the first."""


def routes(console: Console) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/replay")
    async def several(request: Request, visitor: Visitor) -> Response:
        async def gather() -> Mapping[str, Any]:
            return await asyncio.to_thread(_several, console)

        return await console.page(request, visitor, View("replays.html.j2", "Replay", gather))

    @router.get("/replay/{name}")
    async def one(
        request: Request, visitor: Visitor, name: Job, asked: Annotated[Asked, Query()]
    ) -> Response:
        async def gather() -> Mapping[str, Any]:
            return await asyncio.to_thread(_one, console, name, asked)

        return await console.page(request, visitor, View("replay.html.j2", f"Replay {name}", gather))

    @router.get("/replay/{name}/report")
    async def report(visitor: Visitor, name: Job, *, download: bool = False) -> Response:  # noqa: ARG001 - asked for so that the guard is passed
        body = await asyncio.to_thread(_report, console, name)
        return Response(body, 200, _headers(name, download=download), media_type="text/html")

    return router


def _several(console: Console) -> Mapping[str, Any]:
    replays = console.tools.replays
    return {
        "jobs": replays.jobs(),
        "recordings": replays.recordings(),
        "policies": replays.policies(),
        "told": told,
        "kept": MOST_KEPT,
    }


def _one(console: Console, name: str, asked: Asked) -> Mapping[str, Any]:
    job = _job(console, name)
    page, gone = None, ""
    if job.state == "done" and job.wish.against:
        wanted = Wanted(how=asked.how, agent=asked.agent, action=asked.action, rule=asked.rule)
        try:
            page = differing(console.tools.replays.results(name), wanted, after=asked.after, most=_PAGE)
        except InputError as lost:
            gone = lost.message
    return {
        "job": job,
        "told": told(job),
        "page": page,
        "gone": gone,
        "asked": asked,
        "older": _older(asked, page),
        "size": job.report.stat().st_size if job.report is not None and job.report.exists() else None,
    }


def told(job: ReplayJob) -> str:
    """Say what was asked for, in a line."""
    wish = job.wish
    against = f", against {wish.against}" if wish.against else ""
    return f"{wish.recording} under {wish.policy or 'the policy in force'}{against}"


def _older(asked: Asked, page: DifferingPage | None) -> str:
    """Return the query of the next page; empty when there is none."""
    if page is None or page.after is None:
        return ""
    given = {name: value for name, value in asked.model_dump(exclude={"after"}).items() if value}
    return urlencode({**given, "after": page.after})


def _job(console: Console, name: str) -> ReplayJob:
    try:
        return console.tools.replays.job(name)
    except InputError as unknown:
        raise Problem("not-found", unknown.message, place=name, cure=unknown.cure or "") from None


def _report(console: Console, name: str) -> bytes:
    job = _job(console, name)
    if job.report is None:
        raise Problem(
            "not-found", f"{name} has no report: it is {job.state}", place=name, cure="wait until it is done"
        )
    try:
        return Path(job.report).read_bytes()
    except OSError as gone:
        raise Problem("not-found", f"the report is gone: {gone}", place=name, cure="replay again") from None


def _headers(name: str, *, download: bool) -> dict[str, str]:
    headers = HEADERS | {"Content-Security-Policy": REPORT_POLICY, "X-Content-Type-Options": "nosniff"}
    # A browser shows nothing that is in a sandbox and wants an opener policy, too.
    del headers["Cross-Origin-Opener-Policy"]
    if download:
        headers["Content-Disposition"] = f'attachment; filename="watchkeeper-replay-{name}.html"'
    return headers
