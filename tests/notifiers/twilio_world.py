"""What the tests of Twilio share: a fake of it, channels that talk to it, and a front it can call back."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from msgspec.structs import replace

from bot.http_api import phone as phone_routes
from bot.http_api.outside import Outside
from bot.http_api.phone import Phone as PhoneFront
from bot.http_api.requests_seen import RequestsSeen
from engine.core.vocabulary.ids import PersonId
from engine.errors import WatchkeeperError
from engine.settings.twilio import TwilioSection
from notifiers.channel import Choice, Message
from notifiers.twilio_client import TwilioClient
from notifiers.twiml import Voice
from simulator.fakes.fake_twilio import FakeTwilio

PUBLIC = "https://wk.example.org"
CAT = "+4915112345678"
RAY = "+4915187654321"
SPEC = Path(__file__).parents[2].parent / "shared" / "specs" / "twilio" / "twilio_api_v2010.json"
CHOICES = tuple(
    Choice(word=word, label=word.title(), digit=digit)
    for word, digit in (("acknowledge", "1"), ("approve", "2"), ("deny", "3"), ("pass", "5"), ("stop", "9"))
)
JUST_ACK = tuple(choice for choice in CHOICES if choice.word in {"acknowledge", "pass"})


def message(**given) -> Message:
    """A notification that wakes Cat, with every choice."""
    fields = {
        "notification_id": "e_288ca454f1551b4.1",
        "escalation_id": "e_288ca454f1551b4",
        "attempt": 1,
        "person": "cat",
        "address": CAT,
        "purpose": "wake",
        "severity": "critical",
        "code": "4711",
        "title": "Delete three volumes of payments?",
        "lines": ("Confidence 62 %, wanted 70 %", "Denied at the deadline"),
        "sent_us": 0,
        "deadline_us": 14 * 60_000_000,
        "choices": CHOICES,
    }
    return Message(**{**fields, **given})


def section(fake: FakeTwilio, **given) -> TwilioSection:
    """Settings that lead to a fake."""
    return TwilioSection(
        account_sid=fake.account_sid,
        from_number=fake.account.number,
        base_url=fake.base_url,
        **{"timeout_s": 5.0, **given},
    )


def client(fake: FakeTwilio, **given) -> TwilioClient:
    """A client of a fake."""
    return TwilioClient(section(fake, **given), token=fake.auth_token)


class DeskOfTests:
    """The desk in place of the engine: it knows what was sent, and keeps what people said."""

    def __init__(self, *messages: Message) -> None:
        self.known = {each.notification_id: each for each in messages}
        self.said: list[tuple[str, str, str, str]] = []
        self.keys: list[str] = []
        self.reports: list[tuple[str, str]] = []
        self.away = False
        self.refuses: str = ""
        self.takes_s = 0.0

    async def message(self, notification_id):
        self._be_there()
        return self.known.get(notification_id)

    async def by_code(self, code, person):
        self._be_there()
        own = [each for each in self.known.values() if each.person == person and each.code == code]
        return own[-1] if own else None

    async def say(self, notification_id, person, word, *, via, key):
        self._be_there()
        await asyncio.sleep(self.takes_s)
        if self.refuses:
            raise WatchkeeperError(self.refuses)
        self.said.append((notification_id, person, word, via))
        self.keys.append(key)
        return f"Noted: {word}."

    async def stop(self, person, *, via, reason):
        self.said.append((reason, person, "stop", via))
        return "All autonomy is stopped."

    async def report(self, report):
        self.reports.append((report.delivery, report.detail))

    def _be_there(self) -> None:
        if self.away:
            raise WatchkeeperError("the engine does not answer")


@contextlib.asynccontextmanager
async def fronted(fake: FakeTwilio, desk: DeskOfTests):
    """Serve the routes for Twilio on a real socket, and lead the fake's callbacks there as a proxy would."""
    front = PhoneFront(
        desk=desk,
        person_of={CAT: PersonId("cat"), RAY: PersonId("ray")}.get,
        account_sid=fake.account_sid,
        token=fake.auth_token,
        public_url=PUBLIC,
        voice=Voice(),
    )
    app = FastAPI()
    app.include_router(phone_routes.routes(front))
    app.add_middleware(
        Outside,
        names=("wk.example.org",),
        most_body_bytes=1 << 20,
        body_within_s=10,
        requests=RequestsSeen(),
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    fake.back.reach[PUBLIC] = f"http://127.0.0.1:{port}"
    fake.account.sms_url = f"{PUBLIC}/v1/twilio/sms"
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def now_message(**given) -> Message:
    """One that was asked for now."""
    import time

    now_us = time.time_ns() // 1000
    return replace(message(**given), sent_us=now_us, deadline_us=now_us + 14 * 60_000_000)
