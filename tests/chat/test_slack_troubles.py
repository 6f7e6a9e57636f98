"""When Slack limits, fails, falls silent or refuses: nothing is lost, and people are told what to do."""

import asyncio

import pytest

from bot.slack_app.calls import SlackRefused
from engine.commands.model import Reply
from engine.errors import InputError
from tests.chat.slack_world import slack
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


async def test_what_comes_too_often_is_posted_when_slack_says_so(tmp_path):
    async with slack(tmp_path) as world:
        world.fake.limit(calls=1, retry_after_s=1)
        assert await world.sees(await world.held())
        assert world.fake.limits.refused == 1


async def test_what_slack_fails_at_is_tried_again(tmp_path):
    async with slack(tmp_path) as world:
        world.fake.fail(calls=1, status=503)
        assert await world.sees(await world.held())


async def test_a_dropped_connection_comes_back(tmp_path):
    async with slack(tmp_path, ping_s=0.1) as world:
        await world.fake.drop()
        await world.fake.until(lambda: world.fake.socket_mode.connections == 2)
        await world.fake.bot_is_in()
        assert "You are cat" in (await world.say("cat", "/whoami")).text


async def test_slack_may_ask_for_a_new_connection(tmp_path):
    async with slack(tmp_path) as world:
        await world.fake.disconnect()
        await world.fake.until(lambda: world.fake.socket_mode.connections == 2)
        assert "You are cat" in (await world.say("cat", "/whoami")).text


async def test_a_silent_connection_is_found_told_elsewhere_and_replaced(tmp_path):
    async with slack(tmp_path, quiet_s=0.2, deaf_s=0.3) as world:
        world.fake.go_silent(silent=True)
        began = asyncio.get_running_loop().time()
        told = await world.aside.hears("slack is deaf")
        # A tenth of a second for each second of the real times, which are well under twenty.
        assert asyncio.get_running_loop().time() - began < 2.0
        assert "does not reach us" in told.text
        await world.aside.hears("slack hears again")
        assert "You are cat" in (await world.say("cat", "/whoami")).text


async def test_a_quiet_channel_is_not_taken_for_a_dead_one(tmp_path):
    async with slack(tmp_path, quiet_s=0.05, deaf_s=2.0) as world:
        await world.sees("The watchkeeper listens here")
        await world.fake.until(lambda: world.channel()[0].edits >= 3)
        assert world.aside.posted == []
        assert len([m for m in world.channel() if "listens here" in m.text]) == 1


async def test_the_sign_of_life_is_the_same_message_after_a_restart(tmp_path):
    async with slack(tmp_path, quiet_s=0.05, deaf_s=2.0) as world:
        first = await world.sees("listens here")
        await world.stop()
        await world.start(quiet_s=0.05, deaf_s=2.0)
        await world.fake.until(lambda: world.channel()[0].edits > first.edits + 1)
        assert len(world.channel()) == 1


@pytest.mark.parametrize("wrong", ["bot_token", "app_token"])
async def test_a_refused_token_ends_it_and_names_the_cure(tmp_path, wrong):
    async with slack(tmp_path) as world:
        await world.stop()
        known = getattr(world.fake, wrong)
        setattr(world.fake, wrong, "xoxb-old")
        world._work = []
        with pytest.raises(InputError, match=r"api\.slack\.com/apps"):
            await started(world)
        setattr(world.fake, wrong, known)


async def started(world):
    """Start the bot without waiting for it to be in, and return how it ends."""
    world.fake.bot_is_in = _at_once
    await world.start()
    await asyncio.wait_for(world._work[2], PATIENCE_S)


async def _at_once(**_):
    return


async def test_a_token_that_is_revoked_while_it_runs_ends_it(tmp_path):
    async with slack(tmp_path, quiet_s=0.05, deaf_s=0.5) as world:
        world.fake.web_api._bot_token = "xoxb-new"
        with pytest.raises(InputError, match="refuses the token"):
            await asyncio.wait_for(world._work[2], PATIENCE_S)


async def test_a_channel_without_the_bot_is_said_with_the_cure(tmp_path):
    async with slack(tmp_path) as world:
        world.fake.workspace.channels[world.captains].members.discard(world.front._listeners.bot_user)
        with pytest.raises(SlackRefused, match="/invite @watchkeeper"):
            await world.front.posters[0].post(Reply(title="x"), thread="")
