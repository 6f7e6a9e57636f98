"""SMS through Twilio, which people answer with a code and a word."""

from typing import Final
from urllib.parse import quote_plus, urlencode

from notifiers.channel import Capabilities, Message, Sent
from notifiers.claims import Claims
from notifiers.reachable import account_faults, check_number, last_failure, number_faults
from notifiers.short_text import is_about, short_text
from notifiers.twilio_callbacks import SMS_PATH, callback_url
from notifiers.twilio_client import Listed, TwilioClient
from notifiers.twilio_found import found_since

_KEPT_S: Final = 900
"""How long Twilio tries: an SMS that comes hours late wakes people for what is over."""
_NEVER_SENT: Final = frozenset({"failed", "undelivered", "canceled"})


class SmsChannel:
    """Sends one SMS. Without an address that Twilio finds us at, nobody can answer it."""

    def __init__(self, client: TwilioClient, *, public_url: str, name: str = "sms") -> None:
        """Take the account, and our address as seen from outside; empty where there is none."""
        self.name = name
        self._client, self._public_url = client, public_url.rstrip("/")
        self._claims = Claims()
        self._always = urlencode({
            "From": client.section.from_number, "ValidityPeriod": str(_KEPT_S)
        }).encode()  # fmt: skip

    @property
    def capabilities(self) -> Capabilities:
        """What an SMS can do."""
        return self.states(reachable=bool(self._public_url))

    @staticmethod
    def states(*, reachable: bool) -> Capabilities:
        """Say what it can do, where Twilio finds us and where it does not."""
        return Capabilities(
            loud=True,
            personal=True,
            receipt=reachable,
            acknowledge=reachable,
            latency_s=15.0,
            cost_usd=0.01,
            text="short",
        )

    async def send(self, message: Message) -> Sent:
        """Ask Twilio to send it. Raises `NotSent`."""
        check_number(message.address)
        return await self._claims.asked(message, self._client.create("Messages", self._form(message)))

    def _form(self, message: Message) -> bytes:
        form = f"To={quote_plus(message.address)}&Body={quote_plus(self._text(message))}&"
        if self._public_url:
            url = callback_url(self._public_url, self._client.token, message.notification_id, "status")
            form += f"StatusCallback={quote_plus(url)}&"
        return form.encode() + self._always

    def _text(self, message: Message) -> str:
        # What cannot be answered does not say how.
        return short_text(message, answers=bool(self._public_url))

    async def reconcile(self, message: Message) -> Sent | None:
        """Look for an SMS of the same escalation to this number since it was asked for. Raises `NotSent`."""
        page, ahead_s = await self._client.get("Messages", Listed, To=message.address, PageSize="50")
        texts = found_since(message, page.messages, ahead_s, from_number=self._client.section.from_number)
        own = [each for each in texts if is_about(each.body or "", message)]
        return self._claims.settled(message, [each.sid for each in own if each.status not in _NEVER_SENT])

    async def check(self, address: str) -> str:
        """Say what is wrong with the account, or with a number by its form and its last SMS."""
        if address:
            if fault := number_faults(address):
                return fault
            page, _ = await self._client.get("Messages", Listed, To=address, PageSize="1")
            return last_failure(page.messages, "SMS")
        inbound = self._public_url + SMS_PATH if self._public_url else ""
        if fault := await account_faults(self._client, "sms", inbound=inbound):
            return fault
        return (
            ""
            if self._public_url
            else "nobody can answer by SMS: set public_url, the address that Twilio finds us at"
        )

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
