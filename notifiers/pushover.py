"""Pushes by Pushover, to a user key for each person. What is critical rings until it is acknowledged."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Final

from engine.core.vocabulary.escalations import Severity
from engine.core.vocabulary.ids import EscalationId, PersonId
from notifiers.channel import Acknowledged, Capabilities, Heard, Message, NotSent, Report, Sent
from notifiers.http_sending import DEADLINE_S, Answer, HttpProvider, before_sending, refused
from notifiers.wording import text_of, title_of

_KEY: Final = re.compile(r"[A-Za-z0-9]{30}")
_TITLE: Final = 250
_TEXT: Final = 1_024
# Each receipt may be asked about once in five seconds; a little more, for clocks differ.
POLL_S: Final = 5.5
# It asks for no more at once.
_CONNECTIONS: Final = 2
_PRIORITIES: Final[dict[Severity, int]] = {"critical": 2, "warning": 1, "info": 0}
_EMERGENCY: Final = 2
_LONGEST_S: Final = 10_800.0


class _Expected:
    """A push whose receipt is asked about."""

    def __init__(self, message: Message, until: float) -> None:
        self.message, self.until = message, until
        self.delivered = False


class Pushover:
    """The channel `pushover`."""

    name = "pushover"
    capabilities = Capabilities(
        loud=True, personal=True, receipt=True, acknowledge=True, latency_s=5, cost_usd=0
    )

    def __init__(
        self,
        api: str,
        *,
        token: str,
        retry_s: int = 60,
        expire_s: int = 3600,
        poll_s: float = POLL_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Send as the application of this token; what is critical rings every `retry_s` for `expire_s`."""
        self._token, self._retry_s, self._expire_s, self._poll_s = token, retry_s, expire_s, poll_s
        self._http = HttpProvider(
            "Pushover", api, secrets=[token], deadline_s=deadline_s, connections=_CONNECTIONS
        )
        self._expected: dict[str, _Expected] = {}

    async def send(self, message: Message) -> Sent:
        """Push it. To whom it says that somebody has it, or that it is over, it rings no more.

        Pushover knows no key for a second try: it may ring twice.
        """
        key = _key(message.address)
        if message.purpose in {"told", "over"}:
            with before_sending():
                await self.silence(message.escalation_id, message.person)
        answer = await self._http.call("POST", "/1/messages.json", form=self._form(message, key))
        if not answer.ok:
            raise _refusal(answer)
        table = answer.table()
        if table.get("status") != 1:
            raise NotSent(f"Pushover did not take it: {answer.said}", kind="unsure")
        receipt = table.get("receipt")
        ref = receipt if isinstance(receipt, str) and _KEY.fullmatch(receipt) else ""
        return Sent(delivery="accepted", ref=ref)

    async def reconcile(self, message: Message) -> Sent | None:
        """Nobody can say: Pushover lists nothing."""
        return None

    async def silence(self, escalation_id: EscalationId, person: PersonId) -> None:
        """Stop what still rings for one person."""
        path = f"/1/receipts/cancel_by_tag/{_tag(escalation_id, person)}.json"
        answer = await self._http.call("POST", path, form={"token": self._token})
        if answer.status in {401, 403}:
            raise _refusal(answer)

    async def check(self, address: str) -> str:
        """Have Pushover validate a user key; without one, see whether the token is taken."""
        if not address:
            answer = await self._http.call("GET", "/1/sounds.json", query={"token": self._token})
            return "" if answer.ok else str(_refusal(answer))
        if not _KEY.fullmatch(address):
            return str(_no_key(address))
        form = {"token": self._token, "user": address}
        answer = await self._http.call("POST", "/1/users/validate.json", form=form)
        return "" if answer.ok and answer.table().get("status") == 1 else str(_refusal(answer))

    def expect(self, message: Message, ref: str) -> None:
        """Ask about this push from now on, if it has a receipt."""
        if ref:
            left_s = message.sent_us / 1_000_000 + _LONGEST_S + 60 - time.time()
            self._expected[ref] = _Expected(message, time.monotonic() + min(left_s, _LONGEST_S + 60))

    async def listen(self, hear: Heard) -> None:
        """Ask about every receipt again and again, for ever."""
        while True:
            for receipt, expected in list(self._expected.items()):
                try:
                    await self._ask(receipt, expected, hear)
                except NotSent as error:
                    # Asked again the next time round; one that is refused is never answered.
                    if error.kind in {"address", "setup"} or time.monotonic() > expected.until:
                        self._expected.pop(receipt, None)
            await asyncio.sleep(self._poll_s)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _ask(self, receipt: str, expected: _Expected, hear: Heard) -> None:
        answer = await self._http.call("GET", f"/1/receipts/{receipt}.json", query={"token": self._token})
        if not answer.ok:
            raise _refusal(answer)
        table = answer.table()
        number = expected.message.notification_id
        if table.get("last_delivered_at") and not expected.delivered:
            await hear(Report(notification_id=number, delivery="delivered"))
            expected.delivered = True
        if table.get("acknowledged") == 1:
            await hear(Acknowledged(notification_id=number, person=self._who(table, expected.message)))
        if table.get("acknowledged") == 1 or table.get("expired") == 1 or time.monotonic() > expected.until:
            self._expected.pop(receipt, None)

    def _who(self, table: Mapping[str, object], message: Message) -> PersonId:
        """Return whose key acknowledged it: of a group's push, perhaps not the one it was sent to."""
        by = table.get("acknowledged_by")
        others = {each.message.address: each.message.person for each in self._expected.values()}
        return others.get(by, message.person) if isinstance(by, str) else message.person

    def _form(self, message: Message, key: str) -> dict[str, str]:
        priority = _PRIORITIES[message.severity] if message.purpose in {"wake", "again"} else 0
        form = {
            "token": self._token,
            "user": key,
            "title": title_of(message, _TITLE),
            "message": text_of(message, _TEXT, link=False) or title_of(message, _TITLE),
            "priority": str(priority),
            "timestamp": str(message.sent_us // 1_000_000),
        }
        if priority == _EMERGENCY:
            form |= {
                "retry": str(self._retry_s), "expire": str(self._expire_s),
                "tags": _tag(message.escalation_id, message.person),
            }  # fmt: skip
        if message.link and len(message.link) <= 512:
            form |= {"url": message.link, "url_title": "Answer"}
        return form


def _tag(escalation_id: EscalationId, person: PersonId) -> str:
    """Name what rings for one person: when somebody else takes it over, theirs has just begun to ring."""
    return re.sub(r"[^A-Za-z0-9_]", "_", f"{escalation_id}__{person}")


def _key(address: str) -> str:
    if not _KEY.fullmatch(address):
        raise _no_key(address)
    return address


def _no_key(address: str) -> NotSent:
    return NotSent(
        f"{address!r} is no user key of Pushover",
        kind="address",
        cure="it has 30 letters and digits, and stands on pushover.net; correct it in people.yaml",
    )


def _refusal(answer: Answer) -> NotSent:
    hint = answer.hint()
    errors = hint.get("errors")
    why = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
    if hint.get("user") == "invalid" or "user" in why:
        return refused(answer, address=True, why=why, cure="correct the user key in people.yaml")
    return refused(answer, why=why, cure="see pushover-token")
