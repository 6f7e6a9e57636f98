"""The fake Discord's gateway: connections that break, hang and come back, and what the bot hears on them."""

import asyncio
import json
import zlib

import aiohttp
import discord
import pytest
import zstandard

from simulator.fakes.fake_discord import FakeDiscord
from simulator.fakes.fake_discord.gateway import PRIVILEGED
from tests.fakes.discord_bots import INTENTS, make_bot, staged
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


async def test_what_happened_while_the_connection_was_broken_is_caught_up_with():
    async with staged() as stage:
        await stage.fake.drop()
        said = [
            stage.fake.say(stage.captain, f"<@{stage.bot.user.id}> {n}", channel=stage.room) for n in range(5)
        ]
        await stage.bot.until("message", 5)
        assert [str(what.id) for kind, what in stage.bot.heard if kind == "message"] == said
        assert (stage.fake.gateway.identifies, stage.fake.gateway.resumes) == (1, 1)


async def test_a_command_typed_while_the_connection_is_broken_arrives():
    async with staged() as stage:
        await stage.fake.drop()
        assert (await stage.type("/status")).text == "all is well, @captain"


async def test_what_was_missed_for_too_long_begins_a_new_session():
    async with staged(kept_events=3) as stage:
        await stage.fake.drop()
        for number in range(8):
            stage.fake.say(stage.captain, str(number), channel=stage.room)
        await stage.bot.until("disconnected")
        async with asyncio.timeout(PATIENCE_S):
            while stage.fake.gateway.identifies < 2:
                await asyncio.sleep(0.01)
        assert stage.fake.gateway.resumes == 0
        await stage.fake.bot_is_in()
        assert (await stage.type("/status")).text == "all is well, @captain"


async def test_the_bot_comes_back_when_it_is_asked_to():
    async with staged() as stage:
        stage.fake.ask_to_reconnect()
        await stage.bot.until("resumed")
        assert stage.fake.gateway.identifies == 1


async def test_a_silent_connection_is_noticed_and_nothing_is_lost():
    bot = make_bot(heartbeat_timeout=0.4)
    async with staged(bot, heartbeat_s=0.1) as stage:
        stage.fake.go_silent(silent=True)
        stage.fake.say(stage.captain, f"<@{bot.user.id}> are you there?", channel=stage.room)
        message = await bot.until("message")
        assert message.content.endswith("are you there?")
        assert stage.fake.gateway.resumes == 1


async def test_a_silent_connection_that_speaks_again_catches_up():
    async with staged() as stage:
        stage.fake.go_silent(silent=True)
        stage.fake.say(stage.captain, f"<@{stage.bot.user.id}> hello", channel=stage.room)
        assert ("message") not in [kind for kind, _ in stage.bot.heard]
        stage.fake.go_silent(silent=False)
        await stage.bot.until("message")
        assert stage.fake.gateway.resumes == 0


async def test_heartbeats_are_answered():
    async with staged(heartbeat_s=0.05) as stage:
        async with asyncio.timeout(PATIENCE_S):
            while stage.fake.gateway.heartbeats < 3:
                await asyncio.sleep(0.01)
        assert stage.bot.latency < 1
        assert stage.fake.gateway.identifies == 1


async def test_the_bot_hears_its_own_messages():
    async with staged() as stage:
        sent = await stage.room_of(stage.bot).send("probe")
        heard = await stage.bot.until("message")
        assert (heard.id, heard.content) == (sent.id, "probe")


async def test_the_words_of_others_are_hidden_without_the_intent():
    async with staged() as stage:
        stage.fake.say(stage.captain, "a secret", channel=stage.room)
        assert (await stage.bot.until("message")).content == ""
        stage.fake.say(stage.captain, f"<@{stage.bot.user.id}> listen", channel=stage.room)
        assert (await stage.bot.until("message", 2)).content.endswith("listen")


async def test_the_words_of_others_are_heard_with_the_intent():
    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True, members=True)
    async with staged(make_bot(intents=intents), privileged_intents=PRIVILEGED) as stage:
        stage.fake.say(stage.captain, "no secret", channel=stage.room)
        assert (await stage.bot.until("message")).content == "no secret"
        assert stage.bot.guilds[0].get_member(int(stage.captain)).name == "captain"


async def test_a_direct_message_to_the_bot_is_heard_whole():
    async with staged() as stage:
        person = await stage.bot.fetch_user(int(stage.captain))
        await person.send("hello")
        place = stage.fake.direct(stage.captain)[0].channel
        stage.fake.say(stage.captain, "approve 1", channel=place)
        assert (await stage.bot.until("message", 2)).content == "approve 1"


