"""Chat: how soon people are answered, and how soon a stop said in chat is durable.

A whole service runs with its bots in a process of their own; the fake platform and the people are in this
one. Fifty people type, within the same second and then in the same moment: measured is the time from
delivering an interaction to the bot's taking notice of it. What the fake platform and the machine take of it
is told apart: the same fifty type to the barest bot there could be, which takes notice and does nothing. Then
somebody stops everything, again and again,
with the engine well and with the engine standing still (SIGSTOP): measured is the time until the stop's file
has its name, seen by looking every half millisecond. The floor is the same stop set from this process, with
nothing of chat in between.

    python -m benchmarks.chat [--kills 50] [--rounds 10]
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bot.slack_app.manifest import EVENTS_PATH, make_manifest
from engine.adapters.fence_files import FileFence
from engine.adapters.link_file import LinkFile
from engine.core.vocabulary.facts import Scope
from engine.ports import Stop
from simulator.fakes.chat import FakeChat
from simulator.fakes.fake_discord import FakeDiscord
from simulator.fakes.fake_slack import FakeSlack
from tests.chat.discord_stage import MANAGER
from tests.service.services import Service

PEOPLE = 50
_LOOK_S = 0.0005
_TYPED = (("one second", 1.0), ("one moment", 0.0))


def spread(name: str, taken_s: list[float]) -> str:
    """Sum times up in a line, milliseconds."""
    ordered = sorted(taken_s)
    p50, p99 = (ordered[min(len(ordered) - 1, len(ordered) * part // 100)] * 1e3 for part in (50, 99))
    return f"{name:<44} p50 {p50:7.1f}  p99 {p99:7.1f}  worst {ordered[-1] * 1e3:7.1f} ms  (n={len(ordered)})"


@contextmanager
def noting(fence: Path) -> Iterator[list[float]]:
    """Note the moment at which a stop has its name."""
    seen: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set() and not (fence / "all").exists():
            time.sleep(_LOOK_S)
        seen.append(time.perf_counter())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        watcher.join(10)
        done.set()


def with_chat(running: Service, section: dict[str, Any], tokens: dict[str, str]) -> None:
    """Have a service talk to a fake platform."""
    path = running.config / "watchkeeper.yaml"
    settings = json.loads(path.read_text())
    settings["chat"] = section
    path.write_text(json.dumps(settings))
    running.layout.chat.mkdir(parents=True)
    for name, token in tokens.items():
        (running.layout.chat / name).write_text(token)
        (running.layout.chat / name).chmod(0o600)


async def type_all(
    fake: FakeChat, accounts: list[str], channel: str, rounds: int, within_s: float, *, settle_s: float
) -> list[float]:
    """Have everybody type, again and again; returns how long each waited to be noticed."""
    status = "/wk status" if fake.platform == "slack" else "/status"

    async def typed(account: str, after_s: float) -> float:
        await asyncio.sleep(after_s)
        answer = await fake.type(account, status, channel=channel, settle_s=settle_s)
        assert not answer.failed, answer.failed
        return answer.ack_s

    acks: list[float] = []
    step_s = within_s / len(accounts)
    for _ in range(rounds):
        acks += await asyncio.gather(*(typed(each, number * step_s) for number, each in enumerate(accounts)))
    return acks


async def measure(fake: FakeChat, running: Service, accounts: list[str], channel: str, given: Any) -> None:
    """Have people type, and stop."""
    platform = fake.platform
    for name, within_s in _TYPED:
        acks = await type_all(fake, accounts, channel, given.rounds, within_s, settle_s=5.0)
        print(spread(f"{platform}: {PEOPLE} type within {name}, until noticed", acks))
    fence = FileFence(running.layout.stops)
    for name, still in (("engine well", False), ("engine standing still", True)):
        if still:
            os.kill(running.pid("engine"), signal.SIGSTOP)
        fenced: list[float] = []
        for _ in range(given.kills):
            with noting(running.layout.stops) as seen:
                began = time.perf_counter()
                await fake.type(accounts[0], "/kill-autonomous a measurement", channel=channel)
            fenced.append(seen[0] - began)
            fence.clear(Scope("all"))
        if still:
            os.kill(running.pid("engine"), signal.SIGCONT)
        print(spread(f"{platform}: kill until durable, {name}", fenced))
    floor: list[float] = []
    for _ in range(given.kills):
        with noting(running.layout.stops) as seen:
            began = time.perf_counter()
            fence.set(Stop(scope=Scope("all"), by="floor", reason="", at_us=time.time_ns() // 1000))
        floor.append(seen[0] - began)
        fence.clear(Scope("all"))
    print(spread(f"{platform}: the same stop, set from here (floor)", floor))


async def on_slack(folder: Path, given: Any) -> None:
    """Measure Slack in Socket Mode."""
    fake = FakeSlack(manifest=make_manifest())
    await fake.start()
    running = Service(folder)
    try:
        channel = fake.add_channel("ops")
        tokens = {"slack-bot-token": fake.bot_token, "slack-app-token": fake.app_token}
        with_chat(running, {"slack": {"channel": channel, "api": fake.api_url}}, tokens)
        accounts = [fake.add_person(f"p{number}") for number in range(PEOPLE)]
        await play(fake, running, accounts, channel, given)
    finally:
        await asyncio.to_thread(running.end)
        await fake.close()


async def on_slack_over_http(folder: Path, given: Any) -> None:
    """Measure how soon a bot takes notice that Slack calls, rather than the bot Slack."""
    fake = FakeSlack(manifest=make_manifest(request_url=f"https://watch.example{EVENTS_PATH}"))
    await fake.start()
    running = Service(folder)
    try:
        channel, listen = fake.add_channel("ops"), f"127.0.0.1:{free_port()}"
        section = {"channel": channel, "api": fake.api_url, "mode": "http", "listen": listen}
        tokens = {"slack-bot-token": fake.bot_token, "slack-signing-secret": fake.signing_secret}
        with_chat(running, {"slack": section}, tokens)
        accounts = [fake.add_person(f"p{number}") for number in range(PEOPLE)]
        link_all(running, fake, accounts)
        await asyncio.to_thread(running.start)
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    await fake.use_request_url(f"http://{listen}{EVENTS_PATH}")
                    break
                await asyncio.sleep(0.1)
        for name, within_s in _TYPED:
            acks = await type_all(fake, accounts, channel, given.rounds, within_s, settle_s=5.0)
            print(spread(f"slack over HTTP: {PEOPLE} type within {name}", acks))
    finally:
        await asyncio.to_thread(running.end)
        await fake.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def link_all(running: Service, fake: FakeChat, accounts: list[str]) -> None:
    """Make everybody a captain."""
    links = LinkFile(running.layout.links)
    for number, account in enumerate(accounts):
        links.redeem(links.code(f"p{number}", "captain"), front=fake.platform, account_id=account)


async def on_discord(folder: Path, given: Any) -> None:
    """Measure Discord."""
    fake = FakeDiscord()
    await fake.start()
    running = Service(folder)
    try:
        channel = fake.add_channel("ops")
        section = {
            "server": fake.world.guild,
            "channel": channel,
            "api": fake.api_url,
            "gateway": fake.gateway_url,
        }
        with_chat(running, {"discord": section}, {"discord-token": fake.token})
        accounts = [fake.add_person(f"p{number}", permissions=MANAGER) for number in range(PEOPLE)]
        await play(fake, running, accounts, channel, given)
    finally:
        await asyncio.to_thread(running.end)
        await fake.close()


async def play(
    fake: FakeSlack | FakeDiscord, running: Service, accounts: list[str], channel: str, given: Any
) -> None:
    """Link everybody, start the service, measure."""
    link_all(running, fake, accounts)
    await asyncio.to_thread(running.start)
    await fake.bot_is_in(within_s=60)
    await measure(fake, running, accounts, channel, given)
    await asyncio.to_thread(running.end)
    await measure_floor(fake, accounts, channel, given)


async def measure_floor(fake: FakeSlack | FakeDiscord, accounts: list[str], channel: str, given: Any) -> None:
    """Have the same people type to a bot that takes notice and does nothing else."""
    tokens = [fake.app_token] if isinstance(fake, FakeSlack) else [fake.gateway_url, fake.token]
    command = [sys.executable, "-m", "benchmarks.chat_floor", fake.platform, fake.api_url, *tokens]
    bot = await asyncio.create_subprocess_exec(*command)
    try:
        await fake.bot_is_in(within_s=60)
        for name, within_s in _TYPED:
            acks = await type_all(fake, accounts, channel, given.rounds, within_s, settle_s=0.2)
            print(spread(f"{fake.platform}: the same in {name}, the barest bot", acks))
    finally:
        bot.terminate()
        await bot.wait()


def main() -> None:
    """Measure both platforms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    for run in (on_slack, on_slack_over_http, on_discord):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(run(Path(folder), given))


if __name__ == "__main__":
    main()
