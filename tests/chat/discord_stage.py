"""The bot on a fake Discord: the real client, desk, board and engine, and people who type and press."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import discord

from bot.discord_app.front import DiscordFront, Patience
from bot.discord_app.poster import DiscordPoster
from engine.adapters.message_file import MessageFile
from engine.commands.board import Board
from engine.commands.hearing import Hearing
from engine.core.vocabulary.ids import PersonId
from engine.settings.service import DiscordSection
from simulator.fakes.chat import Answer, Screen
from simulator.fakes.fake_discord import FakeDiscord
from tests.commands.desks import PEOPLE, Given, at_desk, desk_alone
from tests.patience import PATIENCE_S

SPEC = Path(__file__).resolve().parents[3] / "shared" / "specs" / "discord" / "openapi.json"
MANAGER = discord.Permissions(manage_guild=True, send_messages=True, view_channel=True).value
QUICK = Patience(quiet_s=0.2, deaf_s=0.4, pause_s=0.01, every_s=0.05, silent_s=2.0)
"""Times short enough for tests, in the order in which the real ones stand."""


class Spy:
    """Another front-end's channel: it keeps what it is told."""

    front = "slack"
    channel = "C1"

    def __init__(self) -> None:
        self.told: list[str] = []

    async def post(self, reply: Any, *, thread: str) -> str:
        self.told.append(reply.title)
        return str(len(self.told))

    async def edit(self, ref: str, reply: Any) -> bool:
        return True

    async def open_thread(self, ref: str, name: str) -> str:
        return ref


class Stage:
    """What a test works with."""

    def __init__(self, fake: FakeDiscord, given: Given, home: Path) -> None:
        self.fake, self.given, self.home = fake, given, home
        self.desk = given.desk
        self.room = fake.add_channel("ops")
        self.people: dict[str, str] = {"stranger": fake.add_person("stranger", permissions=MANAGER)}
        self.slack = Spy()
        self.bot: DiscordFront | None = None
        self.works: list[asyncio.Task[None]] = []
        self.expected = ""
        """What a test has Discord refuse on purpose."""
        links = self.desk.tools.links
        for person, role in PEOPLE.items():
            account = self.people[person] = fake.add_person(person, permissions=MANAGER)
            links.redeem(links.code(PersonId(person), role), front="discord", account_id=account, name=person)

    async def type(self, who: str, line: str, **options: Any) -> Answer:
        """Have somebody type a command in the channel."""
        return await self.fake.type(self.people[who], line, channel=self.room, **options)

    async def press(self, who: str, screen: Screen | str, label: str, **options: Any) -> Answer:
        """Have somebody press a button of a message."""
        message = screen if isinstance(screen, str) else screen.message_id
        return await self.fake.press(self.people[who], message, label, **options)

    def shown(self) -> tuple[Screen, ...]:
        """What stands in the channel."""
        return self.fake.messages(self.room)

    def is_ready(self) -> bool:
        """Whether the client of the moment is connected."""
        return self.bot is not None and self.bot.is_connected

    async def until(self, true: Callable[[], Any]) -> Any:
        """Wait until something holds, and return it."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := true()):
                await asyncio.sleep(0.005)
        return found

    async def card(self, text: str = "") -> Screen:
        """Wait for a message in the channel that says something, and return the newest."""
        found: list[Screen] = await self.until(lambda: [one for one in self.shown() if text in one.text])
        return found[-1]

    @contextlib.asynccontextmanager
    async def alone(self, *, channel: str = "") -> AsyncIterator[DiscordPoster]:
        """A poster of its own, beside the board, on the client that is there."""
        texts: dict[str, str] = {}

        def put_by(text: str) -> str:
            name = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
            texts[name] = text
            return name

        assert self.bot is not None
        yield DiscordPoster(channel or self.room, lambda: self.bot and self.bot._client, put_by)

    @contextlib.asynccontextmanager
    async def front(
        self, patience: Patience = QUICK, *, wait: bool = True, **changes: Any
    ) -> AsyncIterator[DiscordFront]:
        """The bot, running until the block ends. One after another is a restart."""
        tools = self.desk.tools
        values = {
            "server": self.fake.world.guild,
            "channel": self.room,
            "api": self.fake.api_url,
            "gateway": self.fake.gateway_url,
        }
        section = DiscordSection(**values | changes)
        messages = MessageFile(self.home / "messages.db")
        hearing = Hearing(tools.engine)
        front = DiscordFront(self.desk, section, token=self.fake.token, patience=patience)
        self.bot = front
        board = Board(tools, hearing, [*front.posters, self.slack], messages)
        front.attach(board)
        works = self.works = [asyncio.create_task(work) for work in (hearing.run(), board.run(), front.run())]
        try:
            if wait:
                await self.fake.bot_is_in(within_s=PATIENCE_S)
                await self.until(self.is_ready)
            yield front
        finally:
            hearing.close()
            for work in works:
                work.cancel()
            ended = await asyncio.gather(*works, return_exceptions=True)
            messages.close()
            for one in ended:
                if isinstance(one, Exception):
                    raise one


@contextlib.asynccontextmanager
async def on_stage(
    home: Path, *, fence: Any = None, bundled: dict[str, Path] | None = None, **options: Any
) -> AsyncIterator[Stage]:
    """A fake Discord and a desk; with a fence the engine is away. Nothing forbidden may be asked of it."""
    fake = FakeDiscord(spec=SPEC if SPEC.exists() else None, **options)
    await fake.start()
    before = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    try:
        async with at_desk(home) if fence is None else desk_alone(home, fence) as given:
            stage = Stage(fake, given, home)
            if bundled is not None:
                given.desk.tools.replays._bundled = bundled
            yield stage
            assert [one for one in fake.problems() if not stage.expected or stage.expected not in one] == []
    finally:
        discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before
        await fake.close()


@contextlib.asynccontextmanager
async def on_discord(home: Path, patience: Patience = QUICK, **options: Any) -> AsyncIterator[Stage]:
    """A stage with the bot on it."""
    async with on_stage(home, **options) as stage, stage.front(patience):
        yield stage
