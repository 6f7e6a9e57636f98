"""Any service that takes a signed POST, by the rules of Standard Webhooks 1.0.0.

Three headers go with the body, which is JSON: `webhook-id`, the same for every try of one notification;
`webhook-timestamp`, seconds since 1970, of this try; and `webhook-signature`, `v1,` and the base64 of an
HMAC-SHA256 over `id.timestamp.body`. Who receives it computes the same over the bytes as they came, compares
in constant time, refuses a timestamp more than five minutes off, and keeps ids to know a second try.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from engine.errors import InputError
from notifiers.channel import Capabilities, Message, Sent
from notifiers.http_sending import DEADLINE_S, HttpProvider, refused
from notifiers.wording import about_of, lines_of, moment, presses, title_of

_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(24, 65)
_SUMMARY: Final = 500


def signing_key(secret: str) -> bytes:
    """Read a secret: `whsec_` and the base64 of 24 to 64 bytes. Raises `InputError`."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise InputError(
            "this secret is none: it begins with whsec_, then come 24 to 64 bytes in base64",
            place="webhook-secret",
            cure='make one: echo "whsec_$(openssl rand -base64 32)"',
        )
    return key


def signature(key: bytes, identifier: str, seconds: int, body: bytes) -> str:
    """Sign a body as `webhook-signature` has it."""
    signed = hmac.new(key, f"{identifier}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


class Webhook:
    """The channel `webhook`."""

    name = "webhook"
    capabilities = Capabilities(
        loud=True, personal=False, receipt=False, acknowledge=False, latency_s=5, cost_usd=0
    )

    def __init__(
        self,
        url: str,
        *,
        secret: str,
        deadline_s: float = DEADLINE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Post to this address. Raises `InputError` when the secret is none."""
        parts = urlsplit(url)
        self._path = parts.path or "/"
        self._key, self._clock = signing_key(secret), clock
        origin = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
        self._http = HttpProvider("the webhook", origin, secrets=[secret], deadline_s=deadline_s)

    async def send(self, message: Message) -> Sent:
        """Post it. Any answer from 200 to 299 means that it was taken."""
        body = json.dumps(content(message), ensure_ascii=False).encode(errors="replace")
        seconds = int(self._clock())
        answer = await self._http.call(
            "POST",
            self._path,
            body=body,
            headers={
                "Content-Type": "application/json",
                "webhook-id": message.notification_id,
                "webhook-timestamp": str(seconds),
                "webhook-signature": signature(self._key, message.notification_id, seconds, body),
            },
        )
        if not answer.ok:
            raise refused(answer, cure="see webhook-secret, and url in channels.yaml")
        return Sent(delivery="accepted", ref=message.notification_id)

    async def reconcile(self, message: Message) -> Sent | None:
        """Nobody can say; a second try bears the same id."""
        return None

    async def check(self, address: str) -> str:
        """See whether anything answers there: to try the secret would be to send something."""
        return await self._http.reachable(self._path)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


def content(message: Message) -> dict[str, Any]:
    """Return what is posted: the kind of it, when it was asked for, and all that a person would read."""
    return {
        "type": f"escalation.{message.purpose}",
        "timestamp": moment(message.sent_us),
        "data": {
            "notification": message.notification_id,
            "attempt": message.attempt,
            "escalation": message.escalation_id,
            "severity": message.severity,
            "drill": message.drill,
            "code": message.code,
            "title": title_of(message, _SUMMARY),
            "lines": lines_of(message, link=False),
            "about": about_of(message),
            "count": message.count,
            "deadline": None if message.deadline_us is None else moment(message.deadline_us),
            "link": message.link or None,
            "commands": [press.line for press in presses(message)],
        },
    }
