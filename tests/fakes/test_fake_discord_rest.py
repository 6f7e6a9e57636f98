"""The fake Discord's REST API, called by the real discord.py."""

import asyncio
import io
import time
from pathlib import Path

import discord
import pytest

from simulator.fakes.fake_discord import Rates
from tests.fakes.discord_bots import make_bot, staged

pytestmark = pytest.mark.asyncio
SPEC = Path(__file__).resolve().parents[3] / "shared" / "specs" / "discord" / "openapi.json"


async def test_a_message_is_posted_edited_read_and_removed():
    async with staged() as stage:
        place = stage.room_of(stage.bot)
        sent = await place.send("one")
        await sent.edit(content="two")
        screen = stage.fake.messages(stage.room)[0]
        assert (screen.text, screen.edits, screen.author) == ("two", 1, "watchkeeper")
        assert (await place.fetch_message(sent.id)).content == "two"
        await place.send("three")
        assert [message.content async for message in place.history()] == ["three", "two"]
        await sent.delete()
        assert [screen.text for screen in stage.fake.messages(stage.room)] == ["three"]


async def test_an_embed_is_read_in_the_order_it_is_shown_in():
    embed = discord.Embed(title="Restart **api**?", description="It is `down`.", color=0xFF0000)
    embed.set_author(name="healer").add_field(name="Cost", value="2 USD").set_footer(text="d-1")
    async with staged() as stage:
        await stage.room_of(stage.bot).send("Look:", embed=embed)
        text = stage.fake.messages(stage.room)[0].text
        assert text == "Look:\nhealer\nRestart api?\nIt is down.\nCost\n2 USD\nd-1"


async def test_a_file_is_uploaded_and_can_be_read_back():
    async with staged() as stage:
        sent = await stage.room_of(stage.bot).send("see", file=discord.File(io.BytesIO(b"a,b\n"), "plan.csv"))
        screen = stage.fake.messages(stage.room)[0]
        assert [(one.name, one.size_bytes) for one in screen.attachments] == [("plan.csv", 4)]
        assert await sent.attachments[0].read() == b"a,b\n"
        await sent.edit(attachments=[])
        assert stage.fake.messages(stage.room)[0].attachments == ()


async def test_a_file_may_come_with_the_answer_to_a_command():
    bot = make_bot()

    @bot.tree.command(name="report", description="Report")
    async def report(interaction):
        await interaction.response.send_message("here", file=discord.File(io.BytesIO(b"x"), "report.html"))

    async with staged(bot) as stage:
        answer = await stage.type("/report")
        assert answer.screens[0].attachments[0].name == "report.html"


async def test_a_file_of_more_than_ten_mebibytes_is_refused():
    async with staged() as stage:
        large = discord.File(io.BytesIO(bytes(10 * 1024 * 1024 + 1)), "large.bin")
        with pytest.raises(discord.HTTPException) as caught:
            await stage.room_of(stage.bot).send(file=large)
        assert (caught.value.status, caught.value.code) == (413, 40005)
        assert stage.fake.messages(stage.room) == ()


async def test_a_thread_is_begun_from_a_message_and_written_in():
    async with staged() as stage:
        sent = await stage.room_of(stage.bot).send("incident")
        thread = await sent.create_thread(name="what happened")
        await thread.send("this")
        screens = stage.fake.thread(str(sent.id))
        assert [(one.text, one.thread) for one in screens] == [("this", str(sent.id))]
        assert [one.text for one in stage.fake.messages(stage.room)] == ["incident"]
        with pytest.raises(discord.HTTPException, match="already been created"):
            await sent.create_thread(name="again")


async def test_a_thread_is_begun_on_its_own():
    async with staged() as stage:
        channel = await stage.bot.fetch_channel(int(stage.room))
        thread = await channel.create_thread(name="war room", type=discord.ChannelType.public_thread)
        await thread.send("here")
        assert stage.fake.thread(str(thread.id))[0].thread == stage.room
        await thread.edit(archived=True)
        assert stage.fake.world.channels[str(thread.id)].archived


async def test_a_person_is_written_to_directly():
    async with staged() as stage:
        person = await stage.bot.fetch_user(int(stage.captain))
        await person.send("wake up")
        assert [one.text for one in stage.fake.direct(stage.captain)] == ["wake up"]
        assert stage.fake.messages(stage.room) == ()


