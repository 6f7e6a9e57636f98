"""A script in any language plays people through JSON, against a fake that runs as a program."""

import json
import re
import signal
import subprocess
import sys

import aiohttp
import pytest
from click.testing import CliRunner
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler

from simulator.fakes.fake_slack import FakeSlack
from simulator.fakes.fake_slack.control import Control
from tests.fakes.slack_bot import MANIFEST, make_app
from tests.house.tree import ROOT
from tests.patience import PATIENCE_S
from watchkeeper.commands_fake_slack import fake_slack


@pytest.mark.asyncio
async def test_people_are_played_and_read_through_json():
    fake = FakeSlack(manifest=MANIFEST, quiet_s=0.05)
    await fake.start(more_routes=Control(fake).routes())
    app, heard = make_app(fake)
    handler = AsyncSocketModeHandler(app, app_token=fake.app_token)
    async with aiohttp.ClientSession(f"{fake.base_url}/_fake/") as session:

        async def do(name, /, **body):
            async with session.post(name, json=body) as answer:
                return answer.status, await answer.json()

        async def look(name, /, **query):
            async with session.get(name, params=query) as answer:
                return answer.status, await answer.json()

        try:
            await handler.connect_async()
            await fake.bot_is_in()
            assert (await do("people", name="ada"))[0] == 200
            assert (await do("channels", name="ops"))[0] == 200
            status, asked = await do("type", account="ada", line="/ask", channel="#ops")
            assert (status, asked["screens"][0]["buttons"][0]["label"]) == (200, "Approve")
            message = asked["screens"][0]["message_id"]
            dialog = await do("cancel", account="ada", message=message, label="Approve")
            assert dialog[1]["text"].startswith("Approve?")
            form = (await do("press", account="ada", message=message, label="Deny"))[1]["modal"]
            offered = await do("complete", account="ada", line="Scope: tra")
            assert offered == (200, ["trader", "training"])
            sent = await do("fill", account="ada", modal=form, values={"Reason": "too risky"})
            assert sent[1]["screens"][0]["text"] == "denied d-1: too risky (no scope)"
            assert [m["message_id"] for m in (await look("messages", channel="ops"))[1]] == [message]
            assert len((await look("direct", account="ada"))[1]) == 1
            assert await look("private", account="ada") == (200, [])
            assert await look("thread", message=message) == (200, [])
            assert await look("problems") == (200, [])
            status, no = await do("press", account="ada", message=message, label="Launch")
            assert (status, "no button 'Launch'" in no["error"]) == (404, True)
            assert await do("type", account="eve", line="x", channel="ops") == (
                404,
                {"error": "nobody is called 'eve'"},
            )
            assert await do("type", account="ada") == (400, {"error": "line is missing"})
            assert (await do("fill", account="ada", modal=1, values={}))[0] == 400
            assert await do("trouble", copies=2, limit={"calls": 1, "retry_after_s": 0}) == (200, {})
            await do("type", account="ada", line="/twice x", channel="ops")
            assert [note for note in heard if note == "x"] == ["x", "x"]
            assert await do("delete", message=message) == (200, {})
            async with session.get("picture", params={"channel": "ops"}) as answer:
                assert (answer.content_type, "# ops" in await answer.text()) == ("text/html", True)
            async with session.post("type", data='{"account": "ada"}') as answer:
                assert answer.status == 415
        finally:
            await handler.close_async()
            await fake.close()


def test_the_program_prints_how_to_reach_it_and_ends_when_told(tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(MANIFEST))
    start = "from watchkeeper.commands_fake_slack import fake_slack; fake_slack()"
    program = subprocess.Popen(
        [sys.executable, "-c", start, "--manifest", manifest, "--person", "ada"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        lines = [program.stdout.readline().rstrip() for _ in range(7)]
        assert re.fullmatch(r"web api: +http://127\.0\.0\.1:\d+/api/", lines[0])
        assert lines[1].split() == ["bot", "token:", "xoxb-fake-bot"]
        assert re.fullmatch(r"people: +ada U\d+", lines[5])
        assert re.fullmatch(r"channels: +#ops C\d+", lines[6])
    finally:
        program.send_signal(signal.SIGTERM)
        _, errors = program.communicate(timeout=PATIENCE_S)
    assert (program.returncode, errors) == (0, "")


def test_a_manifest_slack_would_refuse_is_refused(tmp_path):
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(
        "display_information: {name: x}\nfeatures: {slash_commands: [{command: ask, description: x}]}\n"
    )
    result = CliRunner().invoke(fake_slack, ["--manifest", str(manifest)])
    assert "does not start with a slash" in str(result.exception)
    assert str(manifest) in str(result.exception)
