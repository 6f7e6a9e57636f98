"""`watchkeeper doctor discord`: what is well, what is missing, and the clicks that mend it."""

import shutil

import pytest

from bot.discord_app.errors import NEEDED
from engine.settings.service import DiscordSection
from engine.wiring.policies import SHIPPED_CONFIG
from tests.chat.discord_stage import on_stage
from watchkeeper.doctor_discord import _all_of_them, diagnose_discord

pytestmark = pytest.mark.asyncio


async def looked_at(stage, *, token=None, **changes):
    """What the doctor finds, by name."""
    values = {
        "server": stage.fake.world.guild,
        "channel": stage.room,
        "api": stage.fake.api_url,
        "gateway": stage.fake.gateway_url,
    }
    found = await _all_of_them(DiscordSection(**values | changes), token or stage.fake.token)
    return {check.what: check for check in found}


async def test_all_is_well_once_the_bot_has_been_there(tmp_path):
    async with on_stage(tmp_path) as stage:
        async with stage.front():
            pass
        found = await looked_at(stage)
        assert {check.verdict for check in found.values()} == {"ok"}, found
        assert list(found) == ["token", "application", "intents", "server", "channel", "commands"]


async def test_commands_that_are_not_registered_are_bad(tmp_path):
    async with on_stage(tmp_path) as stage:
        found = await looked_at(stage)
        assert (found["commands"].verdict, found["commands"].cure) == (
            "bad",
            "start the bots, which register them: watchkeeper up",
        )


async def test_a_refused_token_names_where_a_new_one_is_made(tmp_path):
    async with on_stage(tmp_path) as stage:
        stage.expected = "401"
        found = await looked_at(stage, token="another")
        assert list(found) == ["token"]
        assert "Reset Token" in found["token"].cure


async def test_a_server_the_bot_is_not_in_comes_with_the_link_that_adds_it(tmp_path):
    async with on_stage(tmp_path) as stage:
        found = await looked_at(stage, server="123456")
        assert found["server"].verdict == "bad"
        assert f"permissions={NEEDED.value}" in found["server"].cure
        assert "scope=bot+applications.commands" in found["server"].cure


async def test_a_channel_the_bot_does_not_see_is_bad(tmp_path):
    async with on_stage(tmp_path) as stage:
        found = await looked_at(stage, channel="123456")
        assert found["channel"].verdict == "bad"
        assert "Copy Channel ID" in found["channel"].cure


async def test_permissions_that_are_missing_are_named(tmp_path):
    async with on_stage(tmp_path) as stage:
        stage.fake.lock(stage.room)
        found = await looked_at(stage)
        assert "lacks Send Messages" in found["channel"].said


async def test_a_discord_that_does_not_answer_is_one_line(tmp_path):
    async with on_stage(tmp_path) as stage:
        found = await looked_at(stage, api="http://127.0.0.1:1/api/v10")
        assert [check.verdict for check in found.values()] == ["bad"]


async def test_without_discord_in_the_settings_it_says_so(tmp_path):
    (check,) = diagnose_discord(tmp_path, SHIPPED_CONFIG)
    assert (check.verdict, check.cure) == ("warn", "docs/howto/discord.md")


async def test_a_token_that_is_missing_or_open_to_others_is_bad(tmp_path):
    config = tmp_path / "config"
    shutil.copytree(SHIPPED_CONFIG, config)
    path = config / "watchkeeper.yaml"
    text = path.read_text()
    path.write_text(
        text.replace("server: null ", 'server: "1" ').replace("channel: null ", 'channel: "2" ', 1)
    )
    (check,) = diagnose_discord(tmp_path, config)
    assert "this token is missing" in check.said
    token = tmp_path / "chat" / "discord-token"
    token.parent.mkdir()
    token.write_text("x")
    token.chmod(0o644)
    (check,) = diagnose_discord(tmp_path, config)
    assert (check.said.endswith("others may read it"), check.cure) == (True, f"chmod 600 {token}")
