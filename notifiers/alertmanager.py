"""An Alertmanager, which is told of what is open and groups, silences and sends on by its own rules."""

from typing import Any, Final

from notifiers.channel import Capabilities, Message, NotSent, Sent
from notifiers.http_sending import DEADLINE_S, Answer, HttpProvider, before_sending, refused
from notifiers.wording import about_of, lines_of, moment, title_of

_SUMMARY: Final = 1_024
_PATH: Final = "/api/v2/alerts"
_KEEP_S: Final = 86_400


class Alertmanager:
    """The channel `alertmanager`."""

    name = "alertmanager"
    capabilities = Capabilities(
        loud=True, personal=False, receipt=False, acknowledge=False, latency_s=60, cost_usd=0
    )

    def __init__(
        self, url: str, *, token: str = "", keep_s: int = _KEEP_S, deadline_s: float = DEADLINE_S
    ) -> None:
        """Use this one; what nobody says is over ends there by itself after `keep_s`."""
        self._keep_s = keep_s
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = HttpProvider(
            "Alertmanager", url, headers=headers, secrets=[token], deadline_s=deadline_s
        )

    async def send(self, message: Message) -> Sent:
        """Have it fire, or end when it is over. The labels are its key: a second try changes nothing."""
        if message.purpose == "over":
            # A severity that rose has left one more behind, with the labels of before.
            with before_sending():
                open_ones = [each["labels"] for each in await self._found(message)]
            firing = [_entry(message, labels, ends_us=message.sent_us) for labels in open_ones]
        else:
            until_us = message.sent_us + self._keep_s * 1_000_000
            firing = [_entry(message, _labels(message), ends_us=until_us)]
        if firing:
            answer = await self._http.call("POST", _PATH, table=firing)
            if answer.status != 200 or answer.body.strip() not in {b"", b"{}"}:
                raise _refusal(answer) if not answer.ok else _garbage(answer)
        return Sent(delivery="accepted", ref=message.escalation_id)

    async def reconcile(self, message: Message) -> Sent | None:
        """Look whether it stands there as it should."""
        found = await self._found(message)
        if message.purpose == "over":
            return None if found else Sent(delivery="accepted", ref=message.escalation_id)
        there = any(each["labels"] == _labels(message) for each in found)
        return Sent(delivery="accepted", ref=message.escalation_id) if there else None

    async def check(self, address: str) -> str:
        """See whether it answers as an Alertmanager does."""
        answer = await self._http.call("GET", "/api/v2/status")
        if not answer.ok:
            return str(_refusal(answer))
        return "" if "versionInfo" in answer.hint() else f"this is no Alertmanager: {answer.said}"

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _found(self, message: Message) -> list[dict[str, Any]]:
        query = {"filter": f'escalation="{message.escalation_id}"'}
        answer = await self._http.call("GET", _PATH, query=query)
        if not answer.ok:
            raise _refusal(answer)
        found = answer.items()
        if not all(isinstance(each.get("labels"), dict) for each in found):
            raise _garbage(answer)
        return found


def _labels(message: Message) -> dict[str, str]:
    return {
        "alertname": "Watchkeeper",
        "escalation": message.escalation_id,
        "severity": message.severity,
        **({"drill": "true"} if message.drill else {}),
    }


def _entry(message: Message, labels: dict[str, str], *, ends_us: int) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "labels": labels,
        "annotations": {
            "summary": title_of(message, _SUMMARY),
            "description": "\n".join(lines_of(message, link=False)) or title_of(message, _SUMMARY),
            "about": about_of(message),
        },
        "endsAt": moment(ends_us),
    }
    if message.purpose != "over":
        entry["startsAt"] = moment(message.sent_us)
    if message.link:
        entry["generatorURL"] = message.link
    return entry


def _refusal(answer: Answer) -> NotSent:
    return refused(answer, cure="see alertmanager-token, and url in channels.yaml")


def _garbage(answer: Answer) -> NotSent:
    return NotSent(
        f"this is no Alertmanager: it answered {answer.status}: {answer.said}",
        kind="unsure",
        cure="see url in channels.yaml",
    )
