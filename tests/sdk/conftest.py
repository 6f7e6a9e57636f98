"""What the tests of the SDK share: the live engine and the API on a real socket, and who asks there."""

from __future__ import annotations

import threading

import httpx
import pytest

from tests.http.conftest import place  # noqa: F401 - the fixture, here too
from tests.patience import PATIENCE_S


class Person:
    """Somebody who answers over the same API."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.http = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False)

    def say(self, path: str, **body: object) -> None:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text

    def held(self) -> str:
        """Wait until something is held, and return its decision."""
        while True:
            holds = self.http.get("/v1/holds").json()["holds"]
            if holds:
                return holds[0]["decision_id"]
            threading.Event().wait(0.05)

    def outcome(self, decision_id: str) -> object:
        return self.http.get(f"/v1/decisions/{decision_id}").json()["outcome"]


@pytest.fixture
def service(place, monkeypatch):  # noqa: F811 - the fixture above
    """The service, with an agent's token in the environment as its programs find it."""
    monkeypatch.setenv("WATCHKEEPER_TOKEN", place.token["coder-1"])
    with place.served() as url:
        monkeypatch.setenv("WATCHKEEPER_URL", url)
        yield url


@pytest.fixture
def captain(place, service):  # noqa: F811 - the fixture above
    person = Person(service, place.bearer("cat"))
    yield person
    person.http.close()
