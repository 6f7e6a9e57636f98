"""The fake Twilio itself: one server on loopback, and the phones of the people it calls."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from simulator.fakes.fake_twilio.api import Account, Api
from simulator.fakes.fake_twilio.calling_back import CallingBack
from simulator.fakes.fake_twilio.official import Official
from simulator.fakes.fake_twilio.phones import Phone
from simulator.fakes.fake_twilio.records import VERSION, Asked, Call, Text
from simulator.fakes.fake_twilio.refusals import Refused
from simulator.fakes.fake_twilio.ringing import Ringing, parsed
from simulator.fakes.fake_twilio.troubles import Spoiled, Trouble, Troubles
from simulator.fakes.fake_twilio.wire import Handle, Reply, Silence, Wire

_BACKLOG: Final = 2048
_OPT_OUT: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_OPT_IN: Final = frozenset({"START", "YES", "UNSTOP"})
_KEPT: Final = frozenset({"HELP", "INFO"})


class FakeTwilio:
    """An account with one number, and as many phones as there are numbers in the world.

    Point a client at `base_url` with `account_sid` and `auth_token`. A phone that `phone` was not told of
    rings, and nobody answers.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        number: str = "+15005550006",
        clock: Callable[[], float] = time.time,
        ring_s: float = 0.0,
        spec: Path | None = None,
        plays_phones: bool = True,
    ) -> None:
        """Make one that does not listen yet.

        `clock` is what its times are read from, and `ring_s` how long each step of ringing takes. `spec` is
        Twilio's official description, to hold every request against: `problems()` says what came of it.
        Without `plays_phones` calls and texts are taken and nothing follows.
        """
        self.account_sid = "AC" + "f" * 32
        self.auth_token = "fake-auth-token"  # noqa: S105 - opens nothing but this fake
        self.account = Account(sid=self.account_sid, auth_token=self.auth_token, number=number, clock=clock)
        self.requests: list[Asked] = []
        """Every request to the API, in order."""
        self.answers: list[tuple[int, bytes]] = []
        """What each of them was answered; status 0 for silence."""
        self.back = CallingBack(auth_token=self.auth_token, start=self._start)
        self._phones: dict[str, Phone] = {}
        self._port, self._spec, self._plays = port, spec, plays_phones
        self._troubles = Troubles()
        self._ringing = Ringing(self.back, clock=clock, ring_s=ring_s)
        self._api = Api(self.account, self._troubles, ring=self._ring, deliver=self._deliver)
        self._server: asyncio.Server | None = None
        self._connections: set[Wire] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------ the server

    @property
    def base_url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen on a free port of loopback, or on the one that was asked for, or had before."""
        handle: Handle = self._serve
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Wire(handle, self._connections, self._tasks), "127.0.0.1", self._port, backlog=_BACKLOG
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def go_down(self) -> None:
        """Stop listening and cut all connections; `start` comes back at the same address."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Let go of everything."""
        await self.go_down()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.back.close()

    def _serve(self, asked: Asked) -> Reply | Silence:
        self.requests.append(asked)
        reply = self._api.serve(asked)
        self.answers.append((0, b"") if isinstance(reply, Silence) else (reply.status, reply.body))
        return reply

    def problems(self) -> tuple[str, ...]:
        """Return everything that the official description or the makers of phones would object to."""
        found = [f"{call.to}: {each}" for call in self.calls() for each in call.troubles]
        if self._spec is not None:
            official = Official(self._spec)
            for asked, (status, answer) in zip(self.requests, self.answers, strict=True):
                what = f"{asked.method} {asked.path}"
                found += [f"{what}: {fault}" for fault in official.faults(asked, status, answer)]
        return tuple(found)

    # ------------------------------------------------------------ people

    def phone(self, number: str, phone: Phone) -> None:
        """Say how the phone of a number behaves."""
        self._phones[number] = phone

    def calls(self, number: str | None = None) -> list[Call]:
        """Return the calls to a number, or all, the oldest first."""
        return [call for call in self.account.calls.values() if number in {None, call.to}]

    def texts(self, number: str | None = None) -> list[Text]:
        """Return the texts to a number, or all, the oldest first."""
        return [text for text in self.account.texts.values() if number in {None, text.to}]

    async def write(self, number: str, body: str, *, sid: str = "") -> str:
        """Have somebody write an SMS to our number; returns what they get back, empty for nothing.

        Twilio takes STOP, START, HELP and the like for itself, and answers them.
        """
        word = body.strip().upper()
        if word in _OPT_OUT:
            self.account.opted_out.add(number)
        elif word in _OPT_IN:
            self.account.opted_out.discard(number)
        sid = sid or self.account.next_sid("SM")
        fields = [
            ("MessageSid", sid), ("SmsSid", sid), ("AccountSid", self.account_sid), ("From", number),
            ("To", self.account.number), ("Body", body), ("NumMedia", "0"), ("NumSegments", "1"),
            ("SmsStatus", "received"), ("ApiVersion", VERSION), ("FromCountry", "DE"),
        ]  # fmt: skip
        sent = await self.back.post(self.account.sms_url, fields)
        if sent.status != 200 or number in self.account.opted_out or word in _OPT_IN | _KEPT:
            return ""
        return "\n".join(message.text or "" for message in parsed(sent.body).iter("Message"))

    async def settled(self) -> None:
        """Wait until all calls are over and everything was told."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _ring(self, call: Call) -> None:
        if self._plays:
            self._start(self._ringing.play(call, self._phones.get(call.to, Phone())))

    def _deliver(self, text: Text) -> None:
        if self._plays:
            self._start(self._delivered(text, self._phones.get(text.to, Phone())))

    async def _delivered(self, text: Text, phone: Phone) -> None:
        text.status = "sent"
        self._tell(text)
        if phone.sms == "silent":
            return
        await asyncio.sleep(0)
        text.status = phone.sms
        if phone.sms == "undelivered":
            text.error_code = phone.error_code
        self._tell(text)

    def _tell(self, text: Text) -> None:
        if not text.status_callback:
            return
        fields = [
            ("MessageSid", text.sid), ("SmsSid", text.sid), ("AccountSid", text.account_sid),
            ("From", text.from_), ("To", text.to), ("MessageStatus", text.status), ("SmsStatus", text.status),
            ("ApiVersion", VERSION),
        ]  # fmt: skip
        if text.error_code is not None:
            fields.append(("ErrorCode", str(text.error_code)))
        self.back.later(text.status_callback, fields)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------ what goes wrong

    def limit(self, *, calls: int, retry_after: str = "") -> None:
        """Refuse this many of the following requests for coming too often."""
        self._troubles.refuse(calls, Refused(20429, 429, retry_after=retry_after))

    def fail(self, *, calls: int, status: int = 500) -> None:
        """Answer this many of the following requests with an HTTP error."""
        self._troubles.refuse(calls, Refused(20500, status))

    def refuse_number(self, number: str, code: int) -> None:
        """Refuse every call and text to a number with one of Twilio's codes."""
        self._troubles.refused_numbers[number] = code

    def spoil(self, how: Trouble, *, calls: int, taken: bool) -> None:
        """Hang, cut, trickle or garble the answers to the following requests.

        `taken` says whether what was asked for is done all the same.
        """
        self._troubles.spoil(calls, Spoiled(how, taken))

    def mend(self) -> None:
        """Let the API work again."""
        self._troubles.over()

    def redeliver(self, *, copies: int) -> None:
        """Send each of the following callbacks this many times; 1 is the normal way."""
        self.back.copies = copies

    def be_late(self, *, by_s: float) -> None:
        """Tell of the following steps so many seconds late, long after a call is over perhaps."""
        self.back.late_s = by_s
