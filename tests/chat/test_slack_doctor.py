"""`watchkeeper doctor slack`: it finds what the bot lacks, and names the clicks."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import pytest_asyncio
from click.testing import CliRunner

from bot.slack_app.manifest import SCOPES, make_manifest
from simulator.fakes.fake_slack import FakeSlack
from watchkeeper.cli import main

pytestmark = pytest.mark.asyncio


async def doctor(home: Path, fake: FakeSlack, *, channel: str, tokens: dict[str, str] | None = None):
    """Run it as people do, in another thread; returns its checks by name, and its status."""
    config = home / "config"
    if not config.exists():
        shutil.copytree("config", config)
        chat = home / "state" / "chat"
        chat.mkdir(parents=True)
        given = {"bot": fake.bot_token, "app": fake.app_token} | (tokens or {})
        for name, token in given.items():
            path = chat / f"slack-{name}-token"
            path.write_text(token + "\n")
            path.chmod(0o600)
    text = Path("config/watchkeeper.yaml").read_text().split("  slack:\n")
    slack = text[1].replace("channel: null", f"channel: {channel}", 1)
    slack = slack.replace("https://slack.com/api/", fake.api_url)
    (config / "watchkeeper.yaml").write_text("  slack:\n".join([text[0], slack]))
    words = ["doctor", "slack", "--json", "--config", str(config)]
    given = {"WATCHKEEPER_HOME": str(home / "state")}
    result = await asyncio.to_thread(CliRunner().invoke, main, words, env=given)
    assert result.stdout, result.output
    return {check["what"]: check for check in json.loads(result.stdout)}, result.exit_code


@pytest_asyncio.fixture
async def fake():
    made = FakeSlack(manifest=make_manifest())
    await made.start()
    yield made
    await made.close()


async def test_all_is_well(tmp_path, fake):
    found, status = await doctor(tmp_path, fake, channel=fake.add_channel("captains"))
    assert {check["verdict"] for check in found.values()} == {"ok"}, found
    assert set(found) == {"bot token", "scopes", "channel", "socket mode", "commands"}
    assert status == 0
    assert fake.problems() == ()


async def test_the_bot_is_not_in_its_channel(tmp_path, fake):
    found, status = await doctor(tmp_path, fake, channel=fake.add_channel("captains", with_bot=False))
    assert found["channel"]["cure"] == "say  /invite @watchkeeper  there"
    assert status == 1


async def test_the_channel_is_not_there(tmp_path, fake):
    found, _ = await doctor(tmp_path, fake, channel="C99999999")
    assert "Channel ID" in found["channel"]["cure"]


async def test_a_scope_is_missing(tmp_path, fake):
    fake.web_api.bot_scopes = frozenset(SCOPES) - {"files:write"}
    found, status = await doctor(tmp_path, fake, channel=fake.add_channel("captains"))
    assert found["scopes"]["said"] == "files:write not granted"
    assert "OAuth & Permissions" in found["scopes"]["cure"]
    assert status == 1


@pytest.mark.parametrize("which", ["bot", "app"])
async def test_a_token_is_refused(tmp_path, fake, which):
    found, status = await doctor(
        tmp_path, fake, channel=fake.add_channel("captains"), tokens={which: "xoxb-old"}
    )
    assert found[f"{which} token"]["verdict"] == "bad"
    assert "api.slack.com/apps" in found[f"{which} token"]["cure"]
    assert status == 1
