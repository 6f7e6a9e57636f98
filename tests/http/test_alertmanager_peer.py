"""Debian's Alertmanager as a peer: an alert fires, pages, is acknowledged by the link, and resolves."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from msgspec import structs

from bot.http_api.links import Links
from engine.adapters.link_tokens import LinkTokens
from engine.adapters.machine_time import now_us
from engine.adapters.outage_notes import OutageNotes
from engine.core.vocabulary.units import SECOND_US
from engine.runtime.client import EngineClient
from notifiers.book import RosterBook
from notifiers.ntfy import Ntfy
from notifiers.pager import Pager
from simulator.fakes.fake_provider import FakeProvider
from simulator.fakes.fake_pushes import FakeNtfy
from tests.http.waking import ladders, roster
from tests.needs import need
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]
PROGRAM = "prometheus-alertmanager"
PUBLIC = "https://watch.example.com"
# As docs/howto/alertmanager.md has it, but quicker.
CONFIG = """\
route:
  receiver: watchkeeper
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: watchkeeper
    webhook_configs:
      - url: {url}/v1/alerts/alertmanager
        send_resolved: true
        max_alerts: 500
        http_config:
          authorization:
            credentials_file: {token}
"""


@contextlib.asynccontextmanager
async def alertmanager(folder, front, token):
    """Run one that sends its alerts to a front; gives its URL."""
    need(shutil.which(PROGRAM), f"{PROGRAM} is not installed")
    (folder / "token").write_text(token)
    (folder / "alertmanager.yml").write_text(CONFIG.format(url=front, token=folder / "token"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    words = [
        PROGRAM, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as client:
            await until(lambda: _ready(client), folder / "log")
            yield client
    finally:
        process.terminate()
        process.wait()


async def _ready(client):
    try:
        return (await client.get("/-/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def until(true, log):
    """Wait until something is so."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await true():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(log.read_text()) from None


@contextlib.asynccontextmanager
async def paging(place, ntfy):
    """The pager, with pushes to an ntfy."""
    client, channel = EngineClient(place.layout.socket), Ntfy(ntfy.url, answerable=True)
    pager = Pager(
        client,
        {"ntfy": channel},
        RosterBook(roster()),
        name="pager",
        now_us=now_us,
        link=LinkTokens(place.layout.link_secret, PUBLIC).link_for,
    )
    work = asyncio.create_task(pager.run())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await channel.close()
        await client.close()


def alert(number, *, ends=None):
    now = datetime.now(UTC)
    return {
        "labels": {"alertname": "DiskFull", "severity": "critical", "instance": f"db{number}"},
        "annotations": {"summary": f"db{number} has 2 % left", "description": "since 03:10"},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (ends or now + timedelta(hours=1)).isoformat(),
    }


async def test_an_alert_fires_pages_is_acknowledged_and_resolves(place, tmp_path):
    token = place.tokens.create(kind="agent", name="alertmanager", capabilities=("alerts",))[1]
    quick = ladders()
    quick = structs.replace(quick, settings=structs.replace(quick.settings, settle_us=SECOND_US // 2))
    answering = Links(
        tokens=LinkTokens(place.layout.link_secret, PUBLIC),
        outages=OutageNotes(place.layout.outage, place.layout.outage_answer),
        public_url=PUBLIC,
    )
    fake, folder = FakeNtfy(), tmp_path / "alertmanager"
    folder.mkdir()
    log = folder / "log"
    with place.served(ladders=quick, roster=roster(), answering=answering, most_body_bytes=1 << 20) as url:
        async with (
            FakeProvider(fake) as ntfy,
            paging(place, ntfy),
            alertmanager(folder, url, token) as manager,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as front,
        ):

            async def standing():
                found = (await front.get("/v1/escalations", headers=place.bearer("ray"))).json()
                return found["escalations"]

            async def post(*alerts):
                answer = await manager.post("/api/v2/alerts", json=alerts)
                assert answer.status_code == 200, answer.text

            async def titles():
                return [each["title"] for each in fake.published]

            many = [alert(number) for number in range(200)]
            await post(*many)

            async def paged():
                return bool(fake.published)

            await until(paged, log)

            async def all_joined():
                return [each["count"] for each in await standing()] == [200]

            await until(all_joined, log)
            (push,) = fake.published
            assert (push["topic"], push["priority"], push["title"].startswith("DiskFull: db")) == (
                "ray-topic",
                5,
                True,
            )
            assert (push["actions"][0]["method"], push["actions"][0]["body"]) == ("POST", "word=acknowledge")

            link = push["actions"][0]["url"].removeprefix(PUBLIC)
            pressed = await front.post(link, content=push["actions"][0]["body"])
            assert (pressed.status_code, "ray has it" in pressed.text) == (200, True)
            (shown,) = await standing()
            assert (shown["stage"], shown["holder"], shown["severity"]) == ("acknowledged", "ray", "critical")

            over = datetime.now(UTC)
            await post(*(each | {"endsAt": over.isoformat()} for each in many))

            async def ended():
                return [each["ended"] for each in await standing()] in ([], ["resolved"])

            await until(ended, log)

            async def told():
                return len(fake.published) == 2

            await until(told, log)
            assert fake.published[-1]["title"].startswith("Over: DiskFull")
            assert len(await titles()) == 2, "two hundred alerts, one page, one word that it is over"


async def test_what_fires_while_the_engine_is_away_is_sent_again_when_it_is_back(place, tmp_path):
    token = place.tokens.create(kind="agent", name="alertmanager", capabilities=("alerts",))[1]
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    log = folder / "log"
    with place.served(engine=False, most_body_bytes=1 << 20) as url:
        async with (
            alertmanager(folder, url, token) as manager,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as front,
        ):
            assert (await manager.post("/api/v2/alerts", json=[alert(1)])).status_code == 200

            async def refused():
                return "503" in log.read_text()

            await until(refused, log)
            async with place.engine(ladders=ladders()):

                async def raised():
                    answer = await front.get("/v1/escalations", headers=place.bearer("ray"))
                    return len(answer.json().get("escalations", [])) == 1

                await until(raised, log)
