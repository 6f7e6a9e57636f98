"""Requests from Twilio to us: signed, and now and then twice, late, or spoiled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Literal

import aiohttp
from msgspec import Struct

from simulator.fakes.fake_twilio.signing import sign

_WITHIN_S: Final = 15.0

Wrong = Literal["unsigned", "forged", "tampered", "elsewhere"]


class Sent(Struct, frozen=True, kw_only=True):
    """One request to us, and what we answered."""

    url: str
    fields: tuple[tuple[str, str], ...]
    status: int
    """0 when nobody answered."""
    body: str


class CallingBack:
    """The end of callbacks that Twilio runs."""

    def __init__(self, *, auth_token: str, start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._auth_token, self._start = auth_token, start
        self._session: aiohttp.ClientSession | None = None
        self.copies = 1
        self.late_s = 0.0
        self.sent: list[Sent] = []
        self.reach: dict[str, str] = {}
        """By the beginning of an address as we gave it: where it really is, as a tunnel would lead there."""

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    def later(self, url: str, fields: list[tuple[str, str]]) -> None:
        """Tell something that nobody waits for, after everything else when callbacks are late."""

        async def tell() -> None:
            await asyncio.sleep(self.late_s)
            await self.post(url, fields)

        self._start(tell())

    async def post(self, url: str, fields: list[tuple[str, str]], *, wrong: Wrong | None = None) -> Sent:
        """Post to us, as often as callbacks are doubled; returns what the first one brought."""
        first = await self._post_once(url, fields, wrong)
        for _ in range(self.copies - 1):
            await self._post_once(url, fields, wrong)
        return first

    async def _post_once(self, url: str, fields: list[tuple[str, str]], wrong: Wrong | None) -> Sent:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_WITHIN_S))
        token = "somebody-elses" if wrong == "forged" else self._auth_token
        signed_url = f"{url}?more=1" if wrong == "elsewhere" else url
        headers = {"X-Twilio-Signature": sign(token, signed_url, fields), "User-Agent": "TwilioProxy/1.1"}
        if wrong == "unsigned":
            del headers["X-Twilio-Signature"]
        posted = [(name, f"{value}1") for name, value in fields] if wrong == "tampered" else fields
        try:
            where = self._really(url)
            headers["Host"] = url.split("/")[2]
            async with self._session.post(where, data=posted, headers=headers) as answer:
                sent = Sent(url=url, fields=tuple(posted), status=answer.status, body=await answer.text())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            sent = Sent(url=url, fields=tuple(posted), status=0, body="")
        self.sent.append(sent)
        return sent

    def _really(self, url: str) -> str:
        for given, real in self.reach.items():
            if url.startswith(given):
                return real + url[len(given) :]
        return url
