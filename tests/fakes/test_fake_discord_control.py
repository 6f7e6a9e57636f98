"""The fake Discord from outside: its control endpoints, and the command that runs it."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import aiohttp
import pytest
from click.testing import CliRunner

from tests.fakes.discord_bots import staged
from tests.patience import PATIENCE_S
from watchkeeper.cli import main


async def asked(stage, method, endpoint, **body):
    """Ask the control API, and return the status and what it said."""
    url = f"{stage.fake.base_url}/_fake/{endpoint}"
    options = {"params": body} if method == "GET" else {"json": body}
    async with aiohttp.ClientSession() as client, client.request(method, url, **options) as answer:
        is_json = answer.content_type == "application/json"
        return answer.status, await (answer.json() if is_json else answer.text())


@pytest.mark.asyncio
async def test_a_bot_can_be_driven_over_http():
    async with staged() as stage:
        where = {"account": "captain", "channel": "room"}
        status, answer = await asked(stage, "POST", "type", line="/ask d-1", **where)
        assert (status, answer["screens"][0]["text"]) == (200, "decision d-1")
        message = answer["screens"][0]["message_id"]
        _, opened = await asked(stage, "POST", "press", account="captain", message=message, label="Deny")
        assert opened["modal"]["title"] == "Why not?"
        _, filled = await asked(
            stage, "POST", "fill", account="captain", modal=opened["modal"], values={"Reason": "no need"}
        )
        assert filled["screens"][0]["text"] == "denied d-1: no need"
        _, seen = await asked(stage, "GET", "messages", channel="room")
        assert [one["text"] for one in seen] == ["decision d-1", "denied d-1: no need"]
        assert await asked(stage, "POST", "complete", line="/sta", **where) == (200, ["/status"])
        assert await asked(stage, "GET", "problems") == (200, [])


@pytest.mark.asyncio
async def test_people_and_trouble_can_be_made_over_http():
    async with staged() as stage:
        _, joined = await asked(stage, "POST", "people", name="boss", permissions=8)
        assert stage.fake.world.people[joined["account"]].permissions == 8
        _, opened = await asked(stage, "POST", "channels", name="war")
        _, said = await asked(stage, "POST", "say", account="boss", channel="war", text="hello")
        assert stage.fake.messages(opened["channel"])[0].message_id == said["message"]
        await asked(stage, "POST", "delete", message=said["message"])
        assert stage.fake.messages(opened["channel"]) == ()
        await asked(stage, "POST", "trouble", copies=2, limit={"calls": 1, "retry_after_s": 0.05}, drop=True)
        await stage.bot.until("resumed")
        await asked(stage, "POST", "type", account="boss", line="/status", channel="war")
        assert 429 in [call.status for call in stage.fake.calls()]
        assert (await stage.bot.until("error")).code == 40060


@pytest.mark.asyncio
async def test_what_is_asked_wrongly_is_said_in_a_line():
    async with staged() as stage:
        assert await asked(stage, "POST", "type", account="captain") == (400, {"error": "line is missing"})
        nobody = await asked(stage, "POST", "type", account="x", line="/status", channel="room")
        assert nobody == (404, {"error": "nobody is called x"})
        assert (await asked(stage, "GET", "picture", channel="nowhere"))[0] == 404


@pytest.mark.asyncio
async def test_a_channel_is_pictured_over_http():
    async with staged() as stage:
        await stage.type("/status")
        status, page = await asked(stage, "GET", "picture", channel="room")
        assert status == 200
        assert "all is well" in page


def test_the_command_says_how_to_reach_it_and_stops_cleanly():
    command = [sys.executable, "-m", "watchkeeper", "fake", "discord"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            told = "".join(iter(running.stdout.readline, "and more, which docs/reference/fakes.md lists\n"))
            base = re.search(r"listens on (\S+);", told)[1]
            assert f"REST API   {base}/api/v10" in told
            assert "token      fake-token" in told
            with urllib.request.urlopen(
                f"{base}/_fake/messages?channel=general", timeout=PATIENCE_S
            ) as answer:
                assert json.load(answer) == []
            running.send_signal(signal.SIGINT)
            assert running.wait(PATIENCE_S) == 130
        finally:
            running.kill()


def test_a_file_that_is_no_description_is_refused(tmp_path):
    (tmp_path / "spec.json").write_text("{}")
    ended = CliRunner().invoke(main, ["fake", "discord", "--spec", str(tmp_path / "spec.json")])
    assert ended.exit_code == 2
    assert "no OpenAPI description" in ended.output
