"""The connection to Discord: lost, silent, refused, and back; nothing said is lost, and others are told."""

import time

import pytest

from bot.discord_app.front import Patience
from bot.discord_app.liveness import SILENT_S
from engine.commands.ears import DEAF_S, QUIET_S
from engine.errors import InputError
from tests.chat.discord_stage import QUICK, on_discord, on_stage

pytestmark = pytest.mark.asyncio


async def test_a_silent_connection_is_found_told_to_the_others_and_left(tmp_path):
    async with on_discord(tmp_path) as stage:
        began = time.monotonic()
        stage.fake.go_silent(silent=True)
        await stage.until(lambda: "discord is deaf" in stage.slack.told)
        assert time.monotonic() - began < QUICK.quiet_s + QUICK.deaf_s + 0.5
        await stage.until(lambda: "discord hears again" in stage.slack.told)
        assert stage.fake.gateway.resumes == 1
        assert all("deaf" not in screen.text for screen in stage.shown())


async def test_with_the_times_that_are_shipped_people_are_told_within_twenty_seconds():
    assert Patience() == Patience(quiet_s=QUIET_S, deaf_s=DEAF_S, silent_s=SILENT_S)
    assert QUIET_S + DEAF_S < 20
    assert QUIET_S + DEAF_S < SILENT_S


async def test_a_command_typed_into_a_silent_connection_is_answered_after_all(tmp_path):
    async with on_discord(tmp_path) as stage:
        stage.fake.go_silent(silent=True)
        await stage.type("ray", "/kill-autonomous all it loops")
        assert stage.given.engine.fence.stops()


async def test_a_quiet_connection_that_is_well_is_left_alone(tmp_path):
    async with on_discord(tmp_path) as stage:
        resumes = stage.fake.gateway.resumes
        await stage.until(lambda: signs(stage) >= 3)
        assert stage.slack.told == []
        assert (stage.fake.gateway.resumes, stage.fake.gateway.identifies) == (resumes, 1)
        assert stage.shown() == ()


def signs(stage):
    """How often the bot was given the sign it asked for."""
    sent = [frame for session in stage.fake.gateway.sessions.values() for frame in session.sent]
    return sum(frame["t"] == "GUILD_MEMBERS_CHUNK" for frame in sent)


async def test_a_broken_connection_is_resumed_and_nothing_is_lost(tmp_path):
    async with on_discord(tmp_path) as stage:
        await stage.fake.drop()
        assert "You are vic" in (await stage.type("vic", "/whoami")).text
        assert (stage.fake.gateway.identifies, stage.fake.gateway.resumes) == (1, 1)


async def test_a_token_that_is_refused_ends_it_with_the_cure(tmp_path):
    async with on_stage(tmp_path) as stage:
        stage.expected = "401"
        stage.fake.token, token = "another", stage.fake.token
        with pytest.raises(InputError, match="Reset Token"):
            async with stage.front(wait=False):
                await stage.until(stage.works[-1].done)
        stage.fake.token = token


async def test_a_discord_that_is_not_there_yet_is_waited_for(tmp_path):
    async with on_stage(tmp_path) as stage:
        await stage.fake.close()
        async with stage.front(wait=False):
            await stage.until(lambda: "discord is deaf" in stage.slack.told)
            await stage.fake.start()
            await stage.fake.bot_is_in()
            await stage.until(lambda: "discord hears again" in stage.slack.told)
            assert "You are vic" in (await stage.type("vic", "/whoami")).text


async def test_after_a_long_outage_all_is_begun_anew(tmp_path):
    patience = Patience(quiet_s=0.1, deaf_s=0.1, anew_s=0.3, pause_s=0.01)
    async with on_discord(tmp_path, patience) as stage:
        client = stage.bot._client
        await stage.fake.close()
        await stage.until(lambda: stage.bot._client is not client)
        await stage.fake.start()
        await stage.until(stage.is_ready)
        assert "You are vic" in (await stage.type("vic", "/whoami")).text


async def test_the_bot_goes_where_discord_moves_it(tmp_path):
    async with on_discord(tmp_path) as stage:
        stage.fake.ask_to_reconnect()
        await stage.until(lambda: stage.fake.gateway.resumes == 1)
        assert "You are vic" in (await stage.type("vic", "/whoami")).text
