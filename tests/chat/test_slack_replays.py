"""A replay asked for in Slack: one message shows how far it is, and its report comes below it."""

import shutil
from pathlib import Path

import pytest

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
