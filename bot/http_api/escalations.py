"""Routes of escalations: see what people are woken for, have somebody woken, and answer once awake."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.document import problems, shown
from bot.http_api.escalation_answers import (
    EscalationList,
    EscalationShown,
    EscalationTaken,
    escalation_shown,
)
from bot.http_api.front import Anybody, Front, Responder, by, require
from bot.http_api.models import KEY, Body, Seconds
from bot.http_api.problems import Problem
from bot.http_api.routing import StrictRoute
from engine.core.plain_text import plain
from engine.core.vocabulary.escalations import SEVERITIES, Severity
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import SECOND_US
from engine.ports import Holder
from engine.runtime import wire_escalations as wire

VIA: Final = "http"
"""What the journal has as the channel of words that came in here."""
AGENTS_WORST: Final[Severity] = "warning"
"""How bad something may be at most when an agent says so: only people, and monitoring, break quiet hours."""
EscalationKey = Annotated[
    str, Path(pattern=r"^(e_[0-9a-f]{15}|[1-9][0-9]{3})$", description="Its id, or its four digits")
]
OwnKey = Annotated[str, Path(pattern=KEY, description="The key that it was raised with", examples=["m-7"])]
_Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"\S")]


class RaiseBody(Body):
    """Somebody is needed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"summary": "The migration hangs", "evidence": ["no row for 20 min"], "key": "m-7"}]
        }
    )

    summary: Annotated[_Line, Field(description="What is asked, in one line")]
    evidence: Annotated[list[_Line], Field(max_length=2, description="Why", default_factory=list)]
    severity: Annotated[Severity, Field(description="Agents may say warning at most")] = "warning"
    key: Annotated[
        str | None,
        Field(
            pattern=KEY,
            description="What it is about, by your own name for it: while that is open, saying it again "
            "wakes nobody anew; null: what the summary says",
        ),
    ] = None
    ladder: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
            description="For people: the ladder to climb; null: as the routes of ladders.yaml say",
        ),
    ] = None


class ClearBody(Body):
    """What somebody was woken for is over by itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"detail": "it went on"}]})

    detail: Annotated[str, Field(max_length=300)] = ""


class SayBody(Body):
    """A word that needs no more."""

    reason: Annotated[str, Field(max_length=2_000)] = ""


class SnoozeBody(Body):
    """Remind me."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"for_s": 900}]})

    for_s: Annotated[
        Seconds | None, Field(description="When you are reminded; null: as the ladder has it")
    ] = None


