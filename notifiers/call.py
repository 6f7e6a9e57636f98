"""Phone calls through Twilio, with a menu of keys."""

from typing import Final
from urllib.parse import quote_plus, urlencode

from notifiers.channel import Capabilities, Message, Sent
from notifiers.claims import Claims
from notifiers.reachable import account_faults, check_number, last_failure, number_faults
from notifiers.spoken_text import spoken
from notifiers.twilio_callbacks import callback_url
from notifiers.twilio_client import Listed, TwilioClient
from notifiers.twilio_found import found_since
from notifiers.twiml import Voice, spoken_once

_LONGEST_CALL_S: Final = 300
_SILENCE_MS: Final = 2500
"""How long somebody may say nothing before Twilio stops to wonder whether it is a machine."""
_STEPS: Final = ("ringing", "answered", "completed")
_NEVER_RANG: Final = frozenset({"failed", "canceled"})


class CallChannel:
    """Rings a phone. Without an address that Twilio finds us at, it speaks, and nobody can answer by key."""

    def __init__(self, client: TwilioClient, *, public_url: str, name: str = "call") -> None:
        """Take the account, and our address as seen from outside; empty where there is none."""
        self.name = name
        self.voice = Voice(voice=client.section.voice, language=client.section.language)
        self._client, self._public_url = client, public_url.rstrip("/")
        self._claims = Claims()
        always = {"From": client.section.from_number, "Timeout": str(client.section.ring_s)}
        always["TimeLimit"] = str(_LONGEST_CALL_S)
        if self._public_url:
            always |= {
                "MachineDetection": "DetectMessageEnd",
                "MachineDetectionSilenceTimeout": str(_SILENCE_MS),
            }
        told = [("StatusCallbackEvent", step) for step in _STEPS] if self._public_url else []
        self._always = urlencode([*always.items(), *told]).encode()

    @property
    def capabilities(self) -> Capabilities:
        """What a call can do."""
        return self.states(reachable=bool(self._public_url))

    @staticmethod
    def states(*, reachable: bool) -> Capabilities:
        """Say what it can do, where Twilio finds us and where it does not."""
        return Capabilities(
            loud=True,
            personal=True,
            receipt=reachable,
            acknowledge=reachable,
            latency_s=10.0,
            cost_usd=0.03,
            text="spoken",
        )

    async def send(self, message: Message) -> Sent:
        """Ask Twilio to call. Raises `NotSent`."""
        check_number(message.address)
        return await self._claims.asked(message, self._client.create("Calls", self._form(message)))

    def _form(self, message: Message) -> bytes:
        to = quote_plus(message.address)
        if not self._public_url:
            text = spoken_once(self.voice, (*spoken(message), "Answer in chat."), loop=2)
            return b"To=%b&Twiml=%b&%b" % (to.encode(), quote_plus(text).encode(), self._always)
        token = self._client.token
        # Each step's address differs in its last word only, and quoting takes longer than all else here.
        base = quote_plus(callback_url(self._public_url, token, message.notification_id, "voice"))[:-5]
        return f"To={to}&Url={base}voice&StatusCallback={base}status&".encode() + self._always

    async def reconcile(self, message: Message) -> Sent | None:
        """Look for a call to this number since it was asked for that is nobody else's. Raises `NotSent`."""
        page, ahead_s = await self._client.get("Calls", Listed, To=message.address, PageSize="50")
        calls = found_since(message, page.calls, ahead_s, from_number=self._client.section.from_number)
        return self._claims.settled(message, [call.sid for call in calls if call.status not in _NEVER_RANG])

    async def check(self, address: str) -> str:
        """Say what is wrong with the account, or with a number by its form and its last call."""
        if address:
            if fault := number_faults(address):
                return fault
            page, _ = await self._client.get("Calls", Listed, To=address, PageSize="1")
            return last_failure(page.calls, "call")
        if fault := await account_faults(self._client, "voice"):
            return fault
        return (
            ""
            if self._public_url
            else "nobody can answer by key: set public_url, the address that Twilio finds us at"
        )

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