async def test_the_bot_hears_that_its_message_was_deleted():
    async with staged() as stage:
        sent = await stage.room_of(stage.bot).send("here today")
        await stage.fake.delete(str(sent.id))
        assert await stage.bot.until("deleted") == sent.id
        with pytest.raises(discord.NotFound):
            await sent.edit(content="gone tomorrow")
        assert stage.fake.problems() == ()


async def test_events_are_told_only_to_those_who_asked_for_them():
    async with staged(make_bot(intents=discord.Intents(guilds=True))) as stage:
        await stage.room_of(stage.bot).send("unheard")
        await stage.type("/status")
        assert [kind for kind, _ in stage.bot.heard] == []


async def test_a_wrong_token_is_turned_away():
    async with staged() as stage:
        bot = make_bot()
        with pytest.raises(discord.LoginFailure):
            await bot.start("wrong")
        await bot.close()
        assert stage.fake.invalid_calls == 1


async def test_an_intent_nobody_switched_on_closes_the_connection():
    intents = discord.Intents(guilds=True, message_content=True)
    async with staged() as stage:
        bot = make_bot(intents=intents)
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await bot.start(stage.fake.token)
        await bot.close()


async def test_who_waits_for_the_bot_after_a_broken_connection_waits_for_its_return():
    async with staged() as stage:
        await stage.fake.drop()
        assert not stage.fake.gateway.is_connected()
        await stage.fake.bot_is_in()
        assert stage.fake.gateway.resumes == 1


async def test_the_bot_hears_of_a_channel_that_is_made_later():
    async with staged() as stage:
        later = stage.fake.add_channel("later")
        async with asyncio.timeout(PATIENCE_S):
            while stage.bot.get_channel(int(later)) is None:
                await asyncio.sleep(0.01)
        assert stage.bot.get_channel(int(later)).name == "later"


# ------------------------------------------------------------ by hand, where the library makes no mistakes


async def spoken(*frames, query="", **options):
    """Say some frames to a gateway and return the code it closed the connection with."""
    fake = FakeDiscord(**options)
    await fake.start()
    try:
        async with aiohttp.ClientSession() as client, client.ws_connect(fake.gateway_url + query) as socket:
            for frame in frames:
                await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
            async with asyncio.timeout(PATIENCE_S):
                while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
            return socket.close_code
    finally:
        await fake.close()


IDENTIFY = {"op": 2, "d": {"token": "fake-token", "intents": INTENTS.value, "properties": {}}}


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (["{"], 4002),
        (["[]"], 4002),
        ([{"op": 1, "d": "x" * 5000}], 4002),
        ([{"op": 3, "d": {}}], 4003),
        ([{"op": 2, "d": {"token": "wrong", "intents": 1, "properties": {}}}], 4004),
        ([IDENTIFY, IDENTIFY], 4005),
        ([{"op": 6, "d": {"token": "wrong"}}], 4004),
        ([IDENTIFY, *[{"op": 1, "d": 1}] * 120], 4008),
        ([{"op": 2, "d": IDENTIFY["d"] | {"shard": [3, 2]}}], 4010),
        ([{"op": 2, "d": IDENTIFY["d"] | {"intents": 1 << 40}}], 4013),
        ([{"op": 2, "d": IDENTIFY["d"] | {"intents": 1 << 15}}], 4014),
        ([IDENTIFY, {"op": 99}], 4001),
    ],
)
async def test_mistakes_close_the_connection_with_their_code(frames, code):
    assert await spoken(*frames) == code


async def test_another_version_of_the_gateway_is_not_spoken():
    assert await spoken(query="?v=6") == 4012


async def test_a_connection_without_heartbeats_is_given_up():
    assert await spoken(IDENTIFY, heartbeat_s=0.02) == 4009


def unpacking(name):
    """Return how a client reads frames in a compression."""
    if name == "zlib-stream":
        return zlib.decompressobj().decompress
    reading = zstandard.ZstdDecompressor().decompressobj()
    return reading.decompress


@pytest.mark.parametrize("name", ["zlib-stream", "zstd-stream"])
async def test_frames_are_packed_as_one_stream_where_a_client_asks_for_it(name):
    fake = FakeDiscord()
    await fake.start()
    unpacked = unpacking(name)
    url = f"{fake.gateway_url}?v=10&encoding=json&compress={name}"
    try:
        async with aiohttp.ClientSession() as client, client.ws_connect(url) as socket:
            hello = json.loads(unpacked(await socket.receive_bytes(timeout=PATIENCE_S)))
            await socket.send_json(IDENTIFY)
            ready = json.loads(unpacked(await socket.receive_bytes(timeout=PATIENCE_S)))
            assert (hello["op"], ready["t"]) == (10, "READY")
    finally:
        await fake.close()
