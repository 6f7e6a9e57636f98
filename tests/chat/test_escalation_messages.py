"""Messages that wake people, on both platforms: real engine, pager and bot, and people who press buttons."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from engine.runtime.client import EngineClient
from engine.settings.channels import ChannelsFile
from notifiers.book import RosterBook
from notifiers.discord_message import DiscordMessages
from notifiers.making import close_channels
from notifiers.pager import Pager
from notifiers.slack_message import SlackMessages
from simulator.fakes.chat import Screen
from simulator.scenario.players import ChatPlayer
from simulator.scenario.script import read_step
from simulator.scenario.stage import Stage
from simulator.scenario.waking import StageWaking
from tests.patience import PATIENCE_S
from tests.scenarios.bots import DiscordBot, ManagedDiscord, SlackBot, slack

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]

NOTICED_S = 3.0
"""What both platforms wait for the bot to take notice."""
PLATFORMS = [
    pytest.param((ManagedDiscord, DiscordBot, "discord"), id="discord"),
    pytest.param((slack, SlackBot, "slack"), id="slack", marks=pytest.mark.unmeasured),
]
WANTS = "coder-1 wants cache.clear service=web confidence=0.5 as D1"
CLASS_A = "coder-1 wants database.query database=orders sql=VACUUM confidence=0.99 as D1"


class Talk:
    """What a test works with."""

    def __init__(self, fake: Any, stage: Stage, channel: str, accounts: dict[str, str]) -> None:
        self.fake, self.stage, self.channel, self.accounts = fake, stage, channel, accounts

    async def play(self, *lines: str) -> None:
        await self.stage.play([read_step(line) for line in lines])

    async def press(self, who: str, screen: Screen, label: str) -> tuple[Screen, ...]:
        answer = await self.fake.press(self.accounts[who], screen.message_id, label, settle_s=PATIENCE_S)
        assert answer.ack_s < NOTICED_S
        assert not answer.failed
        await self.play("board")
        return answer.screens

    async def woken(self, who: str) -> Screen:
        """The direct message that woke somebody."""
        return await until(lambda: self.waking(self.fake.direct(self.accounts[who])))

    async def posted(self) -> Screen:
        """The same for everybody in the channel."""
        return await until(lambda: self.waking(self.fake.messages(self.channel)))

    @staticmethod
    def waking(screens: tuple[Screen, ...]) -> Screen | None:
        return next((one for one in screens if "Next person" in labels(one)), None)

    def now(self, screen: Screen) -> Screen:
        """The message as it stands now."""
        everywhere = [
            *self.fake.messages(self.channel),
            *(one for account in self.accounts.values() for one in self.fake.direct(account)),
        ]
        return next(one for one in everywhere if one.message_id == screen.message_id)


def labels(screen: Screen) -> list[str]:
    return [button.label for button in screen.buttons if button.enabled]


async def until(true: Callable[[], Any]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while not (found := true()):
            await asyncio.sleep(0.01)
    return found


@contextlib.asynccontextmanager
async def talk(home, platform) -> AsyncIterator[Talk]:
    """A platform whose bot and pager work, and people who are woken there."""
    make_fake, make_bot, name = platform
    fake = make_fake()
    await fake.start()
    channel = fake.add_channel("captains")
    player = ChatPlayer(fake, channel)
    stage = Stage(home, player, bot=make_bot(fake, channel))
    rung = f"{{to: [bob, ray], by: {name}, post: {name}-channel, wait_s: 600}}"
    person = "{role: responder, zone: UTC}"
    waking = stage._waking = StageWaking(
        home,
        files={
            "people.yaml": f"people: {{bob: {person}, ray: {person}}}\n",
            "oncall.yaml": "schedules: {}\n",
            "ladders.yaml": f"ladders: {{chat: {{rungs: [{rung}], rounds: 1}}}}\notherwise: chat\n",
        },
        channels=ChannelsFile.model_validate({name: {"channel": None}}),
        links=stage._links.all,
    )
    if name == "discord":
        made = [DiscordMessages(fake.api_url, token=fake.token, channel=place) for place in (None, channel)]
    else:
        made = [SlackMessages(fake.api_url, token=fake.bot_token, channel=place) for place in (None, channel)]
    channels = {each.name: each for each in made}
    client = EngineClient(home / "engine.sock")
    async with stage.open():
        found = Talk(fake, stage, channel, player._accounts)
        await found.play("people bob responder, ray responder, vi viewer", "engine leaves")
        await found.play("engine comes back, waking people")
        pager = Pager(
            client,
            channels,
            RosterBook(waking.roster()),
            name="pager:1",
            now_us=lambda: time.time_ns() // 1000,
            link=lambda _escalation, _person: "",
        )
        work = asyncio.create_task(pager.run())
        try:
            yield found
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await close_channels(channels.values())
            await client.close()
    problems = fake.problems()
    await fake.close()
    assert not problems


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_whoever_is_woken_takes_it_with_a_button_and_its_message_says_so(tmp_path, platform):
    async with talk(tmp_path, platform) as here:
        await here.play(WANTS)
        message = await here.woken("bob")
        assert {"I have it", "Approve", "Deny", "Next person"} <= set(labels(message))
        await here.press("bob", message, "I have it")
        shown = here.now(message)
        assert "bob has it" in shown.text
        assert "I have it" not in labels(shown)
        assert "Take it over" in labels(shown)
        # The other one is told.
        await until(lambda: any("bob has it" in one.text for one in here.fake.direct(here.accounts["ray"])))


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_who_presses_later_reads_who_has_it_and_may_take_it_over(tmp_path, platform):
    async with talk(tmp_path, platform) as here:
        await here.play(WANTS)
        first, later = await here.woken("bob"), await here.woken("ray")
        await here.press("bob", first, "I have it")
        await here.press("ray", later, "I have it")
        assert "bob has it" in here.now(later).text
        await here.press("ray", here.now(later), "Take it over")
        assert "ray has it" in here.now(later).text


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_in_the_channel_a_refusal_is_read_by_one_and_the_holder_by_all(tmp_path, platform):
    async with talk(tmp_path, platform) as here:
        await here.play(WANTS)
        message = await here.posted()
        (refused,) = await here.press("vi", message, "I have it")
        assert refused.private
        assert "takes a responder" in refused.text
        assert labels(here.now(message)) == labels(message)
        await here.press("bob", message, "I have it")
        assert "bob has it" in here.now(message).text


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_button_of_what_is_over_says_so_and_leaves_none(tmp_path, platform):
    async with talk(tmp_path, platform) as here:
        await here.play(WANTS)
        message, other = await here.woken("bob"), await here.woken("ray")
        await here.press("ray", other, "Approve")
        await here.press("bob", message, "Next person")
        shown = here.now(message)
        assert "It is over already" in shown.text
        assert labels(shown) == []


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_what_takes_a_code_is_not_offered_to_a_plain_press_and_can_be_snoozed(tmp_path, platform):
    async with talk(tmp_path, platform) as here:
        await here.play(CLASS_A)
        message = await here.woken("bob")
        assert "Approve" not in labels(message)
        await here.press("bob", message, "Snooze 30 min")
        assert "bob has it, and is reminded" in here.now(message).text
