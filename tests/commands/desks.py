"""A desk on a real engine in this process, with people of every role."""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.link_file import LinkFile
from engine.adapters.shelf import WorkspaceShelf
from engine.adapters.totp_file import TotpFile
from engine.commands.desk import Desk
from engine.commands.model import Account, Front, Reply
from engine.commands.tools import Tools
from engine.core.vocabulary.facts import CommandGiven, decode
from engine.runtime.client import EngineClient
from simulator.jobs import ReplayJobs
from tests.live.engines import Engine, engine

PEOPLE = {"vic": "viewer", "ray": "responder", "cat": "captain", "cleo": "captain"}
STRANGER = Account(front="discord", account_id="999", name="stranger")


class Given:
    """What a test of the desk works with."""

    def __init__(self, desk: Desk, engine: Engine | None) -> None:
        self.desk, self.engine = desk, engine
        self._keys = itertools.count(1)

    async def say(self, who: str, line: str, *, front: Front = "discord", key: str | None = None) -> Reply:
        """Have a person say something at a front-end, each time a new delivery unless a key is given."""
        account = Account(front=front, account_id=f"{front}-{who}", name=who)
        return await self.desk.give(line, account, key or f"k{next(self._keys)}")

    async def confirm(self, who: str, asked: Reply, **given: Any) -> Reply:
        """Press the first button of a question."""
        assert asked.outcome == "asks", asked
        return await self.say(who, asked.buttons[0].line, **given)

    def journaled(self) -> list[CommandGiven]:
        """Every command the journal holds."""
        facts = [decode(record.body) for record in self.desk.tools.journal().read(after=0)]
        return [fact for fact in facts if isinstance(fact, CommandGiven)]


def tools_on(
    home: Path, client: EngineClient, fence: Any, *, lasting: bool = False, **given: Any
) -> tuple[Tools, list[Any]]:
    """The means of a desk over a folder, and what to close after it."""
    journal = Current(home / "journal.db", DecisionsView)
    looking = Current(home / "journal.db", DecisionsView)
    links = LinkFile(home / "links.json")
    linked = [
        {"person": person, "role": role, "front": front, "account_id": f"{front}-{person}", "name": person}
        for person, role in PEOPLE.items()
        for front in ("discord", "slack")
    ]
    (home / "links.json").write_text(json.dumps({"links": linked}))
    replays = ReplayJobs(
        home / "asked",
        recordings=home / "recordings",
        bundled={},
        policy=Path("config/policies"),
        policies=home / "policies",
        lasting=lasting,
    )
    shelf = WorkspaceShelf(
        home / "snapshots", workspace=home / "workspace", home=home, inflight=home / "inflight"
    )
    parts = {
        "engine": client,
        "journal": journal,
        "looking": looking,
        "fence": fence,
        "sweep": lambda: None,
        "links": links,
        "step_up": TotpFile(home / "totp.json"),
        "replays": replays,
        "shelf": shelf,
        "version": "1.2.3",
    }
    return Tools(**parts | given), [journal, looking, replays]


@contextlib.asynccontextmanager
async def at_desk(home: Path, **given: Any) -> AsyncIterator[Given]:
    """A desk with its engine, both closed in the end."""
    async with engine(home) as running:
        tools, close = tools_on(home, running.client, running.fence, **given)
        desk = Desk(tools)
        try:
            yield Given(desk, running)
        finally:
            await desk.close()
            for each in close:
                each.close()


@contextlib.asynccontextmanager
async def desk_alone(home: Path, fence: Any, **given: Any) -> AsyncIterator[Given]:
    """A desk whose engine is not there."""
    client = EngineClient(home / "engine.sock", timeout_s=1.0)
    tools, close = tools_on(home, client, fence, **given)
    desk = Desk(tools)
    try:
        yield Given(desk, None)
    finally:
        await desk.close()
        await client.close()
        for each in close:
            each.close()
