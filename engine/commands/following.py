"""Following replays: their cards, again and again, in every message that shows one, to their end.

Where a card stands is remembered beside what the board posted, so that bots go on editing the same messages
after a restart. How far a replay is, its own record says.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

import msgspec

from engine.commands.model import Front, Reply
from engine.commands.replies import clean
from engine.commands.tools import Tools
from engine.commands.working import job_card
from engine.errors import InputError, WatchkeeperError
from engine.ports import Messages, Posted

_log = logging.getLogger("watchkeeper.desk")

EVERY_S: Final = 2.0
"""How often a message is edited: platforms take about one change a second and channel."""
_LONGEST_PAUSE_S: Final = 60.0
_MOST_TRIES: Final = 20
"""How often the end of a replay is tried to be shown: for a quarter of an hour, and no longer."""


class Poster(Protocol):
    """The board's channel of a front-end."""

    channel: str

    async def post(self, reply: Reply, *, thread: str) -> str:
        """Post a message and return what `Show` knows it by. Raises `WatchkeeperError`."""


Show = Callable[[Posted, Reply], Awaitable[bool]]
"""Shows a card in a message, with the report where it has one. Says whether the message is still there."""


async def follow(tools: Tools, name: str, *, every_s: float = EVERY_S) -> AsyncIterator[Reply]:
    """Give a replay's card each time it changed, the last one when it is over."""
    last: Reply | None = None
    while True:
        try:
            reply = clean(job_card(tools.replays.job(name)))
        except WatchkeeperError:
            return
        if reply != last:
            yield reply
            last = reply
        if not reply.job:
            return
        await asyncio.sleep(every_s)


class Following:
    """Keeps the cards of replays true at one front-end."""

    def __init__(self, tools: Tools, front: Front, show: Show, *, every_s: float = EVERY_S) -> None:
        """`every_s` is how often a message is edited."""
        self._tools, self._front, self._show, self._every_s = tools, front, show, every_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._went_on = False

    def begin(self, messages: Messages, reply: Reply, *, channel: str, ref: str) -> None:
        """Keep a card true that was just posted."""
        posted = Posted(
            front=self._front,
            channel=channel,
            about=about(reply.job, ref),
            ref=ref,
            shown=digest_of(reply),
        )
        try:
            messages.keep(posted)
        except WatchkeeperError as lost:
            _log.warning("the card of replay %s is not remembered: %s", reply.job, lost)
        self._start(messages, posted)

    async def go_on(self, messages: Messages, poster: Poster) -> None:
        """Keep those cards true that were not over when the process before this one ended.

        A replay that no message shows, for it was lost or never posted, is shown in the board's channel.
        """
        if self._went_on:
            return
        self._went_on = True
        cards = [posted for posted in messages.open() if job_of(posted)]
        for posted in cards:
            if posted.front == self._front:
                self._start(messages, posted)
        seen = {job_of(posted) for posted in cards}
        for job in self._tools.replays.jobs():
            reply = self._card(job.name)
            if job.name not in seen and reply.job:
                try:
                    ref = await poster.post(reply, thread="")
                except WatchkeeperError as refused:
                    _log.warning("replay %s goes on, and no message shows it: %s", job.name, refused)
                else:
                    self.begin(messages, reply, channel=poster.channel, ref=ref)

    async def close(self) -> None:
        """Follow nothing any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, messages: Messages, posted: Posted) -> None:
        if posted.about not in self._tasks:
            task = self._tasks[posted.about] = asyncio.create_task(self._keep_up(messages, posted))
            task.add_done_callback(lambda _: self._tasks.pop(posted.about, None))

    async def _keep_up(self, messages: Messages, posted: Posted) -> None:
        """Edit a message until its replay is over and that is shown, or somebody deleted it."""
        pause_s, shown, tries_left = self._every_s, posted.shown, _MOST_TRIES
        while True:
            reply = self._card(job_of(posted))
            try:
                there = True
                if (digest := digest_of(reply)) != shown:
                    there, shown = await self._show(posted, reply), digest
                if not there or not reply.job:
                    messages.keep(msgspec.structs.replace(posted, shown=shown, open=False))
                    return
                pause_s = self._every_s
            except WatchkeeperError as refused:
                _log.warning("the card of replay %s is behind: %s", job_of(posted), refused)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                tries_left -= not reply.job
                if not tries_left:
                    messages.keep(msgspec.structs.replace(posted, open=False))
                    return
            await asyncio.sleep(pause_s)

    def _card(self, job: str) -> Reply:
        try:
            return clean(job_card(self._tools.replays.job(job)))
        except InputError:
            return Reply(
                title=f"Replay {job} is not known any more",
                tone="warning",
                text="Its record is gone; /replay start begins it anew.",
                private=False,
            )


_REPLAY: Final = "replay:"


def about(job: str, ref: str) -> str:
    """Name the card of a replay in one message: there may be several of the same.

    >>> about("r1f2e3d", "17.4")
    'replay:r1f2e3d:17.4'
    """
    return f"{_REPLAY}{job}:{ref}"


def job_of(posted: Posted) -> str:
    """Return the replay whose card a message shows; empty for any other message."""
    return posted.about.split(":")[1] if posted.about.startswith(_REPLAY) else ""


def digest_of(reply: Reply) -> str:
    """Name what a reply shows."""
    return hashlib.blake2b(msgspec.json.encode(reply, enc_hook=str), digest_size=12).hexdigest()
