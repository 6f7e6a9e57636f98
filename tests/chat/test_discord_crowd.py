"""Many people in one moment on Discord: everybody is noticed at once, and a stop is not kept waiting."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from bot.discord_app import answering
from simulator.fakes.fake_discord.talks import DEFER, DEFER_UPDATE, REPLY
from tests.chat.discord_stage import QUICK, on_discord

pytestmark = pytest.mark.asyncio


def first_answers(stage: Any) -> list[int]:
    """What Discord was first told of each interaction, in order."""
    calls = [call for call in stage.fake.calls() if call.path.endswith("/callback")]
    return [call.body["type"] for call in calls]


async def test_fifty_in_one_moment_are_all_answered(tmp_path):
    async with on_discord(tmp_path) as stage:
        people = ["vic", "ray", "cat", "cleo", "stranger"] * 10
        answers = await asyncio.gather(*(stage.type(who, "/status", settle_s=60.0) for who in people))
        for who, answer in zip(people, answers, strict=True):
            (screen,) = answer.screens
            assert screen.private
            assert ("nobody is linked" in screen.text) == (who == "stranger")
            assert not answer.failed
        assert DEFER in first_answers(stage)


async def test_in_a_crowd_answers_mean_what_they_mean_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(answering, "MOST_AT_ONCE", 0)
    async with on_discord(tmp_path, structs.replace(QUICK, grace_s=60.0)) as stage:
        await stage.type("ray", "/kill-autonomous all enough")
        assert first_answers(stage) == [REPLY]
        (private,) = (await stage.type("ray", "/status")).screens
        (refused,) = (await stage.type("vic", "/resume-autonomous all because")).screens
        (asked,) = (await stage.type("cat", "/resume-autonomous all because")).screens
        (taken_back,) = (await stage.press("cat", asked, "Cancel")).screens
        assert first_answers(stage)[1:] == [DEFER, DEFER, DEFER, DEFER_UPDATE]
        assert private.private
        assert "stopped" in private.text
        assert refused.private
        assert "takes a captain" in refused.text
        assert asked.private
        assert taken_back.message_id == asked.message_id
        assert "Nothing was done" in taken_back.text
