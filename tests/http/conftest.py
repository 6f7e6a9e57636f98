"""What the tests of the API share: an engine to talk to, tokens, and the application in front of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bot.http_api.app import make_app
from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.token_file import TokenFile
from tests.http.standin import FolderFence, StandIn


@dataclass
class Place:
    """One state folder with everything the API needs."""

    home: Path
    engine: Any
    tokens: TokenFile
    fence: FolderFence
    journal: Current[DecisionsView]
    looking: Current[DecisionsView]
    swept: list[str] = field(default_factory=list)
    token: dict[str, str] = field(default_factory=dict)

    def sweep(self) -> None:
        self.fence.order.append("sweep")

    def app(self, **values: Any) -> FastAPI:
        given: dict[str, Any] = {
            "engine": self.engine,
            "journal": self.journal,
            "looking": self.looking,
            "task_of": getattr(self.engine, "task_of", lambda effect: None),
            "tokens": self.tokens,
            "fence": self.fence,
            "sweep": self.sweep,
            "version": "1.2.3",
            "most_body_bytes": 4096,
            "requests_per_s": 10_000,
        }
        return make_app(**given | values)

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token[who]}"}


@pytest.fixture
def place(tmp_path):
    """A state folder with a stand-in engine, and tokens for everybody."""
    engine = StandIn(tmp_path / "journal.db")
    tokens = TokenFile(tmp_path / "tokens.json")
    made = Place(
        home=tmp_path,
        engine=engine,
        tokens=tokens,
        fence=FolderFence(tmp_path / "stops"),
        journal=Current(tmp_path / "journal.db", DecisionsView),
        looking=Current(tmp_path / "journal.db", DecisionsView),
    )
    for agent, patterns in (("coder-1", ("heal", "edit@*")), ("coder-2", ("*",))):
        made.token[agent] = tokens.create(kind="agent", name=agent, capabilities=patterns)[1]
    for person, role in (("vic", "viewer"), ("ray", "responder"), ("cat", "captain")):
        made.token[person] = tokens.create(kind="person", name=person, role=role)[1]
    yield made
    made.journal.close()
    made.looking.close()
    engine.close()


@asynccontextmanager
async def talking(app: FastAPI, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in this process, while the application runs."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            await asyncio.sleep(0)
            yield client
