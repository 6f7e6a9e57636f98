"""Real bots on fake platforms, as a stage runs them beside its desk."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from bot.discord_app.front import DiscordFront, Patience
from bot.fronts import ChatFront
from bot.slack_app.front import SlackFront
from bot.slack_app.manifest import make_manifest
from engine.adapters.message_file import MessageFile
from engine.commands.board import Board
from engine.commands.desk import Desk
from engine.commands.hearing import Hearing
from engine.settings.service import DiscordSection, SlackSection
from simulator.fakes.fake_discord import FakeDiscord
from simulator.fakes.fake_slack import FakeSlack
from tests.chat.discord_stage import MANAGER
from tests.patience import PATIENCE_S

NEVER_S = 3600.0


class BotOnAPlatform:
    """A front-end with its board. What it knows in memory is gone with every restart."""

    def __init__(self) -> None:
        self._open = contextlib.AsyncExitStack()
        self._board: Board

    def front(self, desk: Desk) -> ChatFront:
        """Make the front-end anew."""
        raise NotImplementedError

    async def is_in(self) -> None:
        """Wait until the platform has it."""
        raise NotImplementedError

    async def start(self, desk: Desk, hearing: Hearing, home: Path) -> None:
        messages = MessageFile(home / "messages.db")
        self._open.callback(messages.close)
        front = self.front(desk)
        self._board = Board(desk.tools, hearing, front.posters, messages)
        front.attach(self._board)
        work = [asyncio.create_task(run) for run in (hearing.run(), self._board.run(), front.run())]
        self._open.push_async_callback(ended, work)
        await self.is_in()

    async def stop(self) -> None:
        await self._open.aclose()

    async def quiet(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self._board.is_quiet():
                await asyncio.sleep(0.01)


class SlackBot(BotOnAPlatform):
    def __init__(self, fake: FakeSlack, channel: str) -> None:
        super().__init__()
        self.fake, self.channel = fake, channel

    def front(self, desk: Desk) -> ChatFront:
        self.fake.people.is_busy = lambda: not desk.is_quiet()
        section = SlackSection(
            channel=self.channel, mode="socket", listen="127.0.0.1:0", api=self.fake.api_url
        )
        return SlackFront(
            desk, section, bot_token=self.fake.bot_token, app_token=self.fake.app_token, quiet_s=NEVER_S
        )

    async def is_in(self) -> None:
        await self.fake.bot_is_in()


class DiscordBot(BotOnAPlatform):
    def __init__(self, fake: FakeDiscord, channel: str) -> None:
        super().__init__()
        self.fake, self.channel = fake, channel
        self._front: DiscordFront

    def front(self, desk: Desk) -> ChatFront:
        section = DiscordSection(
            server=self.fake.world.guild,
            channel=self.channel,
            api=self.fake.api_url,
            gateway=self.fake.gateway_url,
        )
        self._front = DiscordFront(desk, section, token=self.fake.token, patience=Patience(quiet_s=NEVER_S))
        return self._front

    async def is_in(self) -> None:
        await self.fake.bot_is_in()
        async with asyncio.timeout(PATIENCE_S):
            while not self._front.is_connected:
                await asyncio.sleep(0.01)


class ManagedDiscord(FakeDiscord):
    """A fake Discord whose people all manage the server: Discord shows them every command."""

    def add_person(self, name: str, *, permissions: int = MANAGER) -> str:
        return super().add_person(name, permissions=permissions)


def slack() -> FakeSlack:
    """A fake Slack in which our app is installed."""
    return FakeSlack(manifest=make_manifest(), quiet_s=0.2)


async def ended(tasks: list["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