async def test_who_takes_no_direct_messages_gets_none():
    async with staged() as stage:
        stage.fake.refuse_direct(stage.captain)
        person = await stage.bot.fetch_user(int(stage.captain))
        with pytest.raises(discord.Forbidden) as caught:
            await person.send("wake up")
        assert caught.value.code == 50007


async def test_a_locked_channel_is_not_written_in():
    async with staged() as stage:
        stage.fake.lock(stage.room)
        with pytest.raises(discord.Forbidden):
            await stage.room_of(stage.bot).send("let me in")
        assert stage.fake.invalid_calls == 1


async def test_mentions_ping_only_those_who_may_be_pinged():
    async with staged() as stage:
        other = stage.fake.add_person("other")
        place = stage.room_of(stage.bot)
        text = f"<@{stage.captain}> <@{other}> @everyone"
        loud = await place.send(text)
        quiet = await place.send(text, allowed_mentions=discord.AllowedMentions.none())
        one = await place.send(
            text, allowed_mentions=discord.AllowedMentions(everyone=False, users=[discord.Object(int(other))])
        )
        assert stage.fake.pings(str(loud.id)) == ("captain", "other", "everyone")
        assert stage.fake.pings(str(quiet.id)) == ()
        assert stage.fake.pings(str(one.id)) == ("other",)
        assert stage.fake.messages(stage.room)[0].text == "@captain @other @everyone"


async def test_the_newer_components_are_read_too():
    class Card(discord.ui.LayoutView):
        text = discord.ui.TextDisplay("## Decision\nfor <@1>")
        box = discord.ui.Container(
            discord.ui.Section(
                "in a **section**", accessory=discord.ui.Button(label="Open", custom_id="open")
            ),
            discord.ui.Separator(),
            discord.ui.ActionRow(discord.ui.Button(label="Go", custom_id="go", disabled=True)),
        )

    async with staged() as stage:
        await stage.room_of(stage.bot).send(view=Card())
        screen = stage.fake.messages(stage.room)[0]
        assert screen.text == "Decision\nfor @1\nin a section"
        assert [(one.label, one.enabled) for one in screen.buttons] == [("Open", True), ("Go", False)]
        with pytest.raises(LookupError, match="dead"):
            await stage.fake.press(stage.captain, screen.message_id, "Go")


async def test_people_and_places_can_be_asked_for():
    async with staged() as stage:
        guild = await stage.bot.fetch_guild(int(stage.fake.world.guild))
        assert (await guild.fetch_member(int(stage.captain))).name == "captain"
        members = await stage.bot.http.get_members(guild.id, 10, None)
        assert [one["user"]["username"] for one in members] == ["watchkeeper", "owner", "captain"]
        assert [one.name for one in await guild.fetch_channels()] == ["room"]
        assert (await stage.bot.application_info()).name == "watchkeeper"
        with pytest.raises(discord.NotFound):
            await stage.bot.fetch_user(1)
        async with stage.room_of(stage.bot).typing():
            pass


async def test_commands_are_changed_one_by_one():
    async with staged() as stage:
        command = next(one for one in await stage.bot.tree.fetch_commands() if one.name == "status")
        await command.edit(description="How it goes")
        assert (await stage.bot.tree.fetch_command(command.id)).description == "How it goes"
        await command.delete()
        with pytest.raises(discord.NotFound):
            await stage.bot.tree.fetch_command(command.id)
        with pytest.raises(LookupError):
            await stage.type("/status")


async def test_a_command_of_the_guild_goes_before_a_global_one():
    bot = make_bot()
    async with staged(bot) as stage:
        guild = discord.Object(int(stage.fake.world.guild))

        @bot.tree.command(name="status", description="Here", guild=guild)
        async def status(interaction):
            await interaction.response.send_message("here")

        await bot.tree.sync(guild=guild)
        assert (await stage.type("/status")).text == "here"


# ------------------------------------------------------------ what goes wrong


async def test_the_bot_waits_when_it_is_told_that_it_calls_too_often():
    async with staged() as stage:
        stage.fake.limit(calls=1, retry_after_s=0.2)
        begun = time.monotonic()
        await stage.room_of(stage.bot).send("patience")
        assert 0.15 < time.monotonic() - begun < 2
        assert [call.status for call in stage.fake.calls()[-2:]] == [429, 200]
        assert stage.fake.invalid_calls == 0


