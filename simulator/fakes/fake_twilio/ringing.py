"""A call from its first ring to its end: what the phone does, what it hears, and what Twilio tells of it."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

from simulator.fakes.fake_twilio.calling_back import CallingBack
from simulator.fakes.fake_twilio.phones import Phone
from simulator.fakes.fake_twilio.records import VERSION, Call

_MOST_STEPS: Final = 60
_MOST_LETTERS: Final = 4096
_KEYS: Final = frozenset("0123456789*#")
_ENDS: Final = {"busy": "busy", "nobody": "no-answer", "failed": "failed"}
_ATTRIBUTES: Final = {
    "Say": {"voice", "language", "loop"},
    "Gather": {"input", "numDigits", "finishOnKey", "timeout", "action", "method", "actionOnEmptyResult"},
    "Pause": {"length"},
    "Redirect": {"method"},
    "Hangup": set(),
}

_Next = tuple[str, list[tuple[str, str]]]


def parsed(document: str) -> ET.Element:
    """Read TwiML. Raises `ET.ParseError`."""
    return ET.fromstring(document)  # noqa: S314 - it comes from our own server, under test


class Ringing:
    """Plays calls."""

    def __init__(self, back: CallingBack, *, clock: Callable[[], float], ring_s: float) -> None:
        self._back, self._clock, self._ring_s = back, clock, ring_s

    async def play(self, call: Call, phone: Phone) -> None:
        """Ring a phone, and see the call to its end."""
        self._tell(call, "initiated", "initiated", 0)
        await asyncio.sleep(self._ring_s)
        call.status = "ringing"
        self._tell(call, "ringing", "ringing", 1)
        await asyncio.sleep(self._ring_s)
        if phone.answers in _ENDS and not phone.lies:
            call.status = _ENDS[phone.answers]
            self._tell(call, "completed", call.status, 2)
            return
        call.status = "in-progress"
        if call.detects_machines and not phone.lies:
            call.answered_by = "machine_end_beep" if phone.answers == "voicemail" else "human"
        self._tell(call, "answered", "in-progress", 2)
        if not phone.hangs_up and not phone.lies:
            await self._talk(call, phone)
        call.status = "completed"
        self._tell(call, "completed", "completed", 3)

    def _tell(self, call: Call, step: str, status: str, number: int) -> None:
        if not call.status_callback or step not in call.steps:
            return
        at = datetime.fromtimestamp(int(self._clock()), UTC)
        more = [
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", str(number)),
            ("Timestamp", format_datetime(at)),
        ]
        if step == "completed":
            more += [("Duration", "1"), ("CallDuration", "7")]
        self._back.later(call.status_callback, [*_about(call, status), *more])

    # ------------------------------------------------------------ TwiML

    async def _talk(self, call: Call, phone: Phone) -> None:
        keys = iter(phone.keys)
        document, base = call.twiml, call.url
        if not document:
            document = await self._fetch(call, call.url, [])
        for _ in range(_MOST_STEPS):
            step = self._walk(call, document, keys)
            if step is None:
                return
            target, fields = step
            base = urljoin(base, target)
            document = await self._fetch(call, base, fields)
        call.troubles.append("the call goes round and round")

    async def _fetch(self, call: Call, url: str, more: list[tuple[str, str]]) -> str:
        sent = await self._back.post(url, [*_about(call, "in-progress"), *more])
        if sent.status == 200:
            return sent.body
        call.troubles.append(f"11200: {url} answered {sent.status or 'nothing'}")
        call.heard.append("We are sorry, an application error has occurred. Goodbye.")
        return "<Response/>"

    def _walk(
        self, call: Call, document: str, keys: Iterator[str]
    ) -> tuple[str, list[tuple[str, str]]] | None:
        """Do what a document says; returns where to go on and what to say there, or `None` at the end."""
        try:
            response = parsed(document)
        except ET.ParseError as error:
            call.troubles.append(f"12100: {error}")
            return None
        if response.tag != "Response":
            call.troubles.append(f"12102: the first element is {response.tag}")
            return None
        for verb in response:
            unknown = set(verb.attrib) - _ATTRIBUTES.get(verb.tag, set())
            if verb.tag not in _ATTRIBUTES or unknown:
                call.troubles.append(f"12200: {verb.tag} {sorted(unknown)}")
            if verb.tag == "Say":
                self._say(call, verb)
            elif verb.tag == "Gather":
                key = self._gather(call, verb, keys)
                if key:
                    return verb.get("action", ""), [
                        ("Digits", key),
                        ("FinishedOnKey", ""),
                        ("msg", "Gather End"),
                    ]
            elif verb.tag == "Redirect":
                return verb.text or "", []
            elif verb.tag == "Hangup":
                return None
        return None

    def _gather(self, call: Call, verb: ET.Element, keys: Iterator[str]) -> str:
        for inner in verb:
            if inner.tag not in {"Say", "Pause"}:
                call.troubles.append(f"13330: {inner.tag} inside Gather")
            self._say(call, inner)
        key = next(keys, "")
        if key and (key not in _KEYS or verb.get("numDigits") != "1"):
            call.troubles.append(f"{key!r} cannot be pressed here")
        if key == verb.get("finishOnKey", "#"):
            # It ends the input instead of being it.
            return ""
        if key:
            call.pressed.append(key)
        return key

    @staticmethod
    def _say(call: Call, verb: ET.Element) -> None:
        text = verb.text or ""
        if len(text) > _MOST_LETTERS or (verb.tag == "Say" and not text.strip()):
            call.troubles.append(f"13520: {len(text)} letters to say")
        if verb.tag == "Say":
            call.heard.append(text)


def _about(call: Call, status: str) -> list[tuple[str, str]]:
    fields = [
        ("CallSid", call.sid), ("AccountSid", call.account_sid), ("From", call.from_), ("To", call.to),
        ("Caller", call.from_), ("Called", call.to), ("CallStatus", status), ("ApiVersion", VERSION),
        ("Direction", "outbound-api"), ("CalledCity", ""), ("FromCountry", "DE"),
    ]  # fmt: skip
    return fields + ([("AnsweredBy", call.answered_by)] if call.answered_by else [])
