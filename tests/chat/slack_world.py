"""A whole Slack with our bot in it: the fake platform, the real client, desk, board and a live engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bot.slack_app.front import SlackFront
from bot.slack_app.manifest import EVENTS_PATH, make_manifest
from engine.adapters.message_file import MessageFile
from engine.commands.board import Board
from engine.commands.desk import Desk
from engine.commands.hearing import Hearing
from engine.commands.model import Reply
from engine.core.vocabulary.facts import CommandGiven, decode
from engine.core.vocabulary.ids import decision_id
from engine.settings.service import SlackSection
from simulator.fakes.chat import Answer, Screen
from simulator.fakes.fake_slack import FakeSlack
from tests.commands.desks import tools_on
from tests.live.engines import Engine, engine
from tests.patience import PATIENCE_S

ROLES = {"vic": "viewer", "ray": "responder", "cat": "captain", "cleo": "captain"}
NEVER_S = 3600.0


class Aside:
    """Another front-end's channel, that remembers what the board posts there."""

    front = "discord"
    channel = "aside"

    def __init__(self) -> None:
        self.posted: list[Reply] = []
        self.came = asyncio.Event()

    async def post(self, reply: Reply, *, thread: str) -> str:
        self.posted.append(reply)
        self.came.set()
        return str(len(self.posted))

    async def edit(self, ref: str, reply: Reply) -> bool:
        return True

    async def open_thread(self, ref: str, name: str) -> str:
        return ref

    async def hears(self, title: str) -> Reply:
        """Wait until something of this title was said."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for reply in self.posted:
                    if title in reply.title:
                        return reply
                self.came.clear()
                await self.came.wait()


class World:
    """Everything a test touches."""

    def __init__(self, fake: FakeSlack, running: Engine, home: Path, mode: str) -> None:
        self.fake, self.engine, self.home, self.mode = fake, running, home, mode
        self.people: dict[str, str] = {}
        self.captains = fake.add_channel("captains")
        self.aside = Aside()
        self.front: SlackFront
        self.desk: Desk
        self.board: Board
        self._work: list[asyncio.Task[Any]] = []
        self._close: list[Any] = []

    async def start(self, **given: Any) -> None:
        """Start the bot, anew after `stop`: everything it knew in memory is gone."""
        tools, close = tools_on(self.home, self.engine.client, self.engine.fence, lasting=True)
        for name, role in ROLES.items():
            if name not in self.people:
                self.people[name] = self.fake.add_person(name)
            if tools.links.who("slack", self.people[name]) is None:
                tools.links.redeem(
                    tools.links.code(name, role), front="slack", account_id=self.people[name], name=name
                )
        self.people.setdefault("nobody", self.fake.add_person("nobody"))
        self.desk = Desk(tools)
        messages = MessageFile(self.home / "messages.db")
        section = SlackSection(
            channel=self.captains, mode=self.mode, listen="127.0.0.1:0", api=self.fake.api_url
        )
        times = {"quiet_s": NEVER_S, "ping_s": 10.0, "every_s": 0.02} | given
        self.front = SlackFront(
            self.desk,
            section,
            bot_token=self.fake.bot_token,
            app_token=self.fake.app_token,
            signing_secret=self.fake.signing_secret,
            **times,
        )
        hearing = Hearing(self.engine.client)
        self.board = Board(self.desk.tools, hearing, [*self.front.posters, self.aside], messages)
        self.front.attach(self.board)
        self._close = [*close, messages]
        self._work = [asyncio.create_task(run) for run in (hearing.run(), self.board.run(), self.front.run())]
        if self.mode == "http":
            await self._reachable()
        await self.fake.bot_is_in()

    async def _reachable(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.front.line.port:
                await asyncio.sleep(0.005)
        await self.fake.use_request_url(f"http://127.0.0.1:{self.front.line.port}{EVENTS_PATH}")

    async def stop(self) -> None:
        """End the bot."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self.desk.close()
        for each in self._close:
            each.close()
        self._work, self._close = [], []

    # ------------------------------------------------------------ people

    async def say(self, who: str, line: str, *, channel: str = "", **given: Any) -> Answer:
        """Have somebody type something, in the captains' channel unless another is named."""
        return await self.fake.type(self.people[who], line, channel=channel or self.captains, **given)

    async def press(self, who: str, screen: Screen, label: str) -> Answer:
        """Have somebody press a button."""
        return await self.fake.press(self.people[who], screen.message_id, label)

    def direct(self, who: str) -> str:
        """Return the channel of direct messages with somebody."""
        return self.fake.direct_channel(self.people[who])

    def channel(self) -> tuple[Screen, ...]:
        """Return what stands in the captains' channel."""
        return self.fake.messages(self.captains)

    async def sees(self, words: str, *, thread_of: str = "") -> Screen:
        """Wait until the channel, or a thread, shows some words."""
        found: list[Screen] = []

        def there() -> bool:
            screens = self.fake.thread(thread_of) if thread_of else self.channel()
            found[:] = [screen for screen in screens if words in screen.text]
            return bool(found)

        await self.fake.until(there, what=f"{words!r} did not appear", within_s=PATIENCE_S)
        return found[-1]

    async def told(self, who: str, words: str) -> Screen:
        """Wait until somebody is told some words in private."""
        found: list[Screen] = []

        def there() -> bool:
            found[:] = [screen for screen in self.fake.private(self.people[who]) if words in screen.text]
            return bool(found)

        await self.fake.until(there, what=f"{words!r} was not said to {who}", within_s=PATIENCE_S)
        return found[-1]

    # ------------------------------------------------------------ the engine

    async def held(self, number: int = 1, **values: Any) -> str:
        """Have an agent propose something that waits for people; returns the decision's id."""
        given = {"action": "service.restart", "confidence": 0.05} | values
        decided = await self.engine.propose(number, **given)
        assert decided.verdict.word == "hold", decided.verdict
        return str(decision_id(f"p-{number}"))

    def engine_id(self, number: int) -> str:
        """Return the decision on a proposal."""
        return str(decision_id(f"p-{number}"))

    def journaled(self) -> list[CommandGiven]:
        """Return every command the journal holds."""
        facts = [decode(record.body) for record in self.desk.tools.journal().read(after=0)]
        return [fact for fact in facts if isinstance(fact, CommandGiven)]


@contextlib.asynccontextmanager
async def slack(
    home: Path, *, mode: str = "socket", fake: dict[str, Any] | None = None, running: Any = None, **given: Any
) -> AsyncIterator[World]:
    """Make a world. Whatever a test did in it, the bot has kept Slack's rules."""
    manifest = make_manifest(request_url="https://watch.example/slack/events" if mode == "http" else "")
    platform = FakeSlack(manifest=manifest, **{"quiet_s": 0.03, "burst": 1000, **(fake or {})})
    await platform.start()
    try:
        async with engine(home, running) as live:
            world = World(platform, live, home, mode)
            try:
                await world.start(**given)
                yield world
            finally:
                await world.stop()
    finally:
        await platform.close()
    assert platform.problems() == ()
