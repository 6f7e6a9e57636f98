"""Alerts of an Alertmanager, as it sends them: what fires wakes people, what is resolved lets them be.

All of it is what others wrote. What is not known is passed over, and of what is known nothing is believed but
its length: an alert with an odd label must wake somebody all the same.
"""

import asyncio
import hashlib
import logging
from collections.abc import Collection, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from bot.http_api import answers
from bot.http_api.document import problems, shown
from bot.http_api.escalation_answers import AlertsTaken
from bot.http_api.escalations import AGENTS_WORST
from bot.http_api.front import Anybody, Front, by, require
from bot.http_api.models import Count
from bot.http_api.routing import StrictRoute
from engine.core.plain_text import shortened
from engine.core.vocabulary.escalations import Severity
from engine.ports import Holder
from engine.runtime import wire_escalations as wire

MONITOR: Final = "alerts"
"""The capability that an agent's token must name for its alerts to count as critical."""
_SUMMARY: Final = 200
_EVIDENCE: Final = 300
_NAME: Final = 80
_LONGEST_MARK: Final = 64
_AT_ONCE: Final = 100
_SEVERITIES: Final[dict[str, Severity]] = {
    **dict.fromkeys(("critical", "crit", "page", "emergency", "fatal", "disaster", "sev1", "p1"), "critical"),
    **dict.fromkeys(("info", "information", "informational", "notice", "debug", "none", "ok"), "info"),
}
"""What systems call it; anything else, and nothing, is a warning."""
_log = logging.getLogger("watchkeeper.alerts")

_Words = Annotated[str, Field(max_length=1 << 16)]


class AlertBody(BaseModel):
    """One alert, as far as we read it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    status: _Words = "firing"
    labels: dict[str, Any] = {}
    annotations: dict[str, Any] = {}
    fingerprint: Annotated[_Words, Field(description="Of the labels; empty: we make one")] = ""

    @property
    def is_resolved(self) -> bool:
        """Whether it is over. What says something that we do not know fires."""
        return self.status.strip().casefold() == "resolved"


class AlertmanagerBody(BaseModel):
    """What an Alertmanager posts to a webhook (version 4); fields that are not named here are passed over."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {
                    "version": "4",
                    "groupKey": '{}:{alertname="DiskFull"}',
                    "truncatedAlerts": 0,
                    "alerts": [
                        {
                            "status": "firing",
                            "labels": {"alertname": "DiskFull", "severity": "critical", "instance": "db1"},
                            "annotations": {"summary": "db1 has 2 % left", "description": "since 03:10"},
                            "fingerprint": "0d3a4c2b8e9f1a77",
                        }
                    ],
                }
            ]
        },
    )

    alerts: Annotated[list[AlertBody], Field(max_length=20_000)]
    group_key: Annotated[_Words, Field(alias="groupKey", description="The incident")] = ""
    truncated: Annotated[
        Count, Field(alias="truncatedAlerts", description="How many max_alerts left out")
    ] = 0


