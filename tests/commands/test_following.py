"""Following the card of a replay: how often it is edited, and when it is let go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.adapters.fence_files import FileFence
from engine.adapters.message_file import MessageFile
from engine.commands import following
from engine.commands.following import Following, job_of
from engine.commands.model import Reply
from engine.commands.tools import Tools
from engine.commands.working import job_card
from engine.errors import Unreachable
from engine.ports import Posted, ReplayWish
from engine.runtime.client import EngineClient
from simulator import jobs
from tests.commands.desks import tools_on

pytestmark = pytest.mark.asyncio

DEMO = Path("simulator/demo.wkr").resolve()


class Channel:
    """A channel of a platform: what it shows, and what goes wrong there."""

    channel = "C1"

    def __init__(self) -> None:
        self.shown: list[Reply] = []
        self.posted: list[Reply] = []
        self.failures = 0
        self.gone = False
        self.tries = 0

    async def show(self, _posted: Posted, reply: Reply) -> bool:
        self.tries += 1
        if self.failures:
            self.failures -= 1
            raise Unreachable("it is away", cure="wait")
        self.shown.append(reply)
        return not self.gone

    async def post(self, reply: Reply, *, thread: str) -> str:
        if self.failures:
            raise Unreachable("it is away", cure="wait")
        self.posted.append(reply)
        return "1.2"


@contextlib.asynccontextmanager
async def means(home: Path) -> AsyncIterator[tuple[Tools, MessageFile, Channel, Following]]:
    client = EngineClient(home / "engine.sock")
    (home / "stops").mkdir()
    tools, close = tools_on(home, client, FileFence(home / "stops"), lasting=True)
    tools.replays._bundled = {"demo": DEMO}
    channel = Channel()
    follows = Following(tools, "slack", channel.show, every_s=0.001)
    messages = MessageFile(None)
    try:
        yield tools, messages, channel, follows
    finally:
        await follows.close()
        messages.close()
        await client.close()
        for each in close:
            each.close()


async def let_go(messages: MessageFile) -> None:
    async with asyncio.timeout(60):
        while messages.open():
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def standing_still(monkeypatch):
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    monkeypatch.setattr(following, "_LONGEST_PAUSE_S", 0.002)


def asked(tools: Tools) -> Reply:
    return job_card(tools.replays.start(ReplayWish(recording="demo", by="ray")))


async def test_what_does_not_change_is_not_edited_and_the_end_is_shown(tmp_path):
    async with means(tmp_path) as (tools, messages, channel, follows):
        card = asked(tools)
        follows.begin(messages, card, channel="C1", ref="1.1")
        await asyncio.sleep(0.05)
        assert channel.shown == []
        tools.replays.cancel(card.job)
        await let_go(messages)
        (end,) = channel.shown
        assert "is cancelled" in end.title


async def test_an_end_that_cannot_be_shown_is_tried_for_a_while_and_then_let_go(tmp_path):
    async with means(tmp_path) as (tools, messages, channel, follows):
        card = asked(tools)
        channel.failures = 1_000
        tools.replays.cancel(card.job)
        follows.begin(messages, card, channel="C1", ref="1.1")
        await let_go(messages)
        assert channel.tries == following._MOST_TRIES


async def test_a_platform_that_comes_back_is_shown_the_end(tmp_path):
    async with means(tmp_path) as (tools, messages, channel, follows):
        card = asked(tools)
        channel.failures = 3
        tools.replays.cancel(card.job)
        follows.begin(messages, card, channel="C1", ref="1.1")
        await let_go(messages)
        assert len(channel.shown) == 1


async def test_one_whose_message_is_gone_is_let_go(tmp_path):
    async with means(tmp_path) as (tools, messages, channel, follows):
        card = asked(tools)
        channel.gone = True
        tools.replays.cancel(card.job)
        follows.begin(messages, card, channel="C1", ref="1.1")
        await let_go(messages)
        assert len(channel.shown) == 1


async def test_going_on_shows_what_no_message_shows_once(tmp_path):
    async with means(tmp_path) as (tools, messages, channel, follows):
        card = asked(tools)
        other = Posted(front="discord", channel="1", about="replay:r000000:1/2", ref="1/2")
        messages.keep(other)
        await follows.go_on(messages, channel)
        await follows.go_on(messages, channel)
        assert [reply.title for reply in channel.posted] == [card.title]
        assert sorted(job_of(posted) for posted in messages.open()) == sorted(["r000000", card.job])


async def test_where_nothing_can_be_posted_a_replay_goes_on_unseen(tmp_path):
    async with means(tmp_path) as (tools, messages, channel, follows):
        asked(tools)
        channel.failures = 1
        await follows.go_on(messages, channel)
        assert messages.open() == []
