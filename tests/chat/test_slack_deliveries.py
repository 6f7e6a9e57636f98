"""What comes again, out of order, or from somebody else in Slack's name: each thing acts exactly once."""

import asyncio
import random

import pytest

from simulator.fakes.fake_slack import payloads
from tests.chat.slack_world import slack
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


def request_of(world, command: str):
    """Return the signed request that a slash command was."""
    return next(each for each in world.fake.http_mode.sent if f"command=%2F{command}".encode() in each.body)


def begun(world) -> list[str]:
    return sorted(fact.command for fact in world.journaled() if fact.outcome == "begun")


@pytest.mark.slow
async def test_a_thousand_deliveries_of_two_hundred_things_act_once_each(tmp_path):
    async with slack(tmp_path) as world:
        held = await world.held()
        card = await world.sees(held)
        message = world.fake.workspace.posts[card.message_id]
        things = []
        for number in range(100):
            account, hooks = world.people["ray"], world.fake._desk.hooks
            hook = hooks.new(kind="commands", channel=world.captains, account=account)
            command = payloads.slash_command(
                world.fake.workspace, account=account, channel=world.captains, command="/canary",
                text=f"pause heal because {number}", response_url=hooks.url(hook),
                trigger_id=world.fake._desk.modals.new_trigger(account),
            )  # fmt: skip
            things.append(("slash_commands", command))
            event = {
                "type": "app_mention", "user": account, "channel": world.captains, "ts": f"1.{number}",
                "text": f"<@{world.front._listeners.bot_user}> canary pause heal since {number}",
            }  # fmt: skip
            things.append(("events_api", payloads.event_callback(world.fake.workspace, event)))
        deliveries = things * 5
        random.Random(7).shuffle(deliveries)
        for start in range(0, len(deliveries), 50):
            told = await asyncio.gather(
                *(world.fake.socket_mode.deliver(kind, body) for kind, body in deliveries[start : start + 50])
            )
            assert not [each.failed for each in told if each.failed]
        await world.fake.until(lambda: len(begun(world)) >= 200, within_s=PATIENCE_S)
        wanted = [
            f"canary pause heal {word} {number}" for word in ("because", "since") for number in range(100)
        ]
        assert begun(world) == sorted(wanted)
        assert message.edits == 0


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_whatever_is_delivered_five_times_acts_and_is_answered_once(tmp_path, mode):
    async with slack(tmp_path, mode=mode) as world:
        held = await world.held()
        card = await world.sees(held)
        world.fake.redeliver(copies=5)
        await world.say("ray", "/canary pause heal look")
        await world.say("ray", "@watchkeeper canary resume heal look")
        await world.press("ray", card, "I have it")
        form = (await world.press("ray", card, "Deny")).modal
        await world.fake.fill(world.people["ray"], form, {form.fields[0].label: "no"})
        await world.told("ray", "Denied by ray")
        assert begun(world) == sorted(
            [f"ack {held}", "canary pause heal look", "canary resume heal look", f"deny {held} no"]
        )
        assert len([each for each in world.channel() if "heal is held back" in each.text]) == 1
        assert len([e for e in world.fake.private(world.people["ray"]) if "Denied by ray" in e.text]) == 1


async def test_slacks_own_retries_of_an_event_act_once(tmp_path):
    async with slack(tmp_path) as world:
        world.fake.redeliver(copies=3, as_retries=True)
        await world.say("ray", "@watchkeeper canary pause heal look")
        assert begun(world) == ["canary pause heal look"]


async def test_what_was_done_before_a_restart_is_not_done_again(tmp_path):
    async with slack(tmp_path) as world:
        await world.say("ray", "@watchkeeper canary pause heal look")
        envelope = [each for each in world.fake.socket_mode.envelopes if each["type"] == "events_api"]
        body = next(e["payload"] for e in envelope if e["payload"]["event"]["type"] == "app_mention")
        await world.stop()
        await world.start()
        await world.fake.news.again(body, attempt=1)
        await world.fake.until(
            lambda: any("done already" in each.text for each in world.fake.private(world.people["ray"]))
        )
        assert begun(world) == ["canary pause heal look"]


@pytest.mark.parametrize("how", ["forged", "stale", "truncated", "unsigned"])
async def test_a_request_that_slack_did_not_sign_so_is_refused(tmp_path, how):
    async with slack(tmp_path, mode="http") as world:
        await world.say("ray", "/kill-autonomous agent:a")
        stops = world.engine.fence.stops()
        account = world.people["ray"]
        command = payloads.slash_command(
            world.fake.workspace, account=account, channel=world.captains, command="/kill-autonomous",
            text="agent:b", response_url="http://127.0.0.1:9/x", trigger_id="1.2.3",
        )  # fmt: skip
        honest = world.fake.http_mode.request("slash_commands", command)
        status, _ = await world.fake.http_mode.send(world.fake.http_mode.spoil(honest, how))
        assert status == 401
        assert world.engine.fence.stops() == stops


async def test_a_signed_request_that_somebody_sends_again_is_not_acted_on(tmp_path):
    async with slack(tmp_path, mode="http") as world:
        await world.say("ray", "/kill-autonomous agent:a")
        await world.say("cat", "/wk resume-autonomous agent:a well")
        first = request_of(world, "kill-autonomous")
        world.engine.fence.clear(world.engine.fence.stops()[0].scope)
        assert await world.fake.http_mode.send(first) == (200, "")
        assert world.engine.fence.stops() == ()


async def test_a_signed_request_sent_again_after_a_restart_acts_once_all_the_same(tmp_path):
    async with slack(tmp_path, mode="http") as world:
        await world.say("ray", "/canary pause heal look")
        request = request_of(world, "canary")
        await world.stop()
        await world.start()
        status, _ = await world.fake.http_mode.send(request)
        await world.fake.until(
            lambda: any("done already" in each.text for each in world.fake.private(world.people["ray"]))
        )
        assert (status, begun(world)) == (200, ["canary pause heal look"])
