"""Names that nobody answers for: they hold up no other, and what was known of them is used."""

import asyncio
import socket
import threading

import pytest

from notifiers import host_addresses
from notifiers.channel import NotSent
from notifiers.host_addresses import HostAddresses
from notifiers.http_sending import HttpProvider
from simulator.fakes.fake_provider import FakeProvider, Reply

pytestmark = pytest.mark.asyncio


@pytest.fixture
def names(monkeypatch):
    """Name servers of the test's own: what they answer for a name, or how they fail."""
    real, answers, asked = socket.getaddrinfo, {}, []

    def getaddrinfo(host, port, *rest, **more):
        if host not in answers:
            return real(host, port, *rest, **more)
        asked.append(host)
        answer = answers[host]
        if isinstance(answer, threading.Event):
            answer.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no name server answered")
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in answer]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    answers["asked"] = asked
    yield answers
    for answer in answers.values():
        if isinstance(answer, threading.Event):
            answer.set()


async def test_a_name_nobody_answers_for_keeps_no_other_from_being_found(names):
    names["gone.example"] = threading.Event()
    names["well.example"] = ["127.0.0.1"]
    async with FakeProvider(lambda _: Reply()) as provider:
        port = provider.url.rpartition(":")[2]
        gone = HttpProvider("gone", f"http://gone.example:{port}", deadline_s=1.0)
        well = HttpProvider("well", f"http://well.example:{port}", deadline_s=60.0)
        lost = [asyncio.create_task(gone.call("GET", "/")) for _ in range(200)]
        await asyncio.sleep(0)
        found = await asyncio.gather(*(well.call("GET", "/") for _ in range(50)))
        assert [answer.status for answer in found] == [200] * 50
        assert not any(task.done() and task.exception() is None for task in lost)
        failed = await asyncio.gather(*lost, return_exceptions=True)
        assert {each.kind for each in failed if isinstance(each, NotSent)} == {"broken"}
        assert names["asked"].count("gone.example") == 1, "it is looked up once for all"
        await gone.close()
        await well.close()


async def test_what_was_found_before_is_used_when_the_name_servers_fail(names, monkeypatch):
    monkeypatch.setattr(host_addresses, "_FRESH_S", 0.0)
    monkeypatch.setattr(host_addresses, "_PATIENCE_S", 0.05)
    hosts = HostAddresses()
    names["here.example"] = ["192.0.2.1", "192.0.2.2"]
    assert await hosts.of("here.example") == ("192.0.2.1", "192.0.2.2")
    for failure in (socket.gaierror(socket.EAI_NONAME, "no such name"), threading.Event()):
        names["here.example"] = failure
        assert await hosts.of("here.example") == ("192.0.2.1", "192.0.2.2")
    names["here.example"].set()
    names["here.example"] = ["192.0.2.3"]
    async with asyncio.timeout(60):
        while await hosts.of("here.example") != ("192.0.2.3",):
            await asyncio.sleep(0.01)


async def test_what_is_fresh_is_not_looked_up_again_and_what_nobody_knows_is_told(names):
    hosts = HostAddresses()
    names["here.example"] = ["192.0.2.1"]
    for _ in range(3):
        await hosts.of("here.example")
    assert names["asked"] == ["here.example"]
    names["gone.example"] = socket.gaierror(socket.EAI_NONAME, "no such name")
    for _ in range(2):
        with pytest.raises(OSError, match="no such name"):
            await hosts.of("gone.example")
    with pytest.raises(OSError, match="is no name"):
        await hosts.of("x" * 300 + ".example")


async def test_of_several_addresses_the_first_that_answers_is_used(names):
    names["twice.example"] = ["127.0.0.2", "127.0.0.1"]
    async with FakeProvider(lambda _: Reply(status=204)) as provider:
        port = provider.url.rpartition(":")[2]
        twice = HttpProvider("twice", f"http://twice.example:{port}")
        assert (await twice.call("GET", "/")).status == 204
        await provider.__aexit__(None, None, None)
        with pytest.raises(NotSent) as failed:
            await twice.call("GET", "/")
        assert failed.value.kind in {"broken", "unsure"}
        await twice.close()
