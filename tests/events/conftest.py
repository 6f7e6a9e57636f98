"""A front with events.yaml of its own, over the real engine."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from typing import Any

import pytest

from bot.http_api.events import Events
from engine.adapters.events_seen import EventsSeen
from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.facts import decode
from engine.runtime.client import EngineClient
from engine.settings.events import EventsFile
from tests.http.conftest import place  # noqa: F401 - the fixture, here too
from tests.http.waking import ladders

SECRET = "a-secret-of-some-length"
FILE = {
    "sources": {
        "ci": {"scheme": "github", "id_header": "X-GitHub-Delivery", "trust": "trusted"},
        "shop": {"scheme": "hmac", "header": "X-Sign", "id": "/id"},
        "cloud": {"scheme": "bearer", "trust": "trusted"},
    },
    "rules": [
        {
            "name": "failed",
            "source": "ci",
            "type": "deployment_status",
            "where": {"/state": ["failure", "error"]},
            "page": {"severity": "critical", "summary": "{/repo} failed", "about": "{/repo}"},
            "propose": {
                "action": "cache.clear",
                "capability": "heal@1",
                "args": {"service": {"at": "/repo"}},
                "confidence": 0.9,
            },
        },
        {"name": "mended", "source": "ci", "where": {"/state": "success"}, "resolves": "failed"},
        {
            "name": "sales",
            "source": "shop",
            "measure": {"series": "shop/errors", "value": {"at": "/errors"}},
        },
        {
            "name": "clear",
            "source": "shop",
            "where": {"/kind": "clear"},
            "propose": {
                "action": "cache.clear",
                "capability": "heal@1",
                "args": {"service": {"at": "/service"}},
                "confidence": 0.9,
            },
        },
        {
            "name": "any-cloud",
            "source": "cloud",
            "type": "com.example.*",
            "page": {"summary": "{/type} of {/source}: {/data/what}"},
        },
    ],
    "queries": {},
}


class Outside:
    """Systems outside that send what they have."""

    def __init__(self, at: Any, client: Any, live: Any = None) -> None:
        self.place, self.client, self.live = at, client, live

    async def send(self, source: str, body: Any, *, secret: str = SECRET, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        mac = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
        proof = {
            "ci": {"X-Hub-Signature-256": f"sha256={mac}"},
            "shop": {"X-Sign": mac},
        }.get(source, {"Authorization": f"Bearer {secret}"})
        given = {"Content-Type": "application/json"} | proof
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(f"/v1/events/{source}", content=content, headers=given)

    def facts(self, kind: type) -> list[Any]:
        with SqliteReader(self.place.layout.journal) as journal:
            found = [decode(record.body) for record in journal.read(after=0)]
        return [fact for fact in found if isinstance(fact, kind)]


@pytest.fixture
def outside(place):  # noqa: F811 - the fixture above
    """Systems outside, while engine and front run."""

    @contextlib.asynccontextmanager
    async def run(**more: Any):
        file = EventsFile.model_validate(FILE | more)
        events = Events(
            file,
            lambda _source: [SECRET, "the-old-secret"],
            EngineClient(place.layout.socket),
            EventsSeen(place.layout.events),
        )
        async with place.engine(ladders=ladders()) as live, place.talking(incoming=events) as client:
            made = Outside(place, client, live)
            yield made
            await events.engine.close()

    return run
