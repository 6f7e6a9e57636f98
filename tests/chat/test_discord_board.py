"""The board's channel on Discord: one message for each decision, kept true until it is over."""

import pytest

from bot.discord_app.poster import DiscordPoster
from engine.commands.model import Button, Reply, Table
from engine.errors import Forbidden, Unreachable
from tests.chat.discord_stage import on_discord, on_stage

pytestmark = pytest.mark.asyncio


async def propose(stage, number=1, **values):
    return str((await stage.given.engine.propose(number, **{"confidence": 0.1} | values)).verdict.decision_id)


async def test_what_waits_is_posted_with_what_can_be_done_about_it(tmp_path):
    async with on_discord(tmp_path) as stage:
        card = await stage.card(await propose(stage))
        assert "cache.clear of coder-1 waits for people" in card.text
        assert [button.label for button in card.buttons] == [
            "Approve",
            "Change",
            "Deny",
            "Ask",
            "I have it",
            "Explain",
            "Veto",
        ]
        assert card.buttons[0].style == "good"


async def test_one_message_follows_a_decision_from_its_wait_to_its_end(tmp_path):
    async with on_discord(tmp_path) as stage:
        engine = stage.given.engine
        card = await stage.card(await propose(stage))
        await stage.press("ray", card, "Approve")
        await stage.until(lambda: "waits for a worker" in stage.shown()[0].text)
        engine.runner.go.clear()
        async with engine.working():
            await stage.until(lambda: "is under way" in stage.shown()[0].text)
            engine.runner.go.set()
            await stage.until(lambda: "is done" in stage.shown()[0].text)
        done = stage.shown()[0]
        assert done.message_id == card.message_id
        assert done.edits >= 3
        assert [button.label for button in done.buttons] == ["Explain", "Undo", "Useful", "Wrong", "Late"]


async def test_a_message_that_somebody_deleted_comes_back_while_it_waits(tmp_path):
    async with on_discord(tmp_path) as stage:
        decision = await propose(stage)
        card = await stage.card(decision)
        await stage.fake.delete(card.message_id)
        back = await stage.until(lambda: [one for one in stage.shown() if decision in one.text])
        assert back[0].message_id != card.message_id


async def test_a_message_deleted_while_the_bot_was_away_comes_back(tmp_path):
    async with on_stage(tmp_path) as stage:
        async with stage.front():
            decision = await propose(stage)
            card = await stage.card(decision)
        await stage.fake.delete(card.message_id)
        async with stage.front():
            # It is looked at again when something happens to it.
            await stage.given.say("ray", f"/ack {decision}")
            back = await stage.card("ray")
            assert back.message_id != card.message_id


async def test_what_belongs_to_one_episode_comes_into_one_thread(tmp_path):
    async with on_discord(tmp_path) as stage:
        first = await stage.card(await propose(stage, 1, episode="incident-7"))
        later = [await propose(stage, number, episode="incident-7") for number in (2, 3)]
        other = await propose(stage, 4, episode="incident-8")
        await stage.card(other)
        threaded = await stage.until(lambda: len(found := stage.fake.thread(first.message_id)) == 2 and found)
        assert [decision in screen.text for decision, screen in zip(later, threaded, strict=True)] == [
            True,
            True,
        ]
        assert stage.fake.world.channels[first.message_id].name == "incident-7"


async def test_a_thread_that_is_gone_keeps_nothing_from_being_posted(tmp_path):
    async with on_discord(tmp_path) as stage:
        first = await stage.card(await propose(stage, 1, episode="incident-7"))
        await propose(stage, 2, episode="incident-7")
        await stage.until(lambda: stage.fake.thread(first.message_id))
        del stage.fake.world.channels[first.message_id]
        decision = await propose(stage, 3, episode="incident-7")
        assert decision in (await stage.card(decision)).text


async def test_a_message_in_a_thread_that_was_archived_is_kept_true(tmp_path):
    async with on_discord(tmp_path) as stage:
        first = await stage.card(await propose(stage, 1, episode="incident-7"))
        second = await propose(stage, 2, episode="incident-7")
        await stage.until(lambda: stage.fake.thread(first.message_id))
        stage.fake.world.channels[first.message_id].archived = True
        await stage.type("ray", f"/approve {second}")
        await stage.until(lambda: "waits for a worker" in stage.fake.thread(first.message_id)[0].text)


