"""The heartbeat beats while the engine answers, says so when it does not, and beats again after that."""

import asyncio
import contextlib
import logging

import pytest

from engine.errors import InputError
from engine.runtime import wire
from engine.runtime.client import EngineClient
from notifiers.heartbeat import read_heartbeat_url, run
from simulator.fakes.fake_provider import FakeProvider, Reply, drop
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
PATH = "/3b6e8f0a-secret"


@contextlib.asynccontextmanager
async def beating(place, provider, **changes):
    """A heartbeat for the engine at the socket of a place."""
    client = EngineClient(place.layout.socket)

    async def ask():
        await client.get(wire.EngineStatus, wire.GetStatus(), timeout_s=0.5)

    given = {"every_s": 0.05, "pause_s": 0.02} | changes
    work = asyncio.create_task(run(ask, provider.url + PATH, **given))
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await client.close()


async def heard(provider, path, *, more_than=0):
    async with asyncio.timeout(PATIENCE_S):
        while len(provider.asked(path)) <= more_than:
            await asyncio.sleep(0.01)


async def test_it_beats_only_while_the_engine_answers(place):
    async with FakeProvider(lambda _: Reply()) as provider, beating(place, provider):
        async with place.engine():
            await heard(provider, PATH, more_than=2)
            assert provider.asked(f"{PATH}/fail") == []
        await heard(provider, f"{PATH}/fail")
        before = len(provider.asked(PATH))
        await heard(provider, f"{PATH}/fail", more_than=3)
        assert len(provider.asked(PATH)) == before
        async with place.engine():
            await heard(provider, PATH, more_than=before)


async def test_a_service_that_takes_silence_for_an_answer_is_told_nothing(place):
    async with FakeProvider(lambda _: Reply()) as provider, beating(place, provider, tells_failure=False):
        await asyncio.sleep(0.5)
        assert provider.requests == []
        async with place.engine():
            await heard(provider, PATH)


async def test_one_question_without_an_answer_is_no_failure(place):
    asked = []

    async def ask():
        asked.append(1)
        if len(asked) % 2:
            raise InputError("busy")

    async with FakeProvider(lambda _: Reply()) as provider:
        work = asyncio.create_task(run(ask, provider.url + PATH, 0.02, pause_s=0.01))
        await heard(provider, PATH, more_than=3)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert provider.asked(f"{PATH}/fail") == []


async def test_what_was_not_heard_is_said_again_and_its_secret_is_in_no_log(place, caplog):
    async with place.engine(), FakeProvider(lambda _: Reply()) as provider:
        provider.faults += [drop, Reply(status=500, body=PATH.encode()), Reply(status=404)]
        async with beating(place, provider):
            await heard(provider, PATH, more_than=4)
    warned = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warned) == 1, "one warning for one trouble"
    assert not any("3b6e8f0a" in each.getMessage() for each in caplog.records if each.name != "httpx")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not an address", "holds no address"),
        ("https://hc.example/a?b=c", "holds no address"),
        ("https://hc.example:x/a", "holds no address"),
        ("http://hc.example/a", "in the clear"),
        ("", "no token"),
    ],
)
async def test_an_address_that_is_none_is_refused(tmp_path, text, said):
    secret = tmp_path / "heartbeat-url"
    secret.write_text(text)
    secret.chmod(0o600)
    with pytest.raises(InputError, match=said):
        read_heartbeat_url(secret)


async def test_the_address_is_its_owners_alone(tmp_path):
    secret = tmp_path / "heartbeat-url"
    with pytest.raises(InputError, match="missing"):
        read_heartbeat_url(secret)
    secret.write_text("https://hc.example/uuid\n")
    secret.chmod(0o640)
    with pytest.raises(InputError, match="others may read"):
        read_heartbeat_url(secret)
    secret.chmod(0o600)
    assert read_heartbeat_url(secret) == "https://hc.example/uuid"
