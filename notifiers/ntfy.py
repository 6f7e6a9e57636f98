"""Pushes by ntfy, to a topic for each person. Whoever knows a topic's name can read it."""

import json
import re
from typing import Any, Final
from urllib.parse import quote

from engine.core.vocabulary.escalations import Purpose, Severity
from notifiers.channel import Capabilities, Message, NotSent, Sent
from notifiers.http_sending import DEADLINE_S, Answer, HttpProvider, refused
from notifiers.wording import text_of, title_of

_TOPIC: Final = re.compile(r"[-_A-Za-z0-9]{1,64}")
# The server takes 4,096 bytes; a letter may take four of them.
_MOST_LETTERS: Final = 1_000
_TITLE: Final = 120
_MOST_ACTIONS: Final = 3
_PRIORITIES: Final[dict[Severity, int]] = {"critical": 5, "warning": 4, "info": 3}
_TAGS: Final[dict[Purpose, str]] = {
    "wake": "rotating_light",
    "again": "hourglass",
    "told": "raising_hand",
    "over": "white_check_mark",
}


class Ntfy:
    """The channel `ntfy`."""

    name = "ntfy"

    def __init__(
        self, server: str, *, token: str = "", answerable: bool = False, deadline_s: float = DEADLINE_S
    ) -> None:
        """Use this server; `answerable` says whether messages will have a link to answer by."""
        self.capabilities = self.states(answerable=answerable)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = HttpProvider("ntfy", server, headers=headers, secrets=[token], deadline_s=deadline_s)

    @staticmethod
    def states(*, answerable: bool) -> Capabilities:
        """Say what it can do, with a link to answer by or without."""
        return Capabilities(
            loud=True, personal=True, receipt=False, acknowledge=answerable, latency_s=5, cost_usd=0
        )

    async def send(self, message: Message) -> Sent:
        """Publish it. A second try bears the same sequence id, so that phones show one notification."""
        topic = _topic(message.address)
        answer = await self._http.call("POST", "/", table=_publication(message, topic))
        if not answer.ok:
            raise self._refusal(answer)
        ref = answer.table().get("id")
        if not isinstance(ref, str):
            raise NotSent(f"ntfy gave it no id: {answer.said}", kind="unsure")
        return Sent(delivery="accepted", ref=ref)

    async def reconcile(self, message: Message) -> Sent | None:
        """Look among what the server keeps; `None` where we may publish but not read."""
        path = f"/{quote(_topic(message.address))}/json"
        answer = await self._http.call("GET", path, query={"poll": "1", "since": "1h"})
        for line in answer.body.splitlines() if answer.ok else ():
            kept = _line(line)
            if kept.get("sequence_id") == _sequence(message):
                return Sent(delivery="accepted", ref=str(kept.get("id", "")))
        return None

    async def check(self, address: str) -> str:
        """See whether the server is well, and whether the address is a topic."""
        if address and not _TOPIC.fullmatch(address):
            return str(_no_topic(address))
        answer = await self._http.call("GET", "/v1/health")
        if not answer.ok:
            return str(self._refusal(answer))
        return "" if answer.hint().get("healthy") is True else f"ntfy says that it is not well: {answer.said}"

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    def _refusal(self, answer: Answer) -> NotSent:
        cure = "see ntfy-token and server in channels.yaml"
        if answer.status in {401, 403}:
            cure = "may this token write to this topic? see ntfy-token"
        return refused(answer, cure=cure, why=str(answer.hint().get("error", "")))


def _publication(message: Message, topic: str) -> dict[str, Any]:
    urgent = message.purpose in {"wake", "again"}
    table: dict[str, Any] = {
        "topic": topic,
        "sequence_id": _sequence(message),
        "title": title_of(message, _TITLE),
        "message": text_of(message, _MOST_LETTERS, link=False) or title_of(message, _TITLE),
        "priority": _PRIORITIES[message.severity] if urgent else 3,
        "tags": [_TAGS[message.purpose]],
    }
    if message.link:
        table["click"] = message.link
        table["actions"] = _actions(message)
    return table


def _actions(message: Message) -> list[dict[str, Any]]:
    """Offer what may be answered without looking; all else is answered on the page."""
    actions: list[dict[str, Any]] = [
        {
            "action": "http",
            "label": choice.label,
            "url": message.link,
            "method": "POST",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            "body": f"word={choice.word}",
            "clear": choice.word == "acknowledge",
        }
        for choice in message.choices
        if choice.word in {"acknowledge", "pass"}
    ]
    return [*actions[: _MOST_ACTIONS - 1], {"action": "view", "label": "Open", "url": message.link}]


def _sequence(message: Message) -> str:
    return re.sub(r"[^-_A-Za-z0-9]", "-", message.notification_id)[:64]


def _topic(address: str) -> str:
    if not _TOPIC.fullmatch(address):
        raise _no_topic(address)
    return address


def _no_topic(address: str) -> NotSent:
    return NotSent(
        f"{address!r} is no topic of ntfy",
        kind="address",
        cure="a topic has up to 64 letters, digits, - and _; correct it in people.yaml",
    )


def _line(line: bytes) -> dict[str, Any]:
    try:
        kept = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}
