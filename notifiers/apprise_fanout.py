"""Whatever Apprise knows, for what is not critical: it says yes or no, and nothing of what became of it.

The library is an extra, `pip install 'watchkeeper[apprise]'`, and is imported only where it is used.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from engine.errors import InputError
from notifiers.channel import Capabilities, Message, NotSent, Sent
from notifiers.wording import text_of, title_of

_DEADLINE_S: Final = 20.0
_TITLE: Final = 200
_TEXT: Final = 1_500
_NOT_CRITICAL: Final = "Apprise is not for what is critical: nobody learns whether it arrived"


class AppriseFanOut:
    """The channel `apprise`."""

    name = "apprise"
    capabilities = Capabilities(
        loud=False, personal=False, receipt=False, acknowledge=False, critical=False, latency_s=60, cost_usd=0
    )

    def __init__(self, urls: Sequence[str], *, deadline_s: float = _DEADLINE_S) -> None:
        """Send to all these addresses. Raises `InputError` without the library, and for one unknown to it."""
        try:
            from apprise import Apprise, AppriseAsset
        except ImportError as error:
            cure = "pip install 'watchkeeper[apprise]', or apprise: null in channels.yaml"
            raise InputError("Apprise is not installed", place="channels.yaml: apprise", cure=cure) from error
        # It logs addresses, in which secrets stand.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        self._deadline_s = deadline_s
        self._all = Apprise(asset=AppriseAsset(app_id="Watchkeeper", async_mode=True))
        for number, url in enumerate(urls, 1):
            if not self._all.add(url):
                raise InputError(
                    "Apprise does not know this kind of address",
                    place=f"apprise-urls:{number}",
                    cure="its page lists them: https://appriseit.com/services/",
                )
        if not urls:
            raise InputError("there is no address", place="apprise-urls", cure="write one on a line each")

    async def send(self, message: Message) -> Sent:
        """Send it to all. Raises `NotSent` for what is critical."""
        if message.severity == "critical" and message.purpose in {"wake", "again"}:
            raise NotSent(_NOT_CRITICAL, kind="setup", cure="take apprise out of the ladders for it")
        try:
            async with asyncio.timeout(self._deadline_s):
                took = await self._all.async_notify(
                    title=title_of(message, _TITLE), body=text_of(message, _TEXT), body_format="text"
                )
        except TimeoutError as error:
            raise NotSent("Apprise did not end in time", kind="unsure") from error
        except Exception as error:
            raise NotSent(f"Apprise failed: {type(error).__name__}", kind="unsure") from error
        if not took:
            raise NotSent("Apprise says that one of its addresses did not take it", kind="unsure")
        return Sent(delivery="accepted")

    async def reconcile(self, message: Message) -> Sent | None:
        """Nobody can say."""
        return None

    async def check(self, address: str) -> str:
        """Find nothing wrong: addresses were read when it was made, and to try one is to send something."""
        return ""

    async def close(self) -> None:
        """There is nothing to let go of."""
