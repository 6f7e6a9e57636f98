"""The bots in a whole service: started by `up` beside the others, and stopping everything from chat."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bot.slack_app.manifest import make_manifest
from engine.adapters.fence_files import FileFence
from engine.adapters.link_file import LinkFile
from simulator.fakes.fake_slack import FakeSlack
from tests.patience import PATIENCE_S
from tests.service.services import Service

pytestmark = pytest.mark.slow


def with_chat(running: Service, fake: FakeSlack, channel: str) -> None:
    """Have the service talk to a fake Slack."""
    path = running.config / "watchkeeper.yaml"
    settings: dict[str, Any] = json.loads(path.read_text())
    settings["chat"] = {"slack": {"channel": channel, "api": fake.api_url}}
    path.write_text(json.dumps(settings))
    folder = running.layout.chat
    folder.mkdir(parents=True)
    for name, token in (("slack-bot-token", fake.bot_token), ("slack-app-token", fake.app_token)):
        (folder / name).write_text(token)
        (folder / name).chmod(0o600)


def link(running: Service, account: str, person: str, role: Any) -> None:
    links = LinkFile(running.layout.links)
    links.redeem(links.code(person, role), front="slack", account_id=account)


def test_a_stop_from_chat_holds_with_the_engine_standing_still(tmp_path):
    async def play() -> None:
        fake = FakeSlack(manifest=make_manifest())
        await fake.start()
        running = Service(tmp_path)
        try:
            channel = fake.add_channel("ops")
            with_chat(running, fake, channel)
            account = fake.add_person("ray")
            link(running, account, "ray", "responder")
            await asyncio.to_thread(running.start)
            await fake.bot_is_in(within_s=PATIENCE_S)
            assert "Autonomy is on" in (await fake.type(account, "/wk status", channel=channel)).text
            engine = running.pid("engine")
            os.kill(engine, signal.SIGSTOP)
            try:
                answer = await fake.type(account, "/kill-autonomous it hangs", channel=channel)
                assert "Stopped: all" in answer.text
                assert [str(stop.scope) for stop in FileFence(running.layout.stops).stops()] == ["all"]
            finally:
                os.kill(engine, signal.SIGCONT)
            assert not fake.problems()
            assert await asyncio.to_thread(running.stop) == 0
        finally:
            await asyncio.to_thread(running.end)
            await fake.close()

    asyncio.run(play())


def test_a_missing_token_is_named_with_the_file_it_belongs_in(tmp_path):
    running = Service(tmp_path)
    path = running.config / "watchkeeper.yaml"
    settings = json.loads(path.read_text())
    settings["chat"] = {"slack": {"channel": "C1"}}
    path.write_text(json.dumps(settings))
    try:
        running.start(wait=False)
        assert running.process is not None
        status = running.process.wait(PATIENCE_S)
    finally:
        running.end()
    assert status != 0
    said = Path(running.output).read_text()
    assert f"{running.layout.chat / 'slack-bot-token'}: this token is missing" in said
