"""The pager process with no engine at all: the real one, started as an operator would, and killed."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from urllib.parse import urlsplit

import httpx
import pytest

from bot.http_api.address import read_address
from engine.wiring import SHIPPED_CONFIG
from simulator.fakes.fake_provider import FakeProvider, Reply
from simulator.fakes.fake_pushes import FakeNtfy
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]
PEOPLE = """\
people:
  ray: {role: responder, zone: UTC, ntfy: ray-topic}
  cat: {role: captain, zone: UTC, ntfy: cat-topic}
"""
LADDERS = """\
ladders:
  screens: {rungs: [{post: [console, desktop], wait_s: 300}]}
  away: {rungs: [{to: ray, by: ntfy, wait_s: 600}, {to: cat, by: ntfy, wait_s: 1}]}
otherwise: screens
engine_away: {after_s: 5, ladder: away}
"""


def configured(tmp_path, ntfy):
    """A configuration folder with two people, and a state folder with the address of a heartbeat."""
    config = tmp_path / "config"
    shutil.copytree(SHIPPED_CONFIG, config)
    (config / "people.yaml").write_text(PEOPLE)
    (config / "ladders.yaml").write_text(LADDERS)
    (config / "channels.yaml").write_text(
        f"public_url: https://watch.example.com\nconsole: {{}}\ndesktop: {{}}\nntfy: {{server: '{ntfy}'}}\n"
        "heartbeat: {every_s: 5}\n"
    )
    return config


@contextlib.asynccontextmanager
async def running(command, tmp_path, config):
    """Run one process of Watchkeeper until it is killed."""
    words = [sys.executable, "-m", "watchkeeper", command, "--config", str(config)]
    environment = os.environ | {"WATCHKEEPER_HOME": str(tmp_path / "state")}
    with (tmp_path / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log, env=environment)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def until(true, tmp_path):
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError((tmp_path / "log").read_text()) from None


async def test_it_wakes_people_says_so_elsewhere_and_goes_on_after_it_was_killed(tmp_path):
    fake = FakeNtfy()
    async with FakeProvider(fake) as ntfy, FakeProvider(lambda _: Reply()) as elsewhere:
        config = configured(tmp_path, ntfy.url)
        secret = tmp_path / "state" / "channels" / "heartbeat-url"
        secret.parent.mkdir(parents=True)
        secret.write_text(f"{elsewhere.url}/uuid")
        secret.chmod(0o600)
        async with running("pager", tmp_path, config):
            await until(lambda: elsewhere.asked("/uuid/fail"), tmp_path)
            await until(lambda: fake.published, tmp_path)
            await until((tmp_path / "state" / "outage.json").exists, tmp_path)
            await until(lambda: b'"rings":1' in (tmp_path / "state/outage.json").read_bytes(), tmp_path)
        async with running("pager", tmp_path, config) as process:
            await asyncio.sleep(8)
            assert [each["topic"] for each in fake.published] == ["ray-topic"], "the first rung still waits"
            process.terminate()
            assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
    assert elsewhere.asked("/uuid") == []
    assert fake.published[0]["click"].startswith("https://watch.example.com/e/")
    log = (tmp_path / "log").read_text()
    assert "the engine has not answered for 5 s" in log
    assert "/e/" not in log
    assert "uuid" not in log


async def test_a_heartbeat_without_an_address_is_told_and_keeps_nobody_asleep(tmp_path):
    fake = FakeNtfy()
    async with FakeProvider(fake) as ntfy, running("pager", tmp_path, configured(tmp_path, ntfy.url)):
        await until(lambda: fake.published, tmp_path)
    assert "there is no heartbeat" in (tmp_path / "state" / "announcements.jsonl").read_text()


async def test_whoever_presses_the_button_of_a_push_is_asked_no_more_and_the_others_know(tmp_path):
    fake = FakeNtfy()
    async with FakeProvider(fake) as ntfy:
        config = configured(tmp_path, ntfy.url)
        quick = LADDERS.replace("wait_s: 600", "wait_s: 2").replace("wait_s: 1}", "wait_s: 3}")
        (config / "ladders.yaml").write_text(quick)
        service = config / "watchkeeper.yaml"
        service.write_text(service.read_text().replace("port: 8765", "port: 0"))
        async with running("pager", tmp_path, config), running("front", tmp_path, config):
            await until(lambda: len(fake.published) >= 2, tmp_path)
            ray = next(each for each in fake.published if each["topic"] == "ray-topic")
            action, link = ray["actions"][0], urlsplit(ray["actions"][0]["url"])
            await until((tmp_path / "state" / "http.json").exists, tmp_path)
            url = read_address(tmp_path / "state" / "http.json").url
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as phone:
                here = {"Host": link.hostname, **action["headers"]}
                answer = await phone.request(
                    action["method"], link.path, content=action["body"], headers=here
                )
            assert action["method"] == "POST"
            assert (answer.status_code, "ray has it" in answer.text) == (200, True), answer.text
            told = {"topic": "cat-topic", "title": "ray has it: the engine does not answer"}
            await until(lambda: any(told.items() <= each.items() for each in fake.published), tmp_path)
            rung = len(fake.published)
            await asyncio.sleep(6)
            assert len(fake.published) == rung, "both rungs would have rung again"
    log = (tmp_path / "log").read_text()
    assert "POST /e/… 200" in log
    assert link.path not in log
