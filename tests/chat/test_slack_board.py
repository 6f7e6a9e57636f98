"""The board in Slack: a decision is one message, edited in place, and made anew when it was lost."""

import pytest

from tests.chat.slack_world import slack

pytestmark = pytest.mark.asyncio


async def test_one_message_follows_a_decision_from_its_wait_to_its_end(tmp_path):
    async with slack(tmp_path) as world:
        card = await world.sees(await world.held())
        assert "waits for people" in card.text
        assert [button.label for button in card.buttons][:5] == [
            "Approve",
            "Change",
            "Deny",
            "Ask",
            "I have it",
        ]
        await world.press("ray", card, "Deny")
        form = (await world.press("ray", card, "Deny")).modal
        await world.fake.fill(world.people["ray"], form, {form.fields[0].label: "no"})
        after = await world.sees("was denied")
        assert after.message_id == card.message_id
        assert [button.label for button in after.buttons] == ["Explain"]
        assert len([each for each in world.channel() if "service.restart" in each.text]) == 1


async def test_a_message_says_in_its_metadata_which_decision_it_shows(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        card = await world.sees(held)
        metadata = world.fake.workspace.posts[card.message_id].metadata
        assert metadata == {"event_type": "wk_decision", "event_payload": {"decision": held}}


async def test_a_message_that_somebody_deleted_comes_back_while_it_is_open(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        card = await world.sees(held)
        await world.fake.delete(card.message_id)
        again = await world.sees(held)
        assert again.message_id != card.message_id


async def test_what_was_deleted_unheard_comes_back_when_it_changes(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        card = await world.sees(held)
        del world.fake.workspace.posts[card.message_id]
        world.fake.workspace.deleted.add(card.message_id)
        await world.say("ray", f"/ack {held}")
        assert "Has it\nray" in (await world.sees("waits for people")).text


async def test_an_episode_is_one_thread(tmp_path):
    async with slack(tmp_path) as world:
        first = await world.sees(await world.held(1, episode="e-1"))
        second = await world.held(2, episode="e-1")
        assert (await world.sees(second, thread_of=first.message_id)).thread == first.message_id
        other = await world.held(3, episode="e-2")
        assert (await world.sees(other)).thread is None


async def test_nothing_is_posted_twice_through_a_restart(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        await world.sees(held)
        await world.stop()
        await world.start()
        later = await world.held(2, episode="e-9")
        await world.sees(later)
        assert len([each for each in world.channel() if held in each.text]) == 1


async def test_what_happened_while_the_bot_was_away_is_shown_when_it_is_back(tmp_path):
    async with slack(tmp_path) as world:
        await world.sees(await world.held(1, episode="e-1"))
        await world.stop()
        missed = await world.held(2, episode="e-2")
        await world.start()
        assert await world.sees(missed)


async def test_a_stop_is_news_to_everybody(tmp_path):
    async with slack(tmp_path) as world:
        await world.say("ray", "/kill-autonomous agent:coder-1 it loops", channel=world.direct("ray"))
        await world.sees("ray stopped agent:coder-1: it loops")