async def test_everybody_hears_of_a_stop(tmp_path):
    async with on_discord(tmp_path) as stage:
        await stage.given.say("ray", "/kill-autonomous all it loops", front="slack")
        assert "ray stopped all: it loops" in (await stage.card("ray stopped")).text


async def test_what_discord_limits_or_fails_is_posted_all_the_same(tmp_path):
    async with on_discord(tmp_path) as stage:
        stage.fake.limit(calls=2, retry_after_s=0.02)
        await stage.card(await propose(stage, 1))
        stage.fake.fail(calls=1, status=503)
        await stage.card(await propose(stage, 2))


HOSTILE = (
    "**bold** @everyone <@1> [Approve](https://evil.example) `x` ||s|| https://evil.example \u202egnp ```"
)


async def test_what_an_agent_writes_neither_formats_nor_links_nor_pings(tmp_path):
    async with on_discord(tmp_path) as stage:
        decision = await propose(stage, rationale=HOSTILE, args={"service": HOSTILE})
        card = await stage.card(decision)
        assert stage.fake.pings(card.message_id) == ()
        assert "**bold**" in card.text
        assert "[Approve](https://evil.example)" in card.text
        assert "\u202e" not in card.text
        explained = await stage.press("vic", card, "Explain")
        assert stage.fake.pings(explained.screens[0].message_id) == ()


HUGE = Reply(
    title="t" * 5000,
    text="*" * 50_000,
    fields=tuple((f"name {number} " + "n" * 500, "v" * 5000) for number in range(60)),
    table=Table(columns=("a", "b"), rows=tuple((f"row {number}", "c" * 200) for number in range(500))),
    buttons=tuple(
        Button(label=f"button {number} " + "b" * 200, line=f"help {number} " + "x" * 200)
        for number in range(60)
    ),
    footer="f" * 9000,
)


async def test_a_huge_reply_is_cut_where_one_can_see_it_and_comes_whole_as_a_file(tmp_path):
    async with on_discord(tmp_path) as stage, stage.alone() as poster:
        await poster.post(HUGE, thread="")
        (screen,) = stage.shown()
        assert "letters more" in screen.text
        assert len(screen.buttons) == 25
        assert [one.name for one in screen.attachments] == ["all-of-it.txt"]
        assert screen.attachments[0].size_bytes > 100_000


async def test_a_channel_the_bot_may_not_write_in_is_an_error_with_its_cure(tmp_path):
    async with on_discord(tmp_path) as stage, stage.alone() as poster:
        stage.fake.lock(stage.room)
        stage.expected = "50013"
        with pytest.raises(Forbidden, match="Send Messages"):
            await poster.post(Reply(title="x"), thread="")


async def test_a_channel_that_is_not_there_is_an_error_with_its_cure(tmp_path):
    async with on_discord(tmp_path) as stage, stage.alone(channel="12345") as poster:
        with pytest.raises(Unreachable, match=r"compare the ids in watchkeeper\.yaml"):
            await poster.post(Reply(title="x"), thread="")


async def test_editing_a_message_that_is_gone_says_so(tmp_path):
    async with on_discord(tmp_path) as stage, stage.alone() as poster:
        ref = await poster.post(Reply(title="x"), thread="")
        assert await poster.edit(ref, Reply(title="y"))
        await stage.fake.delete(ref.partition("/")[2])
        assert not await poster.edit(ref, Reply(title="z"))


async def test_a_second_thread_under_a_message_is_the_first(tmp_path):
    async with on_discord(tmp_path) as stage, stage.alone() as poster:
        ref = await poster.post(Reply(title="x"), thread="")
        first = await poster.open_thread(ref, "a\nname")
        stage.expected = "160004"
        assert await poster.open_thread(ref, "another") == first


async def test_without_a_connection_nothing_is_posted():
    poster = DiscordPoster("1", lambda: None, str)
    with pytest.raises(Unreachable):
        await poster.post(Reply(title="x"), thread="")
