"""The sink `alertmanager`, against Debian's own."""

import asyncio
import json
import shutil
import socket
import subprocess
import urllib.request
from contextlib import asynccontextmanager

import pytest
from msgspec import structs

from engine.adapters.machine_time import now_us
from notifiers.alertmanager import Alertmanager
from notifiers.channel import NotSent
from tests.needs import need
from tests.notifiers.messages import ESCALATION, HOSTILE, message
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
PROGRAM = "prometheus-alertmanager"


@asynccontextmanager
async def alertmanager(folder):
    """Run one, and give a channel to it and a look at what stands there."""
    need(shutil.which(PROGRAM), f"{PROGRAM} is not installed")
    (folder / "am.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    flags = [
        f"--config.file={folder}/am.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, *flags, "--cluster.listen-address="], stdout=log, stderr=log)
    channel = Alertmanager(url)

    async def standing():
        answer = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/api/v2/alerts").read())
        return json.loads(answer)

    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    if await channel.check("") == "":
                        break
                except NotSent:
                    assert process.poll() is None, (folder / "log").read_text()
                    await asyncio.sleep(0.1)
        yield channel, standing
    finally:
        await channel.close()
        process.terminate()
        process.wait()


def asked(**changes):
    return structs.replace(message(), sent_us=now_us(), **changes)


async def test_an_escalation_stands_there_until_it_is_over(tmp_path):
    async with alertmanager(tmp_path) as (channel, standing):
        mine = asked()
        assert await channel.reconcile(mine) is None
        assert (await channel.send(mine)).delivery == "accepted"
        await channel.send(structs.replace(mine, attempt=2))
        (shown,) = await standing()
        assert shown["status"]["state"] == "active"
        assert shown["labels"] == {
            "alertname": "Watchkeeper",
            "escalation": ESCALATION,
            "severity": "warning",
        }
        assert shown["annotations"]["summary"] == "Restart the database?"
        assert shown["annotations"]["description"].startswith("It does not answer since 02:10.\n")
        assert shown["generatorURL"] == message().link
        assert await channel.reconcile(mine) is not None
        over = asked(purpose="over")
        assert await channel.reconcile(over) is None
        await channel.send(over)
        assert await standing() == []
        assert await channel.reconcile(over) is not None
        await channel.send(over)


async def test_what_became_worse_leaves_nothing_behind_when_it_is_over(tmp_path):
    async with alertmanager(tmp_path) as (channel, standing):
        await channel.send(asked())
        await channel.send(asked(severity="critical"))
        await channel.send(asked(escalation_id="e_another"))
        await channel.send(asked(purpose="over", severity="critical"))
        (left,) = await standing()
        assert left["labels"]["escalation"] == "e_another"


async def test_it_takes_whatever_an_agent_wrote(tmp_path):
    async with alertmanager(tmp_path) as (channel, standing):
        await channel.send(asked(title=HOSTILE, lines=(HOSTILE,), about=HOSTILE, drill=True))
        (shown,) = await standing()
        assert "{{7*7}}" in shown["annotations"]["summary"]
        assert shown["labels"]["drill"] == "true"
