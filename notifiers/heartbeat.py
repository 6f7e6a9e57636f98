"""The external heartbeat: a service elsewhere is told that we are well, and wakes somebody when it is not.

It is told only while the engine answers: a machine without power tells nobody anything, and neither does an
engine that is stuck. healthchecks.io works that way, and so do Dead Man's Snitch, Cronitor and others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from engine.adapters.secret_file import read_secret
from engine.errors import InputError, WatchkeeperError
from engine.settings.addresses import on_this_machine
from notifiers.channel import NotSent
from notifiers.http_sending import DEADLINE_S, HttpProvider, refused

HEARTBEAT_FILE: Final = "heartbeat-url"
"""The file of its address, among the secrets of channels."""
_GUIDE: Final = "docs/howto/channels.md"
_TRIES: Final = 3
"""How often the engine is asked before it is said that it does not answer: a restart takes about a second."""
_AGAIN_S: Final = 5.0
"""When a heartbeat that was not heard is sent again, at the latest."""
_log: Final = logging.getLogger(__name__)


def read_heartbeat_url(secret: Path) -> str:
    """Read where the heartbeat goes: whoever knows the address can pretend to be us, so it is a secret.

    Raises `InputError` when it is missing, others may read it, or it is no address.
    """
    url = read_secret(secret, guide=_GUIDE)
    try:
        parts = urlsplit(url)
        named = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named or not url.isascii() or not url.isprintable() or {*url} & {*" ?#"}:
        raise InputError(
            "it holds no address", place=str(secret), cure="write https://host/path there, alone"
        )
    if not url.startswith("https://") and not on_this_machine(url):
        raise InputError("it would be sent in the clear", place=str(secret), cure="give an https address")
    return url


async def run(
    ask: Callable[[], Awaitable[object]],
    url: str,
    every_s: float,
    *,
    tells_failure: bool = True,
    pause_s: float = 2.0,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Tell how we are, for ever. End it by cancelling.

    `ask` returns when the engine answers, and raises `WatchkeeperError` when it does not: then the same
    address with `/fail` at its end is told where `tells_failure`, and nothing otherwise. `pause_s` is how
    long to wait before the engine is asked again.
    """
    secrets = [url, urlsplit(url).path.strip("/")]
    http = HttpProvider("heartbeat", url, secrets=secrets, deadline_s=deadline_s)
    was_heard = True
    try:
        while True:
            well = await _answers(ask, pause_s)
            heard = True
            if well or tells_failure:
                heard = await _tell(http, "" if well else "/fail", loud=was_heard)
            was_heard = heard
            await asyncio.sleep(every_s if heard else min(every_s, _AGAIN_S))
    finally:
        await http.close()


async def _answers(ask: Callable[[], Awaitable[object]], pause_s: float) -> bool:
    for left in reversed(range(_TRIES)):
        try:
            await ask()
        except WatchkeeperError as error:
            if not left:
                _log.warning("no heartbeat, for the engine does not answer: %s", error)
                return False
            await asyncio.sleep(pause_s)
        else:
            break
    return True


async def _tell(http: HttpProvider, path: str, *, loud: bool) -> bool:
    """Say it once; says whether it was heard. Only the first of several failures is worth a warning."""
    try:
        answer = await http.call("GET", path)
        if not answer.ok:
            raise refused(answer, cure="see the file heartbeat-url")
    except NotSent as failure:
        _log.log(logging.WARNING if loud else logging.DEBUG, "a heartbeat was not heard: %s", failure)
        return False
    return True
