"""What people do with a bot on the fake Discord, answered by the real discord.py."""

import asyncio

import discord
import pytest

from simulator.fakes.fake_discord import HandClock
from tests.fakes.discord_bots import make_bot, running, staged

pytestmark = pytest.mark.asyncio
ADMINISTRATOR = 8


async def test_the_bot_logs_in_and_its_commands_are_there():
    async with staged() as stage:
        names = [command["name"] for command in stage.fake.world.commands[None].values()]
        assert names == ["kill-autonomous", "status", "later", "ask", "slow", "wrong", "canary"]
        assert stage.bot.user.name == "watchkeeper"
        assert [channel.name for channel in stage.bot.get_all_channels()] == ["room"]


async def test_a_command_is_answered():
    async with staged() as stage:
        answer = await stage.type("/status")
        assert answer.text == "all is well, @captain"
        assert 0 < answer.ack_s < 1
        assert not answer.failed
        assert stage.fake.messages(stage.room) == answer.screens


async def test_a_deferred_answer_is_waited_for_and_seen_by_one_person():
    async with staged() as stage:
        stage.fake.permit(stage.captain, ADMINISTRATOR)
        answer = await stage.type("/kill-autonomous trader")
        assert answer.text == "stopped trader"
        assert answer.screens[0].private
        assert stage.fake.messages(stage.room) == ()
        assert stage.fake.private(stage.captain) == answer.screens


async def test_the_first_follow_up_takes_the_place_of_the_deferred_answer():
    async with staged() as stage:
        answer = await stage.type("/later")
        assert [(screen.text, screen.edits) for screen in answer.screens] == [("first", 1), ("second", 0)]


async def test_a_command_is_hidden_from_who_lacks_the_permission():
    async with staged() as stage:
        with pytest.raises(LookupError, match="captain sees no command /kill-autonomous"):
            await stage.type("/kill-autonomous all")


async def test_words_are_bound_to_options_in_order_the_last_text_taking_the_rest():
    async with staged() as stage:
        answer = await stage.type("/canary promote heal@2 25 @captain yes looks good to me")
        assert answer.text == "heal@2 25 captain True looks good to me"


async def test_words_are_bound_to_options_by_name_too():
    async with staged() as stage:
        answer = await stage.type("/canary promote heal@2 25 who:captain loud:no reason:it works")
        assert answer.text == "heal@2 25 captain False it works"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/canary", "takes one of promote, not nothing"),
        ("/canary demote", "takes one of promote, not demote"),
        ("/canary promote heal@2 25", "the command needs who, loud"),
        ("/canary promote heal@2 many captain yes", "percent is a number, not 'many'"),
        ("/canary promote heal@2 101 captain yes", "percent is between 1 and 100"),
        ("/canary promote heal@2 1 nobody yes", "nobody is called nobody"),
        ("/status now", "no option of the command takes 'now'"),
        ("/none", "sees no command /none"),
        ("status", "a command begins with /"),
    ],
)
async def test_what_the_client_would_not_send_is_refused(line, why):
    async with staged() as stage:
        with pytest.raises(LookupError, match=why):
            await stage.type(line)


async def test_the_bot_completes_a_word_and_what_was_picked_is_sent_for_its_name():
    async with staged() as stage:
        fake, who, room = stage.fake, stage.captain, stage.room
        assert await fake.complete(who, "/canary promote tra", channel=room) == ("Trade one",)
        assert await fake.complete(who, "/canary promote ", channel=room) == ("Heal two", "Trade one")
        answer = await stage.type("/canary promote capability:Trade one percent:5 who:captain loud:yes")
        assert answer.text == "trade@1 5 captain True none"


async def test_the_client_completes_what_needs_no_bot():
    async with staged() as stage:
        fake, who, room = stage.fake, stage.captain, stage.room
        assert await fake.complete(who, "/s", channel=room) == ("/status", "/slow")
        assert await fake.complete(who, "/canary pro", channel=room) == ("promote",)
        assert await fake.complete(who, "/canary promote x 1 captain t", channel=room) == ("True",)
        assert await fake.complete(who, "/canary promote x 1 cap", channel=room) == ()


