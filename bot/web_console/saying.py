"""The command box and every button: one route, which gives the line to the desk and shows what it answers."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from bot.http_api.problems import Problem
from bot.web_console.console import Console, account_of
from bot.web_console.guarding import BY_SCRIPT, HEADERS, Visitor
from engine.commands.catalogue import LANGUAGE
from engine.commands.completing import Completions
from engine.commands.language import Given, quoted
from engine.commands.model import LINE_MOST
from engine.errors import InputError

_KEY_MOST: Final = 64
_OFFERED: Final = 12
_WITH: Final = "with-"


def routes(console: Console) -> APIRouter:
    """Make the routes."""
    router = APIRouter(include_in_schema=False)

    @router.post("/console/say")
    async def say(request: Request, visitor: Visitor) -> Response:
        form = await form_of(request)
        line, reason = form.get("line", "").strip(), form.get("reason", "").strip()
        if not line or len(line) + len(reason) > LINE_MOST or len(form.get("key", "")) > _KEY_MOST:
            raise Problem("invalid", "no command, or one that is too long", cure="try help")
        line = " ".join([line, *_chosen(form)])
        reply = await console.give(visitor, _said(line, reason), form.get("key", ""))
        values = {"reply": reply, "line": line}
        if BY_SCRIPT in request.headers:
            return console.part("reply.html.j2", values)
        main = console.templates.render("said.html.j2", values)
        return console.framed(request, visitor, await console.pulse(), reply.title, main)

    @router.get("/console/complete")
    async def complete(visitor: Visitor, line: str = "") -> Response:
        offered: list[str] = []
        if console.desk.identify(account_of(visitor)) is not None:
            offered = (await Completions(console.tools).line(line[:LINE_MOST]))[:_OFFERED]
        return Response(msgspec.json.encode(offered), 200, HEADERS, media_type="application/json")

    return router


def _said(line: str, reason: str) -> str | Given:
    """Put what a button asked for behind its line, whatever stands in it: no quote or name in it is read."""
    try:
        return LANGUAGE.asked(line, reason) if reason else line
    except InputError:
        # The desk says what is wrong with the line, and remembers who said it.
        return line


def _chosen(form: Mapping[str, str]) -> list[str]:
    """Return what was chosen in a form, as named arguments: `with-policy` is `policy`.

    >>> _chosen({"line": "replay start", "with-recording": "my week", "with-policy": ""})
    ['recording="my week"']
    """
    given = ((name.removeprefix(_WITH), value) for name, value in form.items() if name.startswith(_WITH))
    return [f"{name}={quoted(value)}" for name, value in given if value]


async def form_of(request: Request) -> dict[str, str]:
    """Read a small form; of a name that comes twice the last counts. Raises `Problem` for anything else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/x-www-form-urlencoded":
        raise Problem("wrong-media-type", "only forms are read here", cure="use the page's own buttons")
    try:
        found = parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=200)
    except (UnicodeDecodeError, ValueError) as wrong:
        raise Problem(
            "invalid", f"the form cannot be read: {wrong}", cure="use the page's own buttons"
        ) from wrong
    return {name: values[-1] for name, values in found.items()}