async def test_a_deferred_answer_is_waited_for_through_a_limit():
    bot = make_bot()

    @bot.tree.command(name="limited", description="Limited")
    async def limited(interaction):
        await interaction.response.defer()
        stage.fake.limit(calls=1, retry_after_s=0.2)
        await interaction.edit_original_response(content="done")

    async with staged(bot) as stage:
        assert (await stage.type("/limited")).text == "done"


async def test_buckets_are_kept_by_the_client_of_itself():
    rates = Rates(routes={"POST /channels/{channel_id}/messages": (2, 0.3)})
    async with staged(rates=rates) as stage:
        begun = time.monotonic()
        for number in range(3):
            await stage.room_of(stage.bot).send(str(number))
        assert time.monotonic() - begun > 0.25
        assert {call.status for call in stage.fake.calls()} == {200}


async def test_a_burst_beyond_the_bucket_is_refused_with_its_own_scope():
    rates = Rates(routes={"POST /channels/{channel_id}/typing": (1, 0.2)})
    async with staged(rates=rates) as stage:
        session = stage.bot.http._HTTPClient__session
        url = f"{stage.fake.api_url}/channels/{stage.room}/typing"
        headers = {"Authorization": f"Bot {stage.fake.token}"}
        async with session.post(url, headers=headers) as first, session.post(url, headers=headers) as second:
            assert (first.status, first.headers["X-RateLimit-Remaining"]) == (204, "0")
            assert (second.status, second.headers["X-RateLimit-Scope"]) == (429, "user")
            assert (await second.json())["global"] is False
        assert stage.fake.invalid_calls == 1


async def test_all_routes_together_have_a_limit():
    async with staged(rates=Rates(everything=5)) as stage:
        session = stage.bot.http._HTTPClient__session
        headers = {"Authorization": f"Bot {stage.fake.token}"}

        async def ask():
            async with session.get(f"{stage.fake.api_url}/users/@me", headers=headers) as answer:
                return answer.status, answer.headers.get("X-RateLimit-Global")

        answers = await asyncio.gather(*(ask() for _ in range(6)))
        assert (429, "true") in answers


async def test_an_error_of_the_platform_is_tried_again_by_the_client():
    async with staged() as stage:
        stage.fake.fail(calls=1, status=502)
        await stage.room_of(stage.bot).send("again")
        assert [call.status for call in stage.fake.calls()[-2:]] == [502, 200]
        assert stage.fake.problems() == ()


async def test_a_request_the_rules_forbid_is_refused_as_discord_does_and_told():
    async with staged() as stage:
        with pytest.raises(discord.HTTPException) as caught:
            await stage.room_of(stage.bot).send(embed=discord.Embed(title="t" * 257))
        assert caught.value.code == 50035
        assert "In embeds.0.title: Must be 256 or fewer in length." in str(caught.value)
        assert "Must be 256 or fewer" in stage.fake.problems()[0]


async def test_an_endpoint_that_is_not_there_is_told():
    async with staged() as stage:
        with pytest.raises(discord.NotFound):
            await stage.bot.http.request(discord.http.Route("GET", "/nowhere"))
        assert "no such endpoint" in stage.fake.problems()[0]


async def test_what_the_real_client_sends_fits_the_official_description():
    if not SPEC.exists():
        pytest.skip("../shared/specs/discord/openapi.json is not here")
    async with staged(spec=SPEC) as stage:
        asked = (await stage.type("/ask d-1")).screens[0]
        opened = await stage.fake.press(stage.captain, asked.message_id, "Deny")
        await stage.fake.fill(stage.captain, opened.modal, {"Reason": "too risky"})
        await stage.type("/later")
        await stage.fake.complete(stage.captain, "/canary promote h", channel=stage.room)
        sent = await stage.room_of(stage.bot).send("f", file=discord.File(io.BytesIO(b"x"), "x.txt"))
        await (await sent.create_thread(name="t")).send("in it")
        await (await stage.bot.fetch_user(int(stage.captain))).send("hello")
        assert stage.fake.problems() == ()


async def test_what_the_official_description_forbids_is_told():
    if not SPEC.exists():
        pytest.skip("../shared/specs/discord/openapi.json is not here")
    async with staged(spec=SPEC) as stage:
        with pytest.raises(discord.HTTPException):
            await stage.room_of(stage.bot).send(embed=discord.Embed(title="t" * 257))
        told = next(one for one in stage.fake.problems() if "official description" in one)
        assert "embeds/0/title" in told
        assert "is too long" in told
        assert f"POST /channels/{stage.room}/messages" in told