async def test_a_button_changes_its_message_in_place_and_is_spent():
    async with staged() as stage:
        asked = (await stage.type("/ask d-1")).screens[0]
        assert [button.label for button in asked.buttons] == ["Approve", "Deny", "Hold"]
        assert asked.buttons[0].style == "good"
        answer = await stage.fake.press(stage.captain, asked.message_id, "Approve")
        assert answer.screens[0].message_id == asked.message_id
        assert answer.text == "approved d-1 by captain"
        with pytest.raises(LookupError, match="no button 'Approve'"):
            await stage.fake.press(stage.captain, asked.message_id, "Approve")


async def test_a_button_may_be_answered_by_an_edit_from_outside_the_interaction():
    async with staged() as stage:
        asked = (await stage.type("/ask d-1")).screens[0]
        answer = await stage.fake.press(stage.captain, asked.message_id, "Hold")
        assert [(screen.message_id, screen.text) for screen in answer.screens] == [
            (asked.message_id, "held d-1")
        ]


async def test_a_button_works_for_a_bot_that_was_started_anew():
    async with staged() as stage:
        asked = (await stage.type("/ask d-1")).screens[0]
        await stage.bot.close()
        async with running(make_bot(), stage.fake):
            answer = await stage.fake.press(stage.captain, asked.message_id, "Approve")
            assert answer.text == "approved d-1 by captain"


async def test_a_modal_opens_and_is_filled_in():
    async with staged() as stage:
        asked = (await stage.type("/ask d-1")).screens[0]
        opened = await stage.fake.press(stage.captain, asked.message_id, "Deny")
        assert opened.modal.title == "Why not?"
        assert [(f.label, f.required, f.longest) for f in opened.modal.fields] == [("Reason", True, 50)]
        answer = await stage.fake.fill(stage.captain, opened.modal, {"Reason": "too risky"})
        assert answer.text == "denied d-1: too risky"
        with pytest.raises(LookupError, match="no form"):
            await stage.fake.fill(stage.captain, opened.modal, {"Reason": "once more"})


async def test_a_modal_is_not_sent_with_what_it_does_not_take():
    async with staged() as stage:
        asked = (await stage.type("/ask d-1")).screens[0]
        opened = await stage.fake.press(stage.captain, asked.message_id, "Deny")
        with pytest.raises(LookupError, match="Reason must be filled in"):
            await stage.fake.fill(stage.captain, opened.modal, {})
        with pytest.raises(LookupError, match="asks for Reason, not for Mood"):
            await stage.fake.fill(stage.captain, opened.modal, {"Mood": "bad"})
        with pytest.raises(ValueError, match="takes 3 to 50 characters, not 2"):
            await stage.fake.fill(stage.captain, opened.modal, {"Reason": "no"})


async def test_an_ephemeral_message_is_pressed_by_its_viewer_only():
    bot = make_bot()

    @bot.tree.command(name="mine", description="Mine")
    async def mine(interaction):
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button(label="Go", custom_id="go"))
        await interaction.response.send_message("mine", view=view, ephemeral=True)

    async with staged(bot) as stage:
        other = stage.fake.add_person("other")
        shown = (await stage.type("/mine")).screens[0]
        with pytest.raises(LookupError, match="other does not see"):
            await stage.fake.press(other, shown.message_id, "Go")


async def test_a_select_is_chosen_from():
    bot = make_bot()

    class Pick(discord.ui.Select):
        async def callback(self, interaction):
            await interaction.response.edit_message(content=f"picked {self.values[0]}")

    @bot.tree.command(name="pick", description="Pick")
    async def pick(interaction):
        view = discord.ui.View()
        options = [discord.SelectOption(label=name, value=name.lower()) for name in ("All", "One")]
        view.add_item(Pick(options=options, placeholder="Stop what?"))
        await interaction.response.send_message("which?", view=view)

    async with staged(bot) as stage:
        shown = (await stage.type("/pick")).screens[0]
        assert shown.text == "which?\nStop what?"
        answer = await stage.fake.choose(stage.captain, shown.message_id, "One")
        assert answer.text == "picked one\nStop what?"
        with pytest.raises(LookupError, match="no select"):
            await stage.fake.choose(stage.captain, shown.message_id, "None")


