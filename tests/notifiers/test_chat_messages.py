"""Messages by the bots, to platforms that are whole: the fakes of Discord and Slack."""

import json
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.discord_app.buttons import pressed
from bot.slack_app.manifest import SCOPES
from notifiers.channel import NotSent
from notifiers.discord_message import DiscordMessages
from notifiers.slack_message import SlackMessages
from simulator.fakes.fake_discord import FakeDiscord
from simulator.fakes.fake_slack import FakeSlack
from tests.notifiers.messages import CHOICES, ESCALATION, HOSTILE, message

pytestmark = pytest.mark.asyncio
SPEC = Path(__file__).parents[2].parent / "shared" / "specs" / "discord" / "openapi.json"


@asynccontextmanager
async def discord(*, channel=False, refused=False):
    """A Discord that holds every request against its own description, and our channel to it."""
    fake = FakeDiscord(spec=SPEC if SPEC.exists() else None)
    await fake.start()
    place = fake.add_channel("ops") if channel else None
    ours = DiscordMessages(fake.api_url, token=fake.token, channel=place)
    try:
        yield fake, ours, place
    finally:
        await ours.close()
        await fake.close()
    assert refused or fake.problems() == ()


@asynccontextmanager
async def slack(*, channel=False, scopes=SCOPES):
    """A Slack that grants what our manifest asks for, and our channel to it."""
    fake = FakeSlack(bot_scopes=scopes)
    await fake.start()
    place = fake.add_channel("ops") if channel else None
    ours = SlackMessages(fake.api_url, token=fake.bot_token, channel=place)
    try:
        yield fake, ours, place
    finally:
        await ours.close()
        await fake.close()


async def test_discord_writes_to_a_person_with_buttons_that_give_whole_commands():
    async with discord() as (fake, ours, _):
        ana = fake.add_person("ana")
        await ours.send(message(ana))
        screen = fake.direct(ana)[0]
        assert "Restart the database?" in screen.text
        assert "In 10 minutes it is held." in screen.text
        labels = [button.label for button in screen.buttons]
        assert labels == [*(choice.label for choice in CHOICES), "Snooze 30 min"]
        rows = fake.world.messages[screen.message_id].components
        pressable = [one for row in rows for one in row["components"]]
        assert [pressed(one["custom_id"], lambda _: None).line for one in pressable] == [
            f"ack {ESCALATION}", "approve d_0123456789abcdef", "deny d_0123456789abcdef",
            f"pass {ESCALATION}", "kill-autonomous", f"snooze {ESCALATION} for 30m",
        ]  # fmt: skip


async def test_discord_posts_a_second_try_once_and_finds_the_first():
    async with discord() as (fake, ours, _):
        ana = fake.add_person("ana")
        assert await ours.reconcile(message(ana)) is None
        first = await ours.send(message(ana))
        assert await ours.send(message(ana, attempt=2)) == first
        assert len(fake.direct(ana)) == 1
        assert await ours.reconcile(message(ana)) == first
        assert await ours.reconcile(message(ana, notification_id=f"{ESCALATION}.4")) is None


async def test_discord_pings_nobody_whatever_an_agent_wrote():
    async with discord(channel=True) as (fake, ours, place):
        fake.add_person("ana")
        await ours.send(message(title=HOSTILE, lines=(HOSTILE,)))
        screen = fake.messages(place)[0]
        assert fake.pings(screen.message_id) == ()
        assert "@everyone" in screen.text


async def test_discord_tells_who_cannot_be_written_to():
    async with discord(refused=True) as (fake, ours, _):
        ana = fake.add_person("ana")
        fake.refuse_direct(ana)
        for address in (ana, "999999999999999999"):
            with pytest.raises(NotSent) as wrong:
                await ours.send(message(address))
            assert wrong.value.kind == "address"
        assert await ours.check("999999999999999999")


async def test_discord_checks_the_channel_it_posts_to():
    async with discord(channel=True, refused=True) as (fake, ours, _):
        assert await ours.check("") == ""
        lost = DiscordMessages(fake.api_url, token=fake.token, channel="424242")
        assert "Unknown Channel" in await lost.check("")
        await lost.close()


async def test_slack_writes_to_a_person_with_buttons_that_give_whole_commands():
    async with slack() as (fake, ours, _):
        ana = fake.add_person("ana")
        sent = await ours.send(message(ana))
        screen = fake.direct(ana)[0]
        assert "Restart the database?" in screen.text
        assert [button.label for button in screen.buttons] == [choice.label for choice in CHOICES]
        stored = fake.workspace.posts[sent.ref.partition("/")[2]]
        buttons = [
            each for block in stored.blocks for each in block.get("elements", []) if each["type"] == "button"
        ]
        assert buttons[0]["value"] == f"ack {ESCALATION}"
        assert [each["action_id"].split(":")[0] for each in buttons] == [
            "wk_press", "wk_press", "wk_ask", "wk_press", "wk_press",
        ]  # fmt: skip
        assert fake.problems() == ()


async def test_slack_finds_an_earlier_try_by_its_metadata():
    async with slack() as (fake, ours, _):
        ana = fake.add_person("ana")
        mine = message(ana, sent_us=int(fake.workspace.clock() * 1e6))
        assert await ours.reconcile(mine) is None
        sent = await ours.send(mine)
        assert await ours.reconcile(mine) == sent
        other = message(ana, sent_us=mine.sent_us, notification_id=f"{ESCALATION}.4")
        assert await ours.reconcile(other) is None


async def test_slack_reads_no_markup_in_what_an_agent_wrote():
    async with slack(channel=True) as (fake, ours, place):
        await ours.send(message(title=HOSTILE, lines=(HOSTILE,)))
        stored = next(post for post in fake.workspace.posts.values() if post.channel == place)
        assert "<!channel>" not in stored.text
        marked = [block for block in stored.blocks if block.get("text", {}).get("type") == "mrkdwn"]
        assert "evil" not in json.dumps(marked)
        assert fake.problems() == ()


async def test_slack_tells_who_cannot_be_written_to_and_what_is_missing():
    async with slack() as (_, ours, _):
        with pytest.raises(NotSent) as wrong:
            await ours.send(message("U0NOBODY"))
        assert wrong.value.kind == "address"
        assert "not_found" in await ours.check("U0NOBODY")
    async with slack(channel=True, scopes=["im:write"]) as (_, ours, _):
        with pytest.raises(NotSent) as wrong:
            await ours.send(message())
        assert wrong.value.kind == "setup"
        assert "missing_scope" in str(wrong.value)


async def test_slack_waits_when_it_is_asked_to():
    async with slack(channel=True) as (fake, ours, _):
        fake.limit(calls=1, retry_after_s=3)
        with pytest.raises(NotSent) as busy:
            await ours.send(message())
        assert (busy.value.kind, busy.value.retry_s) == ("busy", 3.0)
