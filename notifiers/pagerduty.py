"""A service of PagerDuty, by its Events API v2. One incident there for each escalation here."""

import re
from typing import Any, Final

from engine.core.vocabulary.escalations import Purpose
from notifiers.channel import Capabilities, Message, NotSent, Sent
from notifiers.http_sending import DEADLINE_S, Answer, HttpProvider, refused
from notifiers.wording import about_of, lines_of, moment, title_of

_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")
_SUMMARY: Final = 1_024
_ACTIONS: Final[dict[Purpose, str]] = {
    "wake": "trigger", "again": "trigger", "told": "acknowledge", "over": "resolve",
}  # fmt: skip


class PagerDuty:
    """The channel `pagerduty`."""

    name = "pagerduty"
    capabilities = Capabilities(
        loud=True, personal=False, receipt=False, acknowledge=False, latency_s=30, cost_usd=0
    )

    def __init__(self, api: str, *, key: str, deadline_s: float = DEADLINE_S) -> None:
        """Use the service with this integration key."""
        self._key = key
        self._http = HttpProvider("PagerDuty", api, secrets=[key], deadline_s=deadline_s)

    async def send(self, message: Message) -> Sent:
        """Open the incident, acknowledge it when somebody has it, resolve it when it is over.

        All bear the same key, so a second try changes nothing.
        """
        answer = await self._http.call("POST", "/v2/enqueue", table=self._happening(message))
        if not answer.ok:
            raise _refusal(answer)
        table = answer.table()
        if answer.status != 202 or table.get("status") != "success":
            raise NotSent(f"PagerDuty answered {answer.status}: {answer.said}", kind="unsure")
        return Sent(delivery="accepted", ref=str(table.get("dedup_key", "")))

    async def reconcile(self, message: Message) -> Sent | None:
        """Nobody can say, and nobody needs to: a second try joins the first."""
        return None

    async def check(self, address: str) -> str:
        """See whether PagerDuty answers, and the key looks like one: to try it would open an incident."""
        if not _KEY.fullmatch(self._key):
            return "pagerduty-key is no integration key: it has 32 letters and digits"
        return await self._http.reachable()

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    def _happening(self, message: Message) -> dict[str, Any]:
        action = _ACTIONS[message.purpose]
        table: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": action,
            "dedup_key": message.escalation_id,
        }
        if action != "trigger":
            return table
        return table | {
            "client": "Watchkeeper",
            **({"client_url": message.link} if message.link else {}),
            "links": [{"href": message.link, "text": "Answer"}] if message.link else [],
            "payload": {
                "summary": title_of(message, _SUMMARY),
                "source": about_of(message),
                "severity": message.severity,
                "timestamp": moment(message.sent_us),
                "custom_details": {
                    "lines": lines_of(message, link=False),
                    "count": message.count,
                    "drill": message.drill,
                },
            },
        }


def _refusal(answer: Answer) -> NotSent:
    errors = answer.hint().get("errors")
    why = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
    return refused(answer, why=why, cure="see pagerduty-key")
