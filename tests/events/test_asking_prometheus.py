"""Questions to a real Prometheus: when its answer says so somebody is woken, and no answer is not zero."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from bot.events.asking import Question
from engine.core.vocabulary.escalation_facts import EscalationCleared, EscalationRaised
from engine.core.vocabulary.facts import MetricObserved, ProposalReceived
from engine.core.vocabulary.units import SECOND_US
from engine.runtime.client import EngineClient
from engine.settings.events import QuerySection
from tests.events.conftest import Outside
from tests.fence.stopping import until
from tests.needs import need
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
PAGE = {"severity": "critical", "summary": "too many errors"}
PROPOSE = {"action": "cache.clear", "capability": "heal@1", "args": {"service": "web"}, "confidence": 0.9}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with nothing to scrape: it answers arithmetic."""
    need(shutil.which("prometheus"), "prometheus is not installed: apt-get install prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text("global: {}\n")
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port = made.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ready() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{url}/-/ready", trust_env=False, timeout=PATIENCE_S).status_code == 200
        return False

    try:
        assert until(ready, within_s=PATIENCE_S)
        yield url
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


class Asked:
    """One question, and a clock that the test sets."""

    def __init__(self, systems: Outside, question: Question) -> None:
        self._systems, self.question = systems, question
        self.now_us = systems.live.clock.now_us()

    async def ask(self, query: str | None = None, later_s: float = 0) -> None:
        if query is not None:
            self.question.section = self.question.section.model_copy(update={"query": query})
        self.now_us += int(later_s * SECOND_US)
        await self.question.ask(self.now_us)

    def restart(self) -> None:
        """Begin as a front does that was killed: it remembers nothing."""
        before = self.question
        self.question = Question("errors", before.section, before._engine, before._client)

    def seen(self) -> tuple[int, int]:
        """How often somebody was woken, and how often it was over."""
        return len(self._systems.facts(EscalationRaised)), len(self._systems.facts(EscalationCleared))


@contextlib.asynccontextmanager
async def asking(outside: Any, url: str, **section: Any) -> Any:
    async with outside() as systems, httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        made = QuerySection.model_validate({"query": "vector(0)", "url": url} | section)
        engine = EngineClient(systems.place.layout.socket)
        yield systems, Asked(systems, Question("errors", made, engine, client))
        await engine.close()


async def test_what_is_over_for_long_enough_wakes_once_and_ends(outside, prometheus):
    async with asking(outside, prometheus, above=0.5, for_s=60, page=PAGE) as (_, asked):
        await asked.ask("vector(0.4)")
        await asked.ask("vector(0.9)", 60)
        assert asked.seen() == (0, 0), "not long enough"
        await asked.ask("vector(0.4)", 30)
        await asked.ask("vector(0.9)", 30)
        await asked.ask("vector(0.9)", 59)
        assert asked.seen() == (0, 0), "it was over in between"
        await asked.ask("vector(0.9)", 1)
        await asked.ask("vector(0.9)", 600)
        assert asked.seen() == (1, 0)
        await asked.ask("vector(0.5)", 60)
        assert asked.seen() == (1, 1)


async def test_of_several_series_the_worst_counts_and_each_is_noted(outside, prometheus):
    several = 'label_replace(vector(1), "a", "1", "", "") or vector(7)'
    async with asking(outside, prometheus, above=5, page=PAGE, series="shop/errors") as (systems, asked):
        await asked.ask(several)
        await asked.ask("scalar(vector(2))", 60)
        assert asked.seen() == (1, 1)
        assert [fact.value for fact in systems.facts(MetricObserved)] == [7.0, 2.0]


@pytest.mark.parametrize("nothing", ["vector(1) > 2", "vector(NaN)", "vector(1) / 0", "vector(-1) / 0"])
async def test_no_number_is_neither_over_nor_under(outside, prometheus, nothing):
    async with asking(outside, prometheus, below=5, page=PAGE, series="x") as (systems, asked):
        await asked.ask(nothing)
        assert asked.seen() == (0, 0)
        assert systems.facts(MetricObserved) == []


async def test_that_there_is_none_can_be_asked_for(outside, prometheus):
    async with asking(outside, prometheus, absent=True, page=PAGE) as (_, asked):
        await asked.ask("vector(0)")
        assert asked.seen() == (0, 0)
        await asked.ask("up == 7", 60)
        assert asked.seen() == (1, 0)


async def test_something_is_proposed_once_each_time_it_begins(outside, prometheus):
    async with asking(outside, prometheus, above=0.5, propose=PROPOSE) as (systems, asked):
        for query in ("vector(1)", "vector(1)", "vector(0)", "vector(1)"):
            await asked.ask(query, 60)
        proposals = [fact.proposal for fact in systems.facts(ProposalReceived)]
    assert [(each.agent, each.args) for each in proposals] == [("events-prometheus", {"service": "web"})] * 2
    assert proposals[0].proposal_id != proposals[1].proposal_id


@pytest.mark.parametrize("query", ["no such (", "up[5m]", "rate(up)"])
async def test_a_question_that_is_none_wakes_somebody_after_some_times(outside, prometheus, query):
    async with asking(outside, prometheus, above=1, page=PAGE, away_after=3) as (systems, asked):
        for times in range(1, 6):
            await asked.ask(query, 60)
            assert asked.seen() == (1 if times >= 3 else 0, 0)
        assert systems.facts(EscalationRaised)[0].summary == "Prometheus does not answer errors"
        await asked.ask("vector(0)", 60)
        assert asked.seen() == (1, 1)


async def test_a_prometheus_that_is_away_wakes_somebody_and_counts_as_nothing(outside):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with asking(outside, url, below=1, page=PAGE, away_after=2, within_s=0.5) as (_, asked):
            await asked.ask()
            await asked.ask()
            assert asked.seen() == (1, 0)


async def test_no_number_ends_no_page(outside, prometheus):
    async with asking(outside, prometheus, above=0.5, page=PAGE) as (_, asked):
        for query in ("vector(1)", "up == 7", "vector(NaN)"):
            await asked.ask(query, 60)
        assert asked.seen() == (1, 0)
        await asked.ask("vector(0)", 60)
        assert asked.seen() == (1, 1)


async def test_a_restart_while_it_holds_wakes_and_proposes_nothing_twice(outside, prometheus):
    async with asking(outside, prometheus, above=0.5, page=PAGE, propose=PROPOSE) as (systems, asked):
        await asked.ask("vector(1)")
        for _ in range(2):
            asked.restart()
            await asked.ask("vector(1)", 60)
            await asked.ask("vector(1)", 60)
        assert asked.seen() == (1, 0)
        assert len(systems.facts(ProposalReceived)) == 1
        await asked.ask("vector(0)", 60)
        assert asked.seen() == (1, 1)


async def test_what_is_over_after_a_restart_ends(outside, prometheus):
    async with asking(outside, prometheus, above=0.5, page=PAGE, away_after=1) as (_, asked):
        await asked.ask("vector(1)")
        await asked.ask("no such (", 60)
        assert asked.seen() == (2, 0)
        asked.restart()
        await asked.ask("vector(0)", 60)
        assert asked.seen() == (2, 2)


async def test_a_number_that_no_series_takes_wakes_all_the_same(outside, prometheus):
    async with asking(outside, prometheus, above=1, page=PAGE, series="x") as (systems, asked):
        # The engine does not read such a point; how long its silence is waited for is not the claim here.
        asked.question._engine._timeout_s = 1.0
        await asked.ask("vector(1e200)")
        assert asked.seen() == (1, 0)
        assert systems.facts(MetricObserved) == []


@contextlib.asynccontextmanager
async def answering(answer: Any) -> AsyncIterator[str]:
    """A server that answers as none should."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            await answer(writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        talking.release()

    talking, asked = asyncio.Semaphore(0), 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await talk(reader, writer)

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for _ in range(asked):
        await talking.acquire()


async def test_an_answer_that_never_ends_counts_as_none(outside):
    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with (
        answering(drip) as url,
        asking(outside, url, above=1, page=PAGE, away_after=1, within_s=0.5) as (_, asked),
    ):
        await asyncio.wait_for(asked.ask(), PATIENCE_S)
        assert asked.seen() == (1, 0)


SAID = b'{"status":"success","data":'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"7",
        b"null",
        b"\xff",
        b"[" * 200_000,
        SAID + b'{"resultType":"scalar","result":[1,"0"]}}' + b" " * (5 << 20),
        SAID + b"null}",
        SAID + b'{"resultType":"string","result":[1,"1"]}}',
        SAID + b'{"resultType":"scalar","result":[1,[]]}}',
        SAID + b'{"resultType":"vector","result":[{"value":[1]}]}}',
        b'{"status":"error","error":"no"}',
    ],
    ids=range(11),
)
async def test_whatever_is_no_answer_counts_as_none_and_ends_nothing(outside, body):
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(body)
        await writer.drain()

    async with (
        answering(say) as url,
        asking(outside, url, above=1, page=PAGE, away_after=2) as (_, asked),
    ):
        await asked.ask()
        await asked.ask(None, 60)
        assert asked.seen() == (1, 0)
