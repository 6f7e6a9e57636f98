"""Replays on Discord: one message from the beginning to the end, with the report below it."""

import contextlib
import shutil

import pytest

from bot.discord_app.front import Patience
from engine.commands.desk import Desk
from simulator import jobs
from simulator.bundled import BUNDLED
from tests.chat.discord_stage import on_discord, on_stage
from tests.commands.desks import tools_on

pytestmark = pytest.mark.asyncio


async def over(stage):
    return await stage.until(
        lambda: [one for one in stage.shown() if "is done" in one.text or "is cancelled" in one.text]
    )


async def test_a_replay_is_followed_in_its_message_to_its_report(tmp_path):
    async with on_discord(tmp_path, Patience(every_s=0.05), bundled=BUNDLED) as stage:
        await stage.type("ray", "/replay start demo", settle_s=0.05)
        begun = await stage.card()
        assert not begun.private
        # On a busy machine it may be over before anybody sees it run.
        assert [button.label for button in begun.buttons] in (["Cancel"], ["Report"])
        (done,) = await over(stage)
        assert done.message_id == begun.message_id
        assert [one.name for one in done.attachments] == ["report.html"]
        assert [button.label for button in done.buttons] == ["Report"]
        report = await stage.press("vic", done, "Report")
        assert report.screens[0].attachments[0].name == "report.html"


async def test_a_replay_is_cancelled_by_its_button_in_its_message(tmp_path, monkeypatch):
    # It waits for its turn, however long the machine takes to show the button.
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    async with on_discord(tmp_path, Patience(every_s=0.05), bundled=BUNDLED) as stage:
        await stage.type("ray", "/replay start demo", settle_s=0.05)
        begun = await stage.card()
        await stage.press("ray", begun, "Cancel", settle_s=0.5)
        (ended,) = await over(stage)
        assert ended.message_id == begun.message_id
        assert len(stage.shown()) == 1


async def test_a_replay_that_outlives_its_interaction_is_followed_all_the_same(tmp_path):
    async with on_discord(tmp_path, Patience(every_s=0.05, token_s=0.0), bundled=BUNDLED) as stage:
        await stage.type("ray", "/replay start demo", settle_s=0.05)
        begun = await stage.card()
        (job,) = stage.desk.tools.replays.jobs()
        await stage.given.say("ray", f"/replay cancel {job.name}")
        (ended,) = await over(stage)
        assert ended.message_id == begun.message_id
        made = [call for call in stage.fake.calls() if call.method == "PATCH"]
        assert all(call.path.startswith("/channels/") for call in made)


async def test_a_report_too_large_for_the_server_is_named_by_its_path(tmp_path):
    from bot.discord_app.render import page
    from engine.commands.model import Reply

    report = tmp_path / "report.html"
    report.write_bytes(b"x" * 100)
    made = page(Reply(title="x", file=report), largest_bytes=99)
    assert made.files == ()
    assert made.embed.fields[0].value.replace("\\", "") == str(report)


@contextlib.asynccontextmanager
async def restarted(stage):
    """A new process over the same folder: another desk, another client, nothing in memory."""
    stage.desk.tools.replays.close()
    engine, linked = stage.given.engine, (stage.home / "links.json").read_bytes()
    tools, close = tools_on(stage.home, engine.client, engine.fence, lasting=True)
    (stage.home / "links.json").write_bytes(linked)
    stage.desk = Desk(tools)
    tools.replays._bundled = BUNDLED
    try:
        async with stage.front():
            yield
    finally:
        await stage.desk.close()
        for each in close:
            each.close()


async def test_after_restarts_the_same_message_is_followed_and_cancel_works(tmp_path, monkeypatch):
    (tmp_path / "recordings").mkdir()
    shutil.copy(BUNDLED["demo"], tmp_path / "recordings" / "demo.wkr")
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    async with on_stage(tmp_path) as stage:
        async with restarted(stage):
            for _ in range(2):
                await stage.type("ray", "/replay start demo", settle_s=0.2)
            await stage.until(lambda: len(stage.shown()) == 2)
            first, second = sorted(stage.shown(), key=lambda screen: int(screen.message_id))
        async with restarted(stage):
            await stage.press("ray", second, "Cancel", settle_s=0.5)
            cancelled = await stage.card("is cancelled")
            assert cancelled.message_id == second.message_id
            assert cancelled.buttons == ()
        monkeypatch.setattr(jobs, "MOST_RUNNING", 1)
        async with restarted(stage):
            done = await stage.card("is done")
            assert done.message_id == first.message_id
            assert [one.name for one in done.attachments] == ["report.html"]
            assert [button.label for button in done.buttons] == ["Report"]
            assert len(stage.shown()) == 2
