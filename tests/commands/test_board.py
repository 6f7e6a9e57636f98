"""The board: what waits is one message in each channel, whatever happens to message, channel or process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from engine.adapters.message_file import MessageFile
from engine.commands.board import Board
from engine.commands.hearing import Hearing
from engine.commands.model import Reply
from engine.commands.plain import plain
from engine.errors import Unreachable
from engine.runtime import wire
from tests.commands.desks import at_desk
from tests.live.engines import eventually

pytestmark = pytest.mark.asyncio


class Channel:
    """A channel as a platform keeps it, which may refuse."""

    def __init__(self, front: str = "discord", channel: str = "c1") -> None:
        self.front, self.channel = front, channel
        self.shown: dict[str, Reply] = {}
        self.threads: dict[str, str] = {}
        self.calls: list[str] = []
        self.refusals = 0

    async def post(self, reply: Reply, *, thread: str) -> str:
        self._called(f"post {thread}".strip())
        ref = f"m{len(self.calls)}"
        self.shown[ref] = reply
        return ref

    async def edit(self, ref: str, reply: Reply) -> bool:
        self._called("edit")
        if ref not in self.shown:
            return False
        self.shown[ref] = reply
        return True

    async def open_thread(self, ref: str, name: str) -> str:
        self._called(f"thread {name}")
        self.threads[ref] = name
        return f"t-{ref}"

    def _called(self, what: str) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unreachable("the platform is down")
        self.calls.append(what)

    @property
    def text(self) -> str:
        return "\n".join(plain(reply) for reply in self.shown.values())


@contextlib.asynccontextmanager
async def boarding(given, messages, *channels) -> AsyncIterator[Board]:
    hearing = Hearing(given.desk.tools.engine)
    board = Board(given.desk.tools, hearing, channels, messages)
    work = [asyncio.create_task(board.run()), asyncio.create_task(hearing.run())]
    try:
        await eventually(board.is_quiet)
        yield board
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def held(given, number: int = 1, **values) -> str:
    """Propose something that is held; returns its decision."""
    decided = await given.engine.propose(number, **{"confidence": 0.5} | values)
    assert decided.status == "held"
    return decided.verdict.decision_id


async def test_what_waits_is_one_message_that_is_kept_true(tmp_path):
    async with at_desk(tmp_path) as given:
        channel = Channel()
        async with boarding(given, MessageFile(None), channel) as board:
            decision = await held(given)
            await eventually(board.is_quiet)
            assert "waits for people" in channel.text
            await given.say("ray", f"/approve {decision}")
            await eventually(board.is_quiet)
            assert "Answer: approved by ray" in channel.text
            assert "[Approve]" not in channel.text
            assert [call.split()[0] for call in channel.calls].count("post") == 1


async def test_the_first_start_shows_what_waits_already_and_tells_no_old_stories(tmp_path):
    async with at_desk(tmp_path) as given:
        over, waits = await held(given), await held(given, 2)
        await given.say("ray", f"/deny {over} no")
        await given.say("ray", "/kill-autonomous agent:eve it loops")
        channel, messages = Channel(), MessageFile(tmp_path / "messages.db")
        for _ in range(2):
            async with boarding(given, messages, channel) as board:
                await eventually(board.is_quiet)
                assert (channel.calls, waits in channel.text) == (["post"], True)


async def test_what_nobody_waits_for_is_no_message(tmp_path):
    async with at_desk(tmp_path) as given:
        channel = Channel()
        async with boarding(given, MessageFile(None), channel) as board:
            await given.engine.propose(1)
            await given.engine.propose(2, capability="other@1", confidence=0.5)
            await eventually(board.is_quiet)
            assert not channel.calls


async def test_every_channel_shows_it(tmp_path):
    async with at_desk(tmp_path) as given:
        channels = [Channel("discord"), Channel("slack"), Channel("slack", "c2")]
        async with boarding(given, MessageFile(None), *channels) as board:
            await held(given)
            await eventually(board.is_quiet)
            assert [channel.calls for channel in channels] == [["post"]] * 3


async def test_a_restart_repeats_no_message_and_misses_no_change(tmp_path):
    async with at_desk(tmp_path) as given:
        channel, messages = Channel(), MessageFile(tmp_path / "messages.db")
        async with boarding(given, messages, channel) as board:
            decision = await held(given)
            await eventually(board.is_quiet)
        messages.close()
        await given.say("ray", f"/deny {decision} not now")
        messages = MessageFile(tmp_path / "messages.db")
        async with boarding(given, messages, channel):
            assert channel.calls == ["post", "edit"]
            assert "denied by ray: not now" in channel.text
        messages.close()


async def test_a_message_that_somebody_deleted_comes_again_while_it_is_open(tmp_path):
    async with at_desk(tmp_path) as given:
        channel = Channel()
        async with boarding(given, MessageFile(None), channel) as board:
            await held(given)
            await eventually(board.is_quiet)
            (ref,) = channel.shown
            del channel.shown[ref]
            board.lost("discord", ref)
            await eventually(board.is_quiet)
            assert "[Approve]" in channel.text
            assert len(channel.shown) == 1


async def test_a_deletion_nobody_told_of_is_found_at_the_next_change(tmp_path):
    async with at_desk(tmp_path) as given:
        channel = Channel()
        async with boarding(given, MessageFile(None), channel) as board:
            decision = await held(given)
            await eventually(board.is_quiet)
            channel.shown.clear()
            await given.say("ray", f"/ack {decision}")
            await eventually(board.is_quiet)
            assert "Has it: ray" in channel.text


async def test_a_message_that_is_over_does_not_come_again(tmp_path):
    async with at_desk(tmp_path) as given:
        channel = Channel()
        async with boarding(given, MessageFile(None), channel) as board:
            decision = await held(given)
            await given.say("ray", f"/deny {decision} no")
            await eventually(board.is_quiet)
            (ref,) = channel.shown
            del channel.shown[ref]
            board.lost("discord", ref)
            await eventually(board.is_quiet)
            assert not channel.shown


async def test_what_a_platform_refuses_is_shown_when_it_is_back(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.commands.board._FIRST_PAUSE_S", 0.01)
    async with at_desk(tmp_path) as given:
        channel, other = Channel(), Channel("slack")
        async with boarding(given, MessageFile(None), channel, other) as board:
            channel.refusals = 3
            await held(given)
            await eventually(lambda: other.calls)
            await eventually(board.is_quiet)
            assert channel.calls == ["post"]


async def test_only_the_last_of_many_changes_is_shown(tmp_path):
    async with at_desk(tmp_path) as given:
        channel = Channel()
        async with boarding(given, MessageFile(None), channel) as board:
            decision = await held(given)
            await eventually(board.is_quiet)
            for _ in range(50):
                board.changed(decision)
            await eventually(board.is_quiet)
            assert channel.calls == ["post"]


async def test_decisions_of_one_episode_share_a_thread(tmp_path):
    async with at_desk(tmp_path) as given:
        channel = Channel()
        async with boarding(given, MessageFile(None), channel) as board:
            for number in (1, 2, 3):
                await held(given, number, episode="inc-7")
            await held(given, 4)
            await eventually(board.is_quiet)
            assert channel.calls == ["post", "thread inc-7", "post t-m1", "post t-m1", "post"]


async def test_stops_are_news_once(tmp_path):
    async with at_desk(tmp_path) as given:
        channel, messages = Channel(), MessageFile(tmp_path / "messages.db")
        async with boarding(given, messages, channel) as board:
            await given.say("ray", "/kill-autonomous all it loops")
            await eventually(lambda: "ray stopped all: it loops" in channel.text)
            await eventually(board.is_quiet)
        async with boarding(given, messages, channel):
            assert channel.calls == ["post"]
        messages.close()


async def test_the_first_start_tells_no_old_stories(tmp_path):
    async with at_desk(tmp_path) as given:
        decision = await held(given)
        await given.engine.ask(
            wire.AnswerHold(decision_id=decision, by="ray", role="responder", answer="deny", reason="no")
        )
        channel = Channel()
        async with boarding(given, MessageFile(None), channel):
            assert not channel.calls


async def test_a_memory_that_cannot_be_read_is_begun_anew(tmp_path):
    path = tmp_path / "messages.db"
    path.write_bytes(b"not a database, and longer than a header" * 100)
    messages = MessageFile(path)
    assert messages.seen() is None
    messages.close()
    assert path.with_suffix(".broken").exists()