async def test_a_thing_done_once_may_be_delivered_twice():
    async with staged() as stage:
        stage.fake.redeliver(copies=2)
        answer = await stage.type("/status")
        assert answer.text == "all is well, @captain"
        assert (await stage.bot.until("error")).code == 40060
        assert "40060" in stage.fake.problems()[0]
        stage.fake.redeliver(copies=1)
        await stage.type("/status")
        assert len(stage.bot.gone_wrong) == 1


async def test_nobody_waits_longer_than_three_seconds_and_a_late_answer_is_refused():
    clock = HandClock()
    async with staged(clock=clock) as stage:
        typing = asyncio.create_task(stage.type("/slow"))
        await stage.bot.until("slow")
        clock.advance(2.9)
        await asyncio.sleep(0)
        assert not typing.done()
        clock.advance(0.2)
        answer = await typing
        assert answer.failed == "The application did not respond"
        assert answer.ack_s == pytest.approx(3.1)
        stage.bot.gate.set()
        late = await stage.bot.until("error")
        assert (late.status, late.code) == (404, 10062)


async def test_a_button_that_is_not_answered_says_so():
    clock = HandClock()
    bot = make_bot()

    class Deaf(discord.ui.Button):
        async def callback(self, interaction):
            bot.note("pressed", interaction)

    @bot.tree.command(name="deaf", description="Deaf")
    async def deaf(interaction):
        view = discord.ui.View()
        view.add_item(Deaf(label="Go"))
        await interaction.response.send_message("press", view=view)

    async with staged(bot, clock=clock) as stage:
        shown = (await stage.type("/deaf")).screens[0]
        pressing = asyncio.create_task(stage.fake.press(stage.captain, shown.message_id, "Go"))
        await bot.until("pressed")
        clock.advance(3.1)
        assert (await pressing).failed == "This interaction failed"


async def test_a_token_runs_out_after_fifteen_minutes():
    clock = HandClock()
    bot = make_bot()

    @bot.tree.command(name="keep", description="Keep the interaction")
    async def keep(interaction):
        bot.note("kept", interaction)
        await interaction.response.send_message("kept")

    async with staged(bot, clock=clock) as stage:
        await stage.type("/keep")
        kept = await bot.until("kept")
        clock.advance(15 * 60 - 1)
        await kept.edit_original_response(content="still")
        clock.advance(2)
        with pytest.raises(discord.HTTPException) as caught:
            await kept.edit_original_response(content="too late")
        assert (caught.value.status, caught.value.code) == (401, 50027)
        assert stage.fake.messages(stage.room)[0].text == "still"
        assert stage.fake.problems() == ()


async def test_a_modal_cannot_follow_a_deferred_answer():
    bot = make_bot()

    @bot.tree.command(name="both", description="Both")
    async def both(interaction):
        await interaction.response.defer()
        await interaction.client.http.request(
            discord.http.Route(
                "POST", "/interactions/{id}/{token}/callback", id=interaction.id, token=interaction.token
            ),
            json={"type": 9, "data": {"title": "t", "custom_id": "c", "components": []}},
        )

    async with staged(bot) as stage:
        await stage.type("/both", settle_s=0.2)
        assert (await bot.until("error")).code == 40060


async def test_the_answer_may_be_taken_back():
    bot = make_bot()

    @bot.tree.command(name="oops", description="Oops")
    async def oops(interaction):
        await interaction.response.send_message("oops")
        await interaction.delete_original_response()

    async with staged(bot) as stage:
        assert (await stage.type("/oops")).screens == ()
        assert stage.fake.messages(stage.room) == ()


async def test_a_command_may_be_typed_in_a_direct_conversation():
    async with staged() as stage:
        person = await stage.bot.fetch_user(int(stage.captain))
        await person.send("hello")
        place = stage.fake.direct(stage.captain)[0].channel
        answer = await stage.fake.type(stage.captain, "/status", channel=place)
        assert answer.text == "all is well, @captain"


async def test_discord_has_no_dialog_to_decline():
    async with staged() as stage:
        asked = (await stage.type("/ask d-1")).screens[0]
        assert await stage.fake.cancel(stage.captain, asked.message_id, "Approve") == ""
        assert stage.fake.messages(stage.room)[0].text == "decision d-1"
        with pytest.raises(LookupError):
            await stage.fake.cancel(stage.captain, asked.message_id, "Explode")
