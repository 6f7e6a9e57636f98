"""The bots in a whole service: started by `up` beside the others, and stopping everything from chat."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.slack_app.manifest import make_manifest
from engine.adapters.fence_files import FileFence
from engine.adapters.link_file import LinkFile
from simulator.fakes.fake_discord import FakeDiscord
from simulator.fakes.fake_slack import FakeSlack
from tests.chat.discord_stage import MANAGER
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


def with_discord(running: Service, fake: FakeDiscord, channel: str) -> None:
    """Have the service talk to a fake Discord, too."""
    path = running.config / "watchkeeper.yaml"
    settings: dict[str, Any] = json.loads(path.read_text())
    settings["chat"]["discord"] = {
        "server": fake.world.guild,
        "channel": channel,
        "api": fake.api_url,
        "gateway": fake.gateway_url,
    }
    path.write_text(json.dumps(settings))
    token = running.layout.chat / "discord-token"
    token.write_text(fake.token)
    token.chmod(0o600)


def link(running: Service, account: str, person: str, role: Any, *, front: str = "slack") -> None:
    links = LinkFile(running.layout.links)
    links.redeem(links.code(person, role), front=front, account_id=account)


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


def test_a_replay_goes_on_in_its_message_after_the_bots_were_killed(tmp_path):
    async def until(true: Callable[[], Any], what: str) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := true()):
                await asyncio.sleep(0.05)
        assert found, what
        return found

    async def play(slack: FakeSlack, discord: FakeDiscord, running: Service) -> None:
        rooms = {"slack": slack.add_channel("ops"), "discord": discord.add_channel("ops")}
        with_chat(running, slack, rooms["slack"])
        with_discord(running, discord, rooms["discord"])
        fakes: dict[str, FakeSlack | FakeDiscord] = {"slack": slack, "discord": discord}
        people = {
            "slack": slack.add_person("ray"),
            "discord": discord.add_person("ray", permissions=MANAGER),
        }
        for front, account in people.items():
            link(running, account, "ray", "responder", front=front)
        await asyncio.to_thread(running.start)
        for fake in fakes.values():
            await fake.bot_is_in(within_s=60)

        def cards(front: str, words: str = "Replay ") -> list[Any]:
            return [one for one in fakes[front].messages(rooms[front]) if words in one.text]

        async def start(front: str) -> None:
            line = "/replay start demo"
            await fakes[front].type(people[front], line, channel=rooms[front], settle_s=0.0)

        # Two run at once, so that the third waits.
        for front in ("slack", "discord", "slack"):
            count = len(cards(front))
            await start(front)
            await until(lambda front=front, count=count: len(cards(front)) > count, "no card")
        posted = {front: [one.message_id for one in cards(front)] for front in fakes}
        killed = running.pid("bots")
        os.kill(killed, signal.SIGKILL)
        await until(lambda: running.pid("bots") != killed, "no new bots")
        for front in fakes:
            await until(lambda front=front: len(cards(front, "is done")) == len(posted[front]), "no end")
            assert [one.message_id for one in cards(front)] == posted[front]
        await until(
            lambda: all(any(one.attachments for one in slack.thread(each)) for each in posted["slack"]),
            "no report",
        )
        assert all(one.attachments for one in cards("discord"))
        assert not slack.problems()
        assert not discord.problems()
        assert await asyncio.to_thread(running.stop) == 0

    async def both() -> None:
        slack, discord = FakeSlack(manifest=make_manifest()), FakeDiscord()
        running = Service(tmp_path)
        await slack.start()
        await discord.start()
        try:
            await play(slack, discord, running)
        finally:
            await asyncio.to_thread(running.end)
            await slack.close()
            await discord.close()

    asyncio.run(both())


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