def routes(front: Front) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/alerts", route_class=StrictRoute, tags=["escalations"])

    @router.post(
        "/alertmanager",
        operation_id="take_alerts",
        summary="Take in the alerts of an Alertmanager",
        description="For its webhook, with the token of an agent, a responder or a captain. "
        "Each alert is known by its fingerprint, so that what is sent again, or by a second Alertmanager "
        "with the same token, wakes nobody anew; one group is one incident, which wakes once. The label "
        "`severity` says how bad it is; of an agent `critical` counts only where its token names the "
        "capability `alerts`. What is resolved ends unless it comes back. A 503 means: send it again.",
        response_class=Response,
        responses={**shown(AlertsTaken, "They are taken"), **problems(409, body=True)},
    )
    async def alertmanager(holder: Anybody, body: AlertmanagerBody) -> Response:
        if holder.kind == "person":
            require(holder, "responder")
        if body.truncated:
            _log.warning(
                "%s left out %d alerts of a group: raise max_alerts there", by(holder), body.truncated
            )
        # Of two that say different things about one alert, the later one knows better.
        known = {_key(holder, alert): alert for alert in body.alerts}
        firing = {key: alert for key, alert in known.items() if not alert.is_resolved}
        group = f"alert:{by(holder)}:{_digest(body.group_key)}" if body.group_key else ""
        # What fires comes first: an incident that goes on must not look over in between.
        raised = await ask_all([_raise(holder, key, alert, group) for key, alert in firing.items()])
        cleared = await ask_all([_clear(holder, key) for key in known if key not in firing])
        found = [said.escalation.escalation_id for said in (*raised, *cleared) if said.escalation is not None]
        return answers.answer(
            AlertsTaken(
                firing=sum(said.counted for said in raised),
                resolved=sum(said.counted for said in cleared),
                quiet=sum(not said.counted for said in raised),
                left_out=body.truncated,
                escalations=tuple(dict.fromkeys(found)),
            )
        )

    async def ask_all(
        requests: Sequence[wire.RaiseEscalation | wire.ClearEscalation],
    ) -> list[wire.EscalationAnswer]:
        """Ask the engine all of it. Raises as one of them is refused; then all may be sent again."""
        said: list[wire.EscalationAnswer] = []
        for start in range(0, len(requests), _AT_ONCE):
            some = requests[start : start + _AT_ONCE]
            said += await asyncio.gather(*(front.ask(each, wire.EscalationAnswer) for each in some))
        return said

    return router


def _raise(holder: Holder, key: str, alert: AlertBody, group: str) -> wire.RaiseEscalation:
    summary, evidence = _said(alert)
    return wire.RaiseEscalation(
        key=key,
        group=group,
        kind="alert",
        severity=_severity(holder, alert),
        # Not the bare name: nobody's label may pass for the id of a decision.
        about=f"alert:{shortened(_text(alert.labels.get('alertname')), _NAME) or 'nameless'}",
        summary=summary,
        evidence=evidence,
        by=by(holder),
    )


def _clear(holder: Holder, key: str) -> wire.ClearEscalation:
    return wire.ClearEscalation(key=key, by=by(holder), detail="resolved")


def _key(holder: Holder, alert: AlertBody) -> str:
    """Name an alert. Whose it is belongs to the name: no agent may call another's alert resolved."""
    mark = alert.fingerprint or _digest("\n".join(sorted(_pairs(alert))))
    is_name = mark.isascii() and mark.isalnum() and len(mark) <= _LONGEST_MARK
    return f"alert:{by(holder)}:{mark if is_name else _digest(mark)}"


def _severity(holder: Holder, alert: AlertBody) -> Severity:
    said = _text(alert.labels.get("severity")).strip().casefold()
    severity = _SEVERITIES.get(said, "warning")
    if severity == "critical" and holder.kind == "agent" and MONITOR not in holder.capabilities:
        return AGENTS_WORST
    return severity


def _said(alert: AlertBody) -> tuple[str, tuple[str, ...]]:
    """Make a line of what it is, and at most two of why."""
    labels, notes = alert.labels, alert.annotations
    name = shortened(_text(labels.get("alertname")), _NAME)
    told = [shortened(_text(notes.get(each)), _EVIDENCE) for each in ("summary", "message", "description")]
    first, *more = [each for each in dict.fromkeys(told) if each] or [name or "an alert without a name"]
    if name and name.casefold() not in first.casefold():
        first = f"{name}: {first}"
    where = shortened(", ".join(_pairs(alert, but={"alertname", "severity"})), _EVIDENCE)
    return shortened(first, _SUMMARY), tuple(each for each in (*more[:1], where) if each)


def _pairs(alert: AlertBody, *, but: Collection[str] = ()) -> list[str]:
    return [f"{key}={_text(value)}" for key, value in alert.labels.items() if key not in but]


def _text(value: object) -> str:
    """Return what a label says; nothing for what no Alertmanager would put there."""
    return str(value) if isinstance(value, str | int | float) else ""


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()
