"""Talking to one provider over HTTP: within a deadline, and with every failure told as `NotSent`.

What matters after a failure is whether the request had begun to leave. The transport says so before it writes
the first byte: a failure before that is `broken`, one after it `unsure`.
"""

import asyncio
import email.utils
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from msgspec import Struct

from engine.core.plain_text import shortened
from notifiers.channel import NotSent
from notifiers.quick_http import QuickTransport

DEADLINE_S: Final = 10.0
"""How long one request may take, from the look-up of the name to the last byte of the answer."""
_CONNECT_S: Final = 4.0
_CONNECT_SHARE: Final = 0.6
"""How much of the deadline connecting may take: what ends then was surely not sent."""
CONNECTIONS: Final = 50
_MOST_BYTES: Final = 1 << 20
_LONGEST_DETAIL: Final = 200
_LONGEST_WAIT_S: Final = 86_400.0


class Answer(Struct, frozen=True, kw_only=True):
    """What a provider answered."""

    provider: str
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    said: str
    """The body as one short line, without secrets, to be shown."""

    @property
    def ok(self) -> bool:
        """Whether it was taken."""
        return 200 <= self.status < 300

    def table(self) -> dict[str, Any]:
        """Read the body as a JSON object. Raises `NotSent`, unsure, when it is none: it may be taken."""
        try:
            table = json.loads(self.body)
        except (ValueError, RecursionError):
            table = None
        if not isinstance(table, dict):
            raise self._garbage()
        return table

    def items(self) -> list[dict[str, Any]]:
        """Read the body as a JSON list of objects. Raises `NotSent`, unsure, when it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._garbage()
        return found

    def hint(self) -> dict[str, Any]:
        """Read the body of a refusal as a JSON object; empty when it is none."""
        try:
            table = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return table if isinstance(table, dict) else {}

    def _garbage(self) -> NotSent:
        return NotSent(
            f"{self.provider} answered {self.status} with something it never says: {self.said}",
            kind="unsure",
            cure="is its address right?",
        )


class HttpProvider:
    """One provider: its address, what every request carries, and what must never be shown."""

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        deadline_s: float = DEADLINE_S,
        connections: int = CONNECTIONS,
    ) -> None:
        """Use this provider; nothing is connected yet.

        `name` is what people read; `secrets` are cut out of what is told of it. At most `connections` are in
        use at once, and to wait for one counts towards the deadline.
        """
        self.name = name
        self._secrets = [each for each in secrets if each]
        self._deadline_s = deadline_s
        self._base = base_url.rstrip("/")
        # No compression: a small answer must not become a large one here.
        self._headers = {"User-Agent": "watchkeeper", "Accept-Encoding": "identity", **(headers or {})}
        self._transport = _transport(base_url, connections)

    async def call(
        self,
        method: str,
        path: str,
        *,
        table: object = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request, with `table` as JSON, a form, or bytes, and return what was answered.

        Raises `NotSent` when no answer came, and for those that mean the same everywhere: 429 and 5xx. What
        else is no success is for whoever asked to judge, with `refused` in the end.
        """
        if table is not None:
            # Half a letter, as an agent may have sent, is no reason to send nothing.
            body = json.dumps(table, ensure_ascii=False).encode(errors="replace")
            headers = {"Content-Type": "application/json", **(headers or {})}
        request = None
        try:
            request = self._request(method, path, form=form, body=body, query=query, headers=headers)
            async with asyncio.timeout(self._deadline_s):
                response = await self._transport.handle_async_request(request)
                content = (await response.aread())[:_MOST_BYTES]
        except (TimeoutError, httpx.TimeoutException) as error:
            raise self._no_answer("did not answer in time", request) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            why = self.scrubbed(str(error) or type(error).__name__)
            raise self._no_answer(f"cannot be reached: {why}", request) from error
        answer = Answer(
            provider=self.name,
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=content,
            said=self.scrubbed(content[: 4 * _LONGEST_DETAIL].decode(errors="replace")) or "nothing",
        )
        self._turned_away(answer)
        return answer

    def scrubbed(self, text: str) -> str:
        """Make one short line of a text, with no secret in it."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return shortened(text, _LONGEST_DETAIL)

    async def reachable(self, path: str = "") -> str:
        """Say what is wrong when it does not answer at all; empty when it does, whatever it says."""
        try:
            await self.call("GET", path)
        except NotSent as error:
            if error.kind != "busy":
                return str(error)
        return ""

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.aclose()

    def _request(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None,
        body: bytes | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        connect_s = min(_CONNECT_S, self._deadline_s * _CONNECT_SHARE)
        return httpx.Request(
            method,
            self._base + path,
            params=query,
            headers={**self._headers, **(headers or {})},
            data=form,
            content=body,
            # Our own transport sets it right; any other may have sent it.
            extensions={
                "timeout": {"connect": connect_s},
                "sent": not isinstance(self._transport, QuickTransport),
            },
        )

    def _no_answer(self, what: str, request: httpx.Request | None) -> NotSent:
        sent = request is not None and request.extensions["sent"] is True
        return NotSent(f"{self.name} {what}", kind="unsure" if sent else "broken")

    def _turned_away(self, answer: Answer) -> None:
        """Raise `NotSent` for answers that mean the same everywhere."""
        if answer.status == 429:
            raise NotSent(
                f"{self.name} asks to wait: {answer.said}", kind="busy", retry_s=retry_after(answer)
            )
        if answer.status in {408, 504}:
            # Said by whoever stands in between: what stands behind may have taken it.
            raise NotSent(f"{self.name} answered {answer.status}: {answer.said}", kind="unsure")
        if answer.status >= 500:
            raise NotSent(
                f"{self.name} answered {answer.status}: {answer.said}",
                kind="broken",
                retry_s=retry_after(answer),
            )


@contextmanager
def before_sending() -> Iterator[None]:
    """Do what has to be done before a notification is sent: a failure here is never an unsure one."""
    try:
        yield
    except NotSent as error:
        if error.kind == "unsure":
            raise NotSent(error.message, kind="broken", cure=error.cure) from error
        raise


def refused(answer: Answer, *, cure: str, address: bool = False, why: str = "") -> NotSent:
    """Tell of an answer that is no success: a wrong `address`, or else a channel that is set up wrongly."""
    return NotSent(
        f"{answer.provider} answered {answer.status}: {shortened(why, _LONGEST_DETAIL) or answer.said}",
        kind="address" if address else "setup",
        cure=cure,
    )


def retry_after(answer: Answer) -> float | None:
    """Return how long to wait, seconds, from a header with seconds or a date; `None` when it says nothing.

    >>> retry_after(Answer(provider="p", status=429, headers={"retry-after": "7"}, body=b"", said=""))
    7.0
    """
    value = answer.headers.get("retry-after", "").strip()
    try:
        wait = float(value)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return None if math.isnan(wait) else min(max(wait, 0.0), _LONGEST_WAIT_S)


def _transport(base_url: str, connections: int) -> httpx.AsyncBaseTransport:
    """Go there directly, or through the proxy that the machine's surroundings name."""
    parts = urlsplit(base_url)
    proxy = getproxies().get(parts.scheme)
    if proxy is None or proxy_bypass(parts.hostname or ""):
        return QuickTransport(most_connections=connections)
    return httpx.AsyncHTTPTransport(proxy=proxy, limits=httpx.Limits(max_connections=connections))
