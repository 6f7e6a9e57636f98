"""HTTP mode: deliveries as signed requests to the bot's own address, and wrong ones to try it with."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import urlencode

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

from simulator.fakes.fake_slack.deliveries import TIMED_OUT, UNREACHABLE, Delivered, Kind, Retry
from simulator.fakes.fake_slack.workspace import Json

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_AGENT: Final = "Slackbot 1.0 (+https://api.slack.com/robots)"
STALE_S: Final = 6 * 60
"""How old a stale request is; a bot must refuse what is older than five minutes."""

Wrong = Literal["forged", "stale", "truncated", "unsigned"]


class SignedRequest(Struct, frozen=True, kw_only=True):
    """One request as it goes over the wire."""

    body: bytes
    headers: dict[str, str]


class HttpMode:
    """The end of HTTP mode that Slack runs."""

    def __init__(
        self, *, signing_secret: str, ack_within_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._secret = signing_secret
        self._ack_within_s = ack_within_s
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self.request_url: str | None = None
        self.is_silent = False
        """Whether requests get lost on the way."""
        self.sent: list[SignedRequest] = []
        """Every request sent, in order."""

    @property
    def is_open(self) -> bool:
        """Tell whether an address was given and has answered the challenge."""
        return self.request_url is not None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    async def verify(self, url: str) -> None:
        """Send `url_verification`, and deliver there from now on. Raises `ValueError` on a wrong answer."""
        challenge = secrets.token_urlsafe(24)
        body = json.dumps({"token": "unused", "challenge": challenge, "type": "url_verification"})
        status, answer, _ = await self._post(self.sign(body.encode(), content_type=_JSON), url=url)
        text = answer.strip()
        if text.startswith("{"):
            text = str(json.loads(text).get("challenge", ""))
        if status != 200 or text != challenge:
            raise ValueError(f"{url} answered the challenge with {status} and {answer[:80]!r}")
        self.request_url = url

    # ------------------------------------------------------------ requests

    def sign(
        self,
        body: bytes,
        *,
        content_type: str,
        age_s: float = 0.0,
        secret: str | None = None,
        retry: Retry | None = None,
    ) -> SignedRequest:
        """Sign a body as Slack does: HMAC-SHA256 of `v0:timestamp:body`."""
        stamp = str(int(self._clock() - age_s))
        signed = b"v0:" + stamp.encode() + b":" + body
        digest = hmac.new((secret or self._secret).encode(), signed, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": content_type,
            "User-Agent": _AGENT,
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}",
        }
        if retry is not None and retry.attempt:
            headers |= {"X-Slack-Retry-Num": str(retry.attempt), "X-Slack-Retry-Reason": retry.reason}
        return SignedRequest(body=body, headers=headers)

    def request(self, kind: Kind, payload: Json, *, retry: Retry | None = None) -> SignedRequest:
        """Put a payload into the form in which Slack posts that kind, and sign it."""
        if kind == "slash_commands":
            return self.sign(urlencode(payload).encode(), content_type=_FORM)
        if kind == "interactive":
            return self.sign(urlencode({"payload": json.dumps(payload)}).encode(), content_type=_FORM)
        return self.sign(json.dumps(payload).encode(), content_type=_JSON, retry=retry)

    def spoil(self, request: SignedRequest, how: Wrong) -> SignedRequest:
        """Return a request that a bot must refuse.

        `forged` is signed with another secret, `stale` is honest but six minutes old, `truncated` lost its
        last byte on the way, `unsigned` has no signature. (For a replay, send the same one again.)
        """
        kind = request.headers["Content-Type"]
        if how == "forged":
            return self.sign(request.body, content_type=kind, secret="somebody-elses")  # noqa: S106 - wrong on purpose
        if how == "stale":
            return self.sign(request.body, content_type=kind, age_s=STALE_S)
        if how == "truncated":
            return replace(request, body=request.body[:-1])
        return replace(
            request, headers={k: v for k, v in request.headers.items() if k != "X-Slack-Signature"}
        )

    async def send(self, request: SignedRequest) -> tuple[int, str]:
        """Post one request as it is; return the bot's status and body."""
        status, body, _ = await self._post(request)
        return status, body

    async def _post(self, request: SignedRequest, *, url: str | None = None) -> tuple[int, str, bool]:
        to = url or self.request_url
        if to is None:
            raise LookupError("no request URL was given: use_request_url comes first")
        if self._session is None:
            self._session = aiohttp.ClientSession()
        self.sent.append(request)
        async with self._session.post(to, data=request.body, headers=request.headers) as answer:
            return answer.status, await answer.text(), answer.headers.get("X-Slack-No-Retry") == "1"

    # ------------------------------------------------------------ deliveries

    async def deliver(
        self, kind: Kind, payload: Json, *, copies: int = 1, retry: Retry | None = None
    ) -> Delivered:
        """Post one request, the very same `copies` times, and read what the first brings."""
        request = self.request(kind, payload, retry=retry)
        first = await self._deliver_once(request)
        for _ in range(copies - 1):
            await self._deliver_once(request)
        return first

    async def _deliver_once(self, request: SignedRequest) -> Delivered:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._ack_within_s):
                if self.is_silent:
                    await asyncio.Event().wait()
                status, body, no_retry = await self._post(request)
        except TimeoutError:
            return Delivered(ack_s=loop.time() - began, failed=TIMED_OUT)
        except aiohttp.ClientError:
            return Delivered(ack_s=loop.time() - began, failed=UNREACHABLE)
        took_s = loop.time() - began
        if status != 200:
            return Delivered(ack_s=took_s, failed=f"{status}_service_error", no_retry=no_retry)
        return Delivered(payload=_answer(body), ack_s=took_s)


def _answer(body: str) -> Json | None:
    """Read an acknowledgement: an object, or for a command plain text to show."""
    if not body.strip():
        return None
    try:
        answer = json.loads(body)
    except ValueError:
        return {"text": body}
    return answer if isinstance(answer, dict) else {"text": body}
