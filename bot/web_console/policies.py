"""Policies: what is in force beside what each rule of it did lately, and a change tried on history first."""

import asyncio
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from msgspec import Struct
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bot.http_api.front import require
from bot.http_api.problems import Problem
from bot.web_console.console import Console, View, may
from bot.web_console.counting import Counted
from bot.web_console.guarding import HEADERS, Visitor
from bot.web_console.saying import form_of
from bot.web_console.tries import tried
from engine.adapters.files import storage_errors
from engine.adapters.yaml_files import read_yaml
from engine.commands.deeds import Deed, Deeds, Key
from engine.commands.language import quoted
from engine.errors import InputError, WatchkeeperError
from engine.ports import IN_FORCE, Drafts
from engine.wiring.policies import policy_files, read_policy

_RULES_FILE: Final = "rules.yaml"
_RULES: Final = "rules"
_MOST_LINES: Final = 5_000
_MOST_OTHERS: Final = 60


class Asked(BaseModel):
    """Which file of which policy is looked at."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True, str_max_length=100)

    folder: str = ""
    """Empty for the one in force."""
    file: str = _RULES_FILE


class RuleShown(Struct, frozen=True, kw_only=True):
    """One rule, and what it did lately."""

    rule: str
    line: int
    """Where it stands in the file."""
    ruling: str
    mode: str
    reason: str
    deed: Deed


def routes(console: Console) -> APIRouter:
    """Make the routes."""
    router = APIRouter()

    @router.get("/policies")
    async def look(request: Request, visitor: Visitor, asked: Annotated[Asked, Query()]) -> Response:
        view = View("policies.html.j2", "Policies", lambda: _look(console, asked))
        return await console.page(request, visitor, view)

    @router.get("/policies/change")
    async def change(request: Request, visitor: Visitor, asked: Annotated[Asked, Query()]) -> Response:
        view = View("policy_change.html.j2", f"Change {asked.file}", lambda: _change(console, asked))
        return await console.page(request, visitor, view)

    @router.post("/policies/change")
    async def attempt(request: Request, visitor: Visitor) -> Response:
        require(console.front.as_captain(visitor), "responder")
        form = await form_of(request)
        asked = Asked(folder=form.get("folder", "")[:100], file=form.get("file", "")[:100])
        text, recording = form.get("text", ""), form.get("recording", "")[:100]
        drafts = _drafts(console)
        try:
            draft = await asyncio.to_thread(drafts.make, asked.file, text, asked.folder)
        except WatchkeeperError as wrong:
            values = await _change(console, asked)
            main = console.templates.render(
                "policy_change.html.j2",
                {**values, "may": lambda role: may(visitor, role), "text": text, "recording": recording}
                | {"wrong": wrong, "line": _line_of(wrong)},
            )
            title = f"{asked.file} does not work yet"
            return console.framed(request, visitor, await console.pulse(), title, main, status=422)
        line = f"replay start {quoted(recording)} {draft.name} {IN_FORCE}"
        reply = await console.give(visitor, line, "")
        if not reply.job:
            main = console.templates.render("said.html.j2", {"reply": reply, "line": line})
            return console.framed(request, visitor, await console.pulse(), reply.title, main, status=422)
        return RedirectResponse(f"/policies/tries/{reply.job}", 303, HEADERS)

    @router.get("/policies/tries/{job}")
    async def outcome(request: Request, visitor: Visitor, job: str) -> Response:
        view = View("policy_try.html.j2", "A change, tried on history", lambda: _tried(console, job))
        return await console.page(request, visitor, view)

    return router


def _drafts(console: Console) -> Drafts:
    if console.tools.drafts is None:
        raise Problem("conflict", "no policies are drafted here", cure="use watchkeeper replay")
    return console.tools.drafts


# ---------------------------------------------------------------- looking


async def _look(console: Console, asked: Asked) -> Mapping[str, Any]:
    def read() -> tuple[dict[str, Path], str, list[RuleShown], list[WatchkeeperError]]:
        files = policy_files(_drafts(console).folder(asked.folder))
        text = text_of(files, asked.file)
        wrong = list[WatchkeeperError]()
        rules = list[RuleShown]()
        try:
            rules = _rules(files)
        except WatchkeeperError as error:
            wrong.append(error)
        return files, text, rules, wrong

    (files, text, rules, wrong), status, (deeds, counted, lost) = await asyncio.gather(
        asyncio.to_thread(read), console.status(), _deeds(console)
    )
    policy_hash, invalid = await _hash(console, asked.folder)
    lines = text.splitlines()
    known = {rule.rule for rule in rules}
    others = sorted(
        ((key, deed) for key, deed in deeds.items() if key.owner != _RULES or key.name not in known),
        key=lambda item: (-item[1].count, item[0]),
    )
    return {
        "asked": asked,
        "files": list(files),
        "folders": await asyncio.to_thread(console.tools.replays.policies),
        "lines": lines[:_MOST_LINES],
        "left_out": max(0, len(lines) - _MOST_LINES),
        "wrong": [*dict.fromkeys(map(str, [*wrong, *invalid, *lost]))],
        "rules": [_with_deed(rule, deeds) for rule in rules],
        "others": others[:_MOST_OTHERS],
        "counted": counted,
        "policy_hash": policy_hash,
        "engine_hash": status.policy_hash if status is not None else "",
        "jobs": [job for job in console.tools.replays.jobs() if job.wish.policy.startswith("draft-")][:10],
    }


def text_of(files: Mapping[str, Path], name: str) -> str:
    """Read one file of a policy. Raises `InputError` where there is none of that name."""
    path = files.get(name)
    if path is None:
        raise InputError(f"there is no file {name!r} in it", cure=f"those there are: {', '.join(files)}")
    with storage_errors(path):
        return path.read_text(encoding="utf-8", errors="replace")


def _rules(files: Mapping[str, Path]) -> list[RuleShown]:
    """Return the rules of a policy in their order, with the lines they stand on."""
    path = files.get(_RULES_FILE)
    if path is None:
        return []
    document = read_yaml(path)
    found = document.data.get("rules")
    return [
        RuleShown(
            rule=str(each.get("id", "")),
            line=int(document.place("rules", nth).rpartition(":")[2]),
            ruling=str(each.get("ruling", "")),
            mode=str(each.get("mode", "enforce")),
            reason=str(each.get("reason", "")),
            deed=Deed(),
        )
        for nth, each in enumerate(found if isinstance(found, list) else [])
        if isinstance(each, dict)
    ]


def _with_deed(rule: RuleShown, deeds: Mapping[Key, Deed]) -> RuleShown:
    return RuleShown(
        rule=rule.rule,
        line=rule.line,
        ruling=rule.ruling,
        mode=rule.mode,
        reason=rule.reason,
        deed=deeds.get(Key("rule", _RULES, rule.rule), Deed()),
    )


async def _deeds(console: Console) -> tuple[dict[Key, Deed], Counted | None, Sequence[WatchkeeperError]]:
    def question(deeds: Deeds, since_us: int) -> dict[Key, Deed]:
        return deeds.summed("rule", since_us)

    try:
        found, counted = await console.counting.deeds(question)
    except WatchkeeperError as error:
        return {}, None, [error]
    return found, counted, []


async def _hash(console: Console, folder: str) -> tuple[str, list[WatchkeeperError]]:
    """Say which policy the files are now; empty where they do not compile, with what is wrong."""
    try:
        return await asyncio.to_thread(_known_hash, console, folder), []
    except WatchkeeperError as error:
        return "", [error]


def _known_hash(console: Console, folder: str) -> str:
    place = _drafts(console).folder(folder)
    seen = tuple(
        (str(path), (found := path.stat()).st_mtime_ns, found.st_size)
        for path in policy_files(place).values()
    )
    known = _HASHES.get(str(place))
    if known is None or known[0] != seen:
        known = _HASHES[str(place)] = (seen, str(read_policy(place).policy_hash))
        if len(_HASHES) > _MOST_HASHES:
            _HASHES.pop(next(iter(_HASHES)))
    return known[1]


_HASHES: Final[dict[str, tuple[tuple[tuple[str, int, int], ...], str]]] = {}
"""Of folders that were read: compiling one takes a tenth of a second, and its files seldom change."""
_MOST_HASHES: Final = 50


# ---------------------------------------------------------------- changing


async def _change(console: Console, asked: Asked) -> Mapping[str, Any]:
    def read() -> str:
        return text_of(policy_files(_drafts(console).folder(asked.folder)), asked.file)

    return {
        "asked": asked,
        "text": await asyncio.to_thread(read),
        "recordings": await asyncio.to_thread(console.tools.replays.recordings),
        "recording": "",
        "wrong": None,
        "line": 0,
    }


def _line_of(wrong: WatchkeeperError) -> int:
    """Return the line an error is about; 0 where it names none."""
    line = (wrong.place or "").rpartition(":")[2]
    return int(line) if line.isdigit() else 0


async def _tried(console: Console, name: str) -> Mapping[str, Any]:
    job = await asyncio.to_thread(console.tools.replays.job, name)
    drafts = _drafts(console)
    draft, diff = None, list[str]()
    try:
        draft = drafts.draft(job.wish.policy)
        diff = await asyncio.to_thread(_diff, drafts, draft.name, draft.file)
    except WatchkeeperError:
        # It was forgotten since, or it is no draft: what came of it is still known.
        draft = None
    return {
        "job": job,
        "draft": draft,
        "diff": diff[:_MOST_LINES],
        "found": await asyncio.to_thread(tried, job) if job.state == "done" else None,
        "title": f"{job.wish.policy} on {job.wish.recording}",
    }


def _diff(drafts: Drafts, name: str, file: str) -> list[str]:
    """Compare a changed file with the one in force."""
    before, after = (_lines_of(policy_files(drafts.folder(one)), file) for one in (IN_FORCE, name))
    return list(difflib.unified_diff(before, after, "in force", "changed", lineterm="", n=2))


def _lines_of(files: Mapping[str, Path], file: str) -> list[str]:
    return text_of(files, file).splitlines() if file in files else []
