"""Routes of on-call duty: who has it, and who has it for a while in another's place."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.document import problems, shown
from bot.http_api.escalation_answers import DutyChange, DutyTurn, OnCallShown, WallClock
from bot.http_api.front import Anybody, Front, Responder, by
from bot.http_api.models import Body, Time
from bot.http_api.routing import StrictRoute
from engine.adapters.machine_time import now_us
from engine.adapters.rotations import Schedule, spans
from engine.core.vocabulary.escalation_facts import OnCallChanged
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import DAY_US, parse_time, time_text
from engine.runtime import wire_escalations as wire

_AHEAD_US = 31 * DAY_US
_Named = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_When = Annotated[Time, Field(strict=False, description="UTC without a zone")]


class DutyBody(Body):
    """For a while somebody else is on call."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "schedule": "primary",
                    "person": "bob",
                    "since": "2026-12-24T18:00:00Z",
                    "until": "2026-12-26T08:00:00Z",
                    "reason": "ada is at her parents'",
                }
            ]
        }
    )

    schedule: _Named
    person: _Named
    since: _When
    until: _When
    reason: Annotated[str, Field(max_length=2_000)] = ""


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/on-call", route_class=StrictRoute, tags=["escalations"])

    @router.get(
        "",
        operation_id="get_on_call",
        summary="See who has which duty, and what time it is for each",
        description="A swap is two changes.",
        response_class=Response,
        responses={**shown(OnCallShown, "Who has which duty"), **problems()},
    )
    async def duty(_holder: Anybody) -> Response:
        return told(await front.ask(wire.GetDuty(), wire.DutyShown))

    @router.post(
        "/changes",
        operation_id="change_on_call",
        summary="Put somebody on call in another's place for a while",
        description="For responders and captains. Of several changes at one time the last one counts.",
        response_class=Response,
        status_code=201,
        responses={**shown(OnCallShown, "It counts", status=201), **problems(409, body=True)},
    )
    async def change(holder: Responder, body: DutyBody) -> Response:
        request = wire.ChangeOnCall(
            schedule=body.schedule,
            person=PersonId(body.person),
            from_us=parse_time(body.since.isoformat()),
            until_us=parse_time(body.until.isoformat()),
            by=by(holder),
            reason=body.reason,
        )
        return told(await front.ask(request, wire.DutyShown), 201)

    @router.delete(
        "/changes/{change_id}",
        operation_id="restore_on_call",
        summary="Take such a change back",
        description="For responders and captains.",
        response_class=Response,
        responses={**shown(OnCallShown, "It is taken back"), **problems(404)},
    )
    async def restore(
        holder: Responder, change_id: Annotated[str, Path(pattern=r"^c[0-9]{1,18}$", examples=["c17"])]
    ) -> Response:
        request = wire.RestoreOnCall(change_id=change_id, by=by(holder))
        return told(await front.ask(request, wire.DutyShown, wrong="not-found"))

    def told(known: wire.DutyShown, status: int = 200) -> Response:
        at_us, roster = now_us(), front.roster
        return answers.answer(
            OnCallShown(
                schedules=tuple(_turn(each, at_us, known.changes) for each in roster.schedules.values()),
                captain=known.captain or "",
                deputy=known.deputy or "",
                away=known.away,
                changes=tuple(_change(each) for each in known.changes),
                people=tuple(
                    WallClock(
                        person=hour.person,
                        shown=hour.shown,
                        quiet=hour.quiet,
                        until=None if hour.until_us is None else time_text(hour.until_us),
                    )
                    for hour in roster.hours(at_us)
                ),
            ),
            status,
        )

    return router


def _turn(schedule: Schedule, at_us: int, changes: tuple[OnCallChanged, ...]) -> DutyTurn:
    now, *later = spans(schedule, at_us, at_us + _AHEAD_US, changes)
    return DutyTurn(
        schedule=schedule.name,
        zone=schedule.zone,
        person=now.person or "",
        until=time_text(now.until_us) if later else None,
        next=(later[0].person or "") if later else "",
    )


def _change(change: OnCallChanged) -> DutyChange:
    return DutyChange(
        change_id=change.change_id,
        schedule=change.schedule,
        person=change.person,
        since=time_text(change.from_us),
        until=time_text(change.until_us),
        by=change.by,
        reason=change.reason,
        links={"self": f"/v1/on-call/changes/{change.change_id}"},
    )
