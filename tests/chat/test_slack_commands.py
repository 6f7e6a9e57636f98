"""What people say in Slack: slash commands, mentions and direct messages reach the desk and are answered."""

import pytest

from bot.slack_app.manifest import slash_of
from bot.slack_app.places import Place
from engine.commands.catalogue import LANGUAGE
from engine.commands.model import Reply
from tests.chat.slack_world import slack

pytestmark = pytest.mark.asyncio

SAID = {
    "kill-autonomous": "agent:coder-9 it loops",
    "resume-autonomous": "all it is well",
    "captain-override": "{held} veto no",
    "approve": "{held} fine",
    "deny": "{held} not now",
    "vote": "{held} for fine",
    "ack": "{held}",
    "undo": "{held}",
    "explain": "{held}",
    "canary promote": "heal@2 looks good",
    "canary pause": "heal look first",
    "canary resume": "heal",
    "canary abort": "heal it is wrong",
    "canary history": "heal",
    "shadow report": "heal",
    "replay start": "nothing",
    "replay cancel": "r-1",
    "replay report": "r-1",
    "restore": "latest",
}


async def test_every_command_is_registered_acknowledged_in_time_and_answered(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        for kind in LANGUAGE.listed():
            word, _, more = kind.words.partition(" ")
            if word == "unlink":
                continue
            said = f"{more} {SAID.get(kind.words, '')}".strip().format(held=held)
            answer = await world.say("cat", f"{slash_of(word)} {said}".strip())
            assert answer.failed == "", kind.words
            assert answer.ack_s < 1.0, kind.words
            assert answer.text or answer.modal, kind.words


async def test_a_stop_is_durable_when_it_is_answered(tmp_path):
    async with slack(tmp_path) as world:
        answer = await world.say("ray", "/kill-autonomous agent:coder-1 it loops")
        assert "Stopped: agent:coder-1" in answer.text
        assert [str(stop.scope) for stop in world.engine.fence.stops()] == ["agent:coder-1"]


async def test_a_stop_needs_no_call_of_slacks_api(tmp_path):
    async with slack(tmp_path) as world:
        world.fake.fail(calls=50, status=500)
        await world.say("ray", "/kill-autonomous", settle_s=0.5)
        assert [str(stop.scope) for stop in world.engine.fence.stops()] == ["all"]
        world.fake.fail(calls=0, status=500)


@pytest.mark.parametrize(
    "line", ["/wk whoami", "/wk /whoami", "@watchkeeper whoami", "hey @watchkeeper whoami"]
)
async def test_a_command_can_be_said_in_many_ways(tmp_path, line):
    async with slack(tmp_path) as world:
        assert "You are cat" in (await world.say("cat", line)).text


async def test_a_name_that_slack_keeps_for_itself_has_another(tmp_path):
    async with slack(tmp_path) as world:
        assert "Autonomy is on" in (await world.say("vic", "/wk-status")).text


async def test_the_fallback_alone_shows_what_can_be_said(tmp_path):
    async with slack(tmp_path) as world:
        assert "What you can say" in (await world.say("vic", "/wk")).text


async def test_a_direct_message_is_a_command(tmp_path):
    async with slack(tmp_path) as world:
        answer = await world.say("ray", "kill-autonomous it loops", channel=world.direct("ray"))
        assert "Stopped: all" in answer.text
        assert "it loops" in world.fake.direct(world.people["ray"])[-1].text


async def test_a_mention_in_a_thread_is_answered_there(tmp_path):
    async with slack(tmp_path) as world:
        root = (await world.say("vic", "/kill-autonomous")).screens
        held = await world.held()
        card = await world.sees(held)
        await world.say("ray", f"@watchkeeper ack {held}", thread=card.message_id)
        await world.told("ray", "ray has it")
        assert root


async def test_signs_that_slack_writes_differently_reach_the_desk_as_they_were_typed(tmp_path):
    async with slack(tmp_path) as world:
        await world.say("ray", "@watchkeeper kill-autonomous agent:a a<b & c>d")
        assert world.engine.fence.stops()[0].reason == "a<b & c>d"


async def test_what_only_concerns_whoever_asked_is_seen_by_nobody_else(tmp_path):
    async with slack(tmp_path) as world:
        before = len(world.channel())
        answer = await world.say("cat", "/whoami")
        assert [screen.private for screen in answer.screens] == [True]
        assert len(world.channel()) == before


async def test_what_concerns_everybody_is_seen_by_everybody(tmp_path):
    async with slack(tmp_path) as world:
        await world.say("ray", "/kill-autonomous agent:coder-1")
        assert await world.sees("stopped")


async def test_a_stranger_is_told_how_to_get_in_and_gets_in(tmp_path):
    async with slack(tmp_path) as world:
        answer = await world.say("nobody", "/whoami")
        assert "nobody is linked" in answer.text.casefold()
        assert "watchkeeper link code" in answer.text
        code = world.desk.tools.links.code("nell", "responder")
        assert "You are nell here" in (await world.say("nobody", f"/link {code}")).text
        assert "You are nell" in (await world.say("nobody", "/whoami")).text


async def test_a_role_that_is_too_low_is_named_with_the_one_it_takes(tmp_path):
    async with slack(tmp_path) as world:
        answer = await world.say("vic", "/kill-autonomous")
        assert "takes a responder" in answer.text
        assert answer.screens[0].private
        assert not world.engine.fence.stops()


async def test_a_command_works_where_the_bot_is_no_member(tmp_path):
    async with slack(tmp_path) as world:
        elsewhere = world.fake.add_channel("elsewhere", with_bot=False)
        assert "You are cat" in (await world.say("cat", "/whoami", channel=elsewhere)).text
        assert "Stopped" in (await world.say("cat", "/kill-autonomous", channel=elsewhere)).text


@pytest.mark.parametrize("private", [True, False])
async def test_an_answer_that_comes_too_late_for_its_address_is_posted(tmp_path, private):
    async with slack(tmp_path) as world:
        place = Place(
            channel=world.captains, user=world.people["cat"], response_url="http://127.0.0.1:9/x", since_s=0.0
        )
        await world.front._answers.give(place, Reply(title="At last", private=private))
        seen = world.fake.private(world.people["cat"]) if private else world.channel()
        assert "At last" in seen[-1].text


async def test_what_other_bots_say_is_no_command(tmp_path):
    async with slack(tmp_path) as world:
        body = {"event_id": "Ev1", "event": {"type": "app_mention"}}
        event = {
            "bot_id": "B9",
            "user": world.people["cat"],
            "text": "<@U0> whoami",
            "channel": world.captains,
        }
        await world.front._listeners._mention(event, body)
        assert world.journaled() == []