class HandBody(Body):
    """Somebody else is to have it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "bob"}]})

    to: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="A person")]


_PLAIN, _SNOOZE, _OVER = SayBody(), SnoozeBody(), ClearBody()


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/escalations", route_class=StrictRoute, tags=["escalations"])

    @router.get(
        "",
        operation_id="list_escalations",
        summary="See what people are being woken for, the latest first",
        description="People see all; an agent sees what it raised. Those that ended are shown for as long as "
        "the same would not wake anybody anew.",
        response_class=Response,
        responses={**shown(EscalationList, "What people are woken for"), **problems()},
    )
    async def escalations(holder: Anybody) -> Response:
        return answers.answer(EscalationList(escalations=tuple(await seen(holder))))

    @router.get(
        "/{escalation_id}",
        operation_id="get_escalation",
        summary="See how one escalation stands",
        description="An agent sees what it raised.",
        response_class=Response,
        responses={**shown(EscalationShown, "How it stands"), **problems(404)},
    )
    async def escalation(holder: Anybody, escalation_id: EscalationKey) -> Response:
        return answers.answer(await one(holder, escalation_id))

    @router.post(
        "",
        operation_id="raise_escalation",
        summary="Have somebody woken",
        description="For responders and captains, and for agents under their own name. What one agent asks "
        "for joins in one escalation while that is open, so that it wakes people once; it may say `warning` "
        "at most, and climbs the ladder that the routes say. `info` wakes nobody.",
        response_class=Response,
        status_code=201,
        responses={
            **shown(EscalationTaken, "Somebody is woken, or was already", status=201),
            **problems(409, body=True),
        },
    )
    async def raise_(holder: Anybody, body: RaiseBody) -> Response:
        check_may_raise(holder, body)
        name = by(holder)
        request = wire.RaiseEscalation(
            key=f"request:{name}:{body.key or _digest(body.summary)}",
            group=f"request:{name}" if holder.kind == "agent" else "",
            kind="request",
            severity=body.severity,
            summary=plain(body.summary),
            evidence=tuple(map(plain, body.evidence)),
            by=name,
            ladder=body.ladder,
        )
        return taken(await front.ask(request, wire.EscalationAnswer), 201)

    @router.post(
        "/by-key/{key}/clear",
        operation_id="clear_escalation",
        summary="Say that what you had somebody woken for is over by itself",
        description="For whoever raised it, by its `key`. It ends unless you raise it again soon. Said of "
        "what is over already, or never was, it changes nothing.",
        response_class=Response,
        responses={**shown(EscalationTaken, "It is over"), **problems(409, body=True)},
    )
    async def clear(holder: Anybody, key: OwnKey, body: ClearBody = _OVER) -> Response:
        name = by(holder)
        request = wire.ClearEscalation(key=f"request:{name}:{key}", by=name, detail=plain(body.detail))
        said = await front.ask(request, wire.EscalationAnswer)
        known = None if said.escalation is None else escalation_shown(said.escalation)
        return answers.answer(EscalationTaken(reason=said.reason, escalation=known))

    def say_route(
        word: Literal["acknowledge", "take", "pass", "resolve"], summary: str, description: str
    ) -> None:
        """Add the route of a word that needs nothing but itself."""

        async def say(holder: Responder, escalation_id: EscalationKey, body: SayBody = _PLAIN) -> Response:
            return await said(holder, escalation_id, word, reason=body.reason)

        add(word, summary, description, say)

    async def snooze(holder: Responder, escalation_id: EscalationKey, body: SnoozeBody = _SNOOZE) -> Response:
        for_us = None if body.for_s is None else body.for_s * SECOND_US
        return await said(holder, escalation_id, "snooze", for_us=for_us)

    async def hand(holder: Responder, escalation_id: EscalationKey, body: HandBody) -> Response:
        known = await one(holder, escalation_id)
        request = wire.HandEscalation(
            escalation=known.escalation_id,
            to=PersonId(body.to),
            by=by(holder),
            role=holder.role or "viewer",
            via=VIA,
        )
        return taken(await front.ask(request, wire.EscalationAnswer))

    def add(word: str, summary: str, description: str, endpoint: Callable[..., Awaitable[Response]]) -> None:
        router.add_api_route(
            f"/{{escalation_id}}/{word}",
            endpoint,
            methods=["POST"],
            operation_id=f"{word}_escalation",
            summary=summary,
            description=f"For responders and captains. {description}",
            response_class=Response,
            responses={**shown(EscalationTaken, "It counts"), **problems(404, 409, body=True)},
        )

    say_route("acknowledge", "Say that you are awake", "You have it, unless somebody does already.")
    say_route("take", "Have it from now on", "Whoever had it is told.")
    say_route("pass", "Have the next one woken", "The ladder goes on at once.")
    say_route("resolve", "Say that it is done", "Those who were woken are told.")
    add("snooze", "Have it, and be reminded", "What is still open then is asked about again.", snooze)
    add(
        "hand", "Give it to somebody else", "They are woken; if they do not answer, the ladder goes on.", hand
    )

    async def seen(holder: Holder) -> list[EscalationShown]:
        found = await front.ask(wire.GetEscalations(), wire.EscalationList)
        return [
            escalation_shown(each)
            for each in reversed(found.escalations)
            if holder.kind == "person" or each.by == by(holder)
        ]

    async def one(holder: Holder, name: str) -> EscalationShown:
        """Return one; of several that had the same digits the latest."""
        for known in await seen(holder):
            if name in {known.escalation_id, known.code}:
                return known
        raise Problem("not-found", f"no escalation {name}", cure="see those there are: GET /v1/escalations")

    async def said(
        holder: Holder, name: str, word: wire.EscalationWord, *, for_us: int | None = None, reason: str = ""
    ) -> Response:
        known = await one(holder, name)
        request = wire.AnswerEscalation(
            escalation=known.escalation_id,
            word=word,
            by=by(holder),
            role=holder.role or "viewer",
            via=VIA,
            for_us=for_us,
            reason=plain(reason),
        )
        return taken(await front.ask(request, wire.EscalationAnswer))

    return router


def check_may_raise(holder: Holder, body: RaiseBody) -> None:
    """Refuse viewers, and agents that want more than is theirs to say."""
    if holder.kind == "person":
        require(holder, "responder")
        return
    if SEVERITIES[body.severity] > SEVERITIES[AGENTS_WORST]:
        raise Problem(
            "forbidden",
            f"{holder.name} is an agent, and says {AGENTS_WORST} at most",
            cure=f"say {AGENTS_WORST}; a route in ladders.yaml may have it count as more",
        )
    if body.ladder is not None:
        raise Problem(
            "forbidden",
            f"{holder.name} is an agent, and chooses no ladder",
            cure="leave ladder out; a route in ladders.yaml says which one is climbed",
        )


def taken(said: wire.EscalationAnswer, status: int = 200) -> Response:
    """Write what became of a word. Raises a problem for one that does not count."""
    known = None if said.escalation is None else escalation_shown(said.escalation)
    if not said.counted:
        place = "" if known is None else known.escalation_id
        raise Problem("conflict", said.reason, place=place, cure="see how it stands: GET /v1/escalations")
    return answers.answer(EscalationTaken(reason=said.reason, escalation=known), status)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
