"""A replay asked for in Slack: one message shows how far it is, and its report comes below it."""

import asyncio
import shutil
from pathlib import Path

import pytest

from simulator import jobs
from tests.chat.slack_world import slack
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

DEMO = Path("simulator/demo.wkr").resolve()


async def test_a_replay_is_one_message_to_its_end_and_its_report_comes_below(tmp_path):
    (tmp_path / "recordings").mkdir()
    shutil.copy(DEMO, tmp_path / "recordings" / "demo.wkr")
    async with slack(tmp_path) as world:
        await world.say("ray", "/replay start demo")
        card = await world.sees("Replay ")
        await world.fake.until(
            lambda: any("is done" in each.text for each in world.channel()),
            within_s=PATIENCE_S,
            what="no end",
        )
        done = [each for each in world.channel() if "is done" in each.text]
        assert [each.message_id for each in done] == [card.message_id]
        assert [button.label for button in done[0].buttons] == ["Report"]
        await world.fake.until(lambda: bool(world.fake.thread(card.message_id)), within_s=PATIENCE_S)
        (report,) = [file for each in world.fake.thread(card.message_id) for file in each.attachments]
        assert report.name.endswith(".html")


@pytest.fixture
def demo(tmp_path):
    (tmp_path / "recordings").mkdir()
    shutil.copy(DEMO, tmp_path / "recordings" / "demo.wkr")


def under(world, card):
    return [file.name for each in world.fake.thread(card.message_id) for file in each.attachments]


async def test_after_a_restart_the_same_message_is_followed_to_its_report(tmp_path, demo, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    async with slack(tmp_path) as world:
        await world.say("ray", "/replay start demo")
        card = await world.sees("Replay ")
        (direct,) = (await world.say("ray", "replay start demo", channel=world.direct("ray"))).screens
        await world.stop()
        monkeypatch.setattr(jobs, "MOST_RUNNING", 2)
        await world.start()
        await world.sees("is done")
        assert [each.message_id for each in world.channel()] == [card.message_id]
        await world.fake.until(lambda: len(under(world, card)) == 1, within_s=60)
        await world.fake.until(lambda: len(under(world, direct)) == 1, within_s=60)
        # What is over is followed no more.
        await world.stop()
        await world.start()
        await world.say("ray", "/wk status")
        assert len(under(world, card)) == 1


async def test_after_a_restart_a_replay_is_cancelled_by_its_button(tmp_path, demo, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    async with slack(tmp_path) as world:
        await world.say("ray", "/replay start demo")
        card = await world.sees("Replay ")
        await world.stop()
        await world.start()
        await world.press("ray", card, "Cancel")
        cancelled = await world.sees("is cancelled")
        assert cancelled.message_id == card.message_id
        assert cancelled.buttons == ()


async def test_a_replay_whose_message_is_forgotten_is_shown_anew_in_the_channel(tmp_path, demo, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    async with slack(tmp_path) as world:
        await world.say("ray", "/replay start demo")
        await world.sees("Replay ")
        await world.stop()
        (tmp_path / "messages.db").unlink()
        await world.start()
        await world.fake.until(lambda: len(world.channel()) == 2, within_s=60)
        await world.press("ray", world.channel()[1], "Cancel")
        await world.sees("is cancelled")


async def test_who_deletes_the_message_of_a_replay_hears_no_more_of_it(tmp_path, demo, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    async with slack(tmp_path) as world:
        await world.say("ray", "/replay start demo")
        card = await world.sees("Replay ")
        (job,) = world.desk.tools.replays.jobs()
        await world.fake.delete(card.message_id)
        world.desk.tools.replays.cancel(job.name)
        async with asyncio.timeout(60):
            while world.board.messages.open():
                await asyncio.sleep(0.01)
        assert world.channel() == ()


async def test_a_replay_whose_record_is_gone_is_said_to_be(tmp_path, demo, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    async with slack(tmp_path) as world:
        await world.say("ray", "/replay start demo")
        card = await world.sees("Replay ")
        await world.stop()
        shutil.rmtree(tmp_path / "asked")
        await world.start()
        assert (await world.sees("is not known any more")).message_id == card.message_id
