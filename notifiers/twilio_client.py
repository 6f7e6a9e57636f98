"""Twilio's API, version 2010-04-01: one request at a time, each with an end and a clear answer."""

import asyncio
import base64
import ssl
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec
from msgspec import Struct

from engine.adapters.machine_time import now_us
from engine.settings.twilio import TwilioSection
from notifiers.channel import NotSent
from notifiers.quick_http import QuickTransport
from notifiers.twilio_errors import not_sent

_Kind = TypeVar("_Kind")
_FORM: Final = (b"Content-Type", b"application/x-www-form-urlencoded")
_CONNECT_SHARE: Final = 0.6
"""How much of a request's time connecting may take: what ends then was surely not sent."""


class Taken(Struct, frozen=True):
    """A call or message that Twilio took."""

    sid: str
    status: str | None = None


class Seen(Struct, frozen=True, rename={"from_": "from"}):
    """A call or message as Twilio lists it."""

    sid: str
    status: str | None = None
    direction: str | None = None
    to: str | None = None
    from_: str | None = None
    body: str | None = None
    date_created: str | None = None
    error_code: int | None = None

    def created_s(self) -> float | None:
        """Return when it was made, by Twilio's clock; `None` when it does not say."""
        try:
            return parsedate_to_datetime(self.date_created or "").timestamp()
        except (ValueError, OverflowError):
            return None


class Listed(Struct, frozen=True):
    """A page of calls or messages, the newest first."""

    calls: tuple[Seen, ...] = ()
    messages: tuple[Seen, ...] = ()


class Number(Struct, frozen=True):
    """A number of ours."""

    phone_number: str | None = None
    capabilities: dict[str, bool] | None = None
    sms_url: str | None = None


class Numbers(Struct, frozen=True):
    """Numbers of the account, or those it proved to own."""

    incoming_phone_numbers: tuple[Number, ...] = ()
    outgoing_caller_ids: tuple[Number, ...] = ()


class Account(Struct, frozen=True):
    """The account itself."""

    status: str | None = None
    type: str | None = None


class TwilioClient:
    """The account of one section. Calls and SMS may share one, and its connections."""

    def __init__(self, section: TwilioSection, *, token: str, tls: ssl.SSLContext | None = None) -> None:
        """Connect when asked to; `tls` says whom to trust, `None` whomever this machine does."""
        self.section, self.token = section, token
        if tls is None and section.base_url.startswith("https:"):
            # Reading the machine's certificates takes a while: at start, and not when somebody must be woken.
            tls = httpx.create_ssl_context()
        self._transport = QuickTransport(most_connections=section.connections, tls=tls)
        self._root = f"{section.base_url}/2010-04-01/Accounts/{section.account_sid}"
        basic = base64.b64encode(f"{section.account_sid}:{token}".encode())
        # Made once: a thousand requests at once share all of it.
        self._headers = httpx.Headers([
            (b"Host", httpx.URL(self._root).netloc),
            (b"Authorization", b"Basic " + basic),
            (b"Accept", b"application/json"),
            (b"User-Agent", b"watchkeeper"),
        ])  # fmt: skip
        self._form_headers = httpx.Headers([*self._headers.raw, _FORM])
        self._targets = {what: httpx.URL(f"{self._root}/{what}.json") for what in ("Calls", "Messages")}
        self._extensions = {"timeout": {"connect": section.timeout_s * _CONNECT_SHARE}}

    async def create(self, what: str, form: bytes) -> Taken:
        """Ask for a call (`Calls`) or a message (`Messages`). Raises `NotSent`."""
        request = httpx.Request(
            "POST",
            self._targets[what],
            headers=self._form_headers,
            content=form,
            extensions=dict(self._extensions),
        )
        response = await self._answer(request)
        try:
            return msgspec.json.decode(response.content, type=Taken)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NotSent(
                "took it, and answered what nobody can read", kind="unsure", place="Twilio"
            ) from error

    async def get(self, what: str, kind: type[_Kind], **query: str) -> tuple[_Kind, float]:
        """Read something of the account; empty `what` is the account itself.

        Returns it, and how many seconds Twilio's clock is ahead of ours. Raises `NotSent`.
        """
        path = f"{self._root}/{what}.json" if what else f"{self._root}.json"
        url = httpx.URL(f"{path}?{urlencode(query)}" if query else path)
        request = httpx.Request("GET", url, headers=self._headers, extensions=dict(self._extensions))
        try:
            response = await self._answer(request)
            return msgspec.json.decode(response.content, type=kind), _ahead_s(response)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NotSent("answered what nobody can read", kind="broken", place="Twilio") from error
        except NotSent as error:
            if error.kind == "unsure":
                # To read twice does no harm.
                raise NotSent(error.message, kind="broken", place=error.place) from error
            raise

    async def close(self) -> None:
        """Let go of the connections."""
        await self._transport.aclose()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """Send a request once, and return an answer that says yes."""
        within_s = self.section.timeout_s
        try:
            async with asyncio.timeout(within_s):
                response = await self._transport.handle_async_request(request)
        except TimeoutError as error:
            kind: Any = "unsure" if request.extensions.get("sent") else "broken"
            raise NotSent(f"no answer within {within_s:g} s", kind=kind, place="Twilio") from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSent(
                f"cannot be reached: {error}",
                kind="broken",
                place="Twilio",
                cure="see whether this machine reaches the internet",
            ) from error
        except httpx.TransportError as error:
            raise NotSent(f"the answer was lost: {error}", kind="unsure", place="Twilio") from error
        if not 200 <= response.status_code < 300:
            raise not_sent(response)
        return response


def _ahead_s(response: httpx.Response) -> float:
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp() - now_us() / 1e6
    except (ValueError, OverflowError):
        return 0.0
