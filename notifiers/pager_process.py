"""The pager as a process: every channel over one state folder."""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

import uvloop

from engine.adapters.link_tokens import LinkTokens
from engine.adapters.log_lines import clean_logs
from engine.adapters.outage_notes import OutageNotes
from engine.core.vocabulary.ids import EscalationId, PersonId
from engine.errors import WatchkeeperError
from engine.runtime import wire
from engine.runtime.client import EngineClient
from engine.runtime.clock import SteadyClock
from engine.settings.channels import HeartbeatSection
from engine.wiring.ladders import Channels, read_waking
from engine.wiring.service import Service, make_folders, read_channels, roster_of, told_to_end
from notifiers import heartbeat
from notifiers.book import RosterBook
from notifiers.broken_failsafes import BrokenFailsafes
from notifiers.heartbeat import HEARTBEAT_FILE, read_heartbeat_url
from notifiers.last_resort import LastResort, Ways
from notifiers.making import close_channels
from notifiers.pager import Pager
from notifiers.stating import capabilities_of
from notifiers.usable import make_usable

_STATUS_S: Final = 5.0
_log: Final = logging.getLogger(__name__)


def ladder_channels(service: Service) -> Channels:
    """Say what ladders are checked against: which channels there are, and whether messages carry a link."""
    settings = read_channels(service.config)
    return Channels(by_name=capabilities_of(settings), linked=settings.public_url is not None)


def safe_link(tokens: LinkTokens) -> Callable[[EscalationId, PersonId], str]:
    """Make links where they can be made: a message without one still wakes somebody."""

    def link(escalation: EscalationId, person: PersonId) -> str:
        try:
            return tokens.link_for(escalation, person)
        except WatchkeeperError as error:
            _log.warning("a message goes out without a link: %s", error)
            return ""

    return link


def run_pager(service: Service) -> None:
    """Run until SIGTERM. A channel that cannot be set up is told of, and the others are used.

    Raises `InputError` and `PolicyError` for files that cannot be read.
    """
    make_folders(service)
    logging.basicConfig(level=logging.INFO)
    clean_logs()
    # It would write every address it calls, and some of these are secrets.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvloop.run(_pager(service))


async def _pager(service: Service) -> None:
    layout = service.layout
    settings = read_channels(service.config)
    channels = make_usable(
        settings,
        service.settings.chat,
        layout,
        lambda text: service.announcements.announce("trouble", text, urgent=True),
    )
    waking = read_waking(service.config)
    roster = roster_of(service, waking.known, capabilities_of(settings))
    engine, now_us, book = EngineClient(layout.socket), SteadyClock().now_us, RosterBook(roster)
    link = safe_link(LinkTokens(layout.link_secret, settings.public_url))
    name = f"pager:{os.getpid()}:{secrets.token_hex(4)}"
    works = [
        Pager(engine, channels, book, name=name, now_us=now_us, link=link).run(),
        LastResort(
            engine,
            Ways(channels=channels, roster=roster, book=book, ladder=waking.away, link=link),
            OutageNotes(layout.outage, layout.outage_answer),
            now_us=now_us,
            after_s=waking.away_after_s,
        ).run(),
        BrokenFailsafes(service.announcements, engine).run(),
    ]
    if settings.heartbeat is not None:
        works.append(_heartbeat(service, settings.heartbeat, engine))
    end = asyncio.Event()
    try:
        with told_to_end(end):
            work = asyncio.create_task(_all(works))
            ending = asyncio.create_task(end.wait())
            await asyncio.wait([work, ending], return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            if work.done():
                # It has failed, and all with it: the supervisor starts it anew.
                work.result()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    finally:
        await close_channels(channels.values())
        await engine.close()


async def _all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)


async def _heartbeat(service: Service, section: HeartbeatSection, engine: EngineClient) -> None:
    """Beat, unless its address is wrong: that is told, and keeps nobody from being woken."""

    async def ask() -> None:
        await engine.get(wire.EngineStatus, wire.GetStatus(), timeout_s=_STATUS_S)

    try:
        url = read_heartbeat_url(service.layout.channels / HEARTBEAT_FILE)
    except WatchkeeperError as wrong:
        service.announcements.announce("trouble", f"there is no heartbeat: {wrong}", urgent=True)
        return
    await heartbeat.run(ask, url, section.every_s, tells_failure=section.tells_failure)
