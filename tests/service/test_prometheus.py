"""Debian's Prometheus scrapes a running service: its target is up, and our rules see what happens."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess

import httpx
import pytest

from bot.http_api.address import read_address
from engine.adapters.token_file import TokenFile
from tests.monitoring.promtool import promtool
from tests.needs import need
from tests.patience import PATIENCE_S
from tests.service.services import eventually, service
from watchkeeper.monitoring.__main__ import FOLDER

pytestmark = pytest.mark.long
PROGRAM = "prometheus"
DECIDED = 'watchkeeper_decisions_total{capability="work",shadowed="false",verdict="allow"}'


class Watching:
    """A Prometheus and what it answers."""

    def __init__(self, client):
        self._client = client

    def ask(self, query):
        """Every sample of a query, by the labels that are ours."""
        answer = self._client.get("/api/v1/query", params={"query": query}).json()
        assert answer["status"] == "success", answer
        return [float(each["value"][1]) for each in answer["data"]["result"]]

    def target(self):
        """The one target, or nothing before it is known."""
        found = self._client.get("/api/v1/targets").json()["data"]["activeTargets"]
        return found[0] if found else {}

    def alerts(self):
        """The names of alerts that are pending or firing."""
        found = self._client.get("/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in found}


@contextlib.contextmanager
def prometheus(folder, made):
    """Run one that scrapes a service every half second, as docs/howto/metrics.md has it."""
    need(shutil.which(PROGRAM), f"{PROGRAM} is not installed: apt-get install prometheus")
    folder.mkdir()
    token = TokenFile(made.layout.tokens).create(kind="person", name="prometheus", role="viewer")[1]
    (folder / "token").write_text(token)
    address = read_address(made.layout.address)
    scraping = {
        "job_name": "watchkeeper",
        "metrics_path": "/v1/metrics",
        "authorization": {"credentials_file": str(folder / "token")},
        "static_configs": [{"targets": [f"127.0.0.1:{address.port}"]}],
    }
    config = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(FOLDER / "prometheus" / "watchkeeper.rules.yaml")],
        "scrape_configs": [scraping],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    promtool("check", "config", folder / "prometheus.yml")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [
        PROGRAM, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S) as client:

            def ready():
                assert process.poll() is None, (folder / "log").read_text()
                with contextlib.suppress(httpx.HTTPError):
                    return client.get("/-/ready").status_code == 200
                return False

            eventually(ready)
            yield Watching(client)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_it_scrapes_a_service_and_sees_a_stop_and_a_dead_engine(tmp_path):
    with service(tmp_path) as made, prometheus(tmp_path / "prometheus", made) as watching:
        for nth in range(3):
            made.propose("note.put", {"name": f"a{nth}", "pause_s": 0}, wait_s=30)
        eventually(lambda: watching.ask(DECIDED) == [3.0], watching.target)
        assert watching.target()["health"] == "up", watching.target()
        eventually(lambda: watching.ask('watchkeeper_effects_total{kind="perform",status="done"}') == [3.0])
        assert watching.ask("watchkeeper_engine_up") == [1.0]
        # Before the first scrape there was none, and it began to count how long.
        eventually(lambda: not watching.alerts(), watching.alerts)

        assert made.cli("kill", "--reason", "a try").returncode == 0
        eventually(lambda: "WatchkeeperKillSwitchSet" in watching.alerts(), watching.alerts)
        made.send(signal.SIGSTOP, "engine")
        try:
            eventually(lambda: watching.ask("watchkeeper_engine_up") == [0.0])
            assert watching.target()["health"] == "up", "the front answers by itself"
            assert watching.ask(DECIDED) == [3.0]
            eventually(lambda: "WatchkeeperEngineDown" in watching.alerts(), watching.alerts)
        finally:
            made.send(signal.SIGCONT, "engine")
        # A restart of the front loses no count.
        made.send(signal.SIGKILL, "front")
        eventually(lambda: not made.is_healthy())
        eventually(made.is_healthy)
        with made.http() as client:
            eventually(lambda: f"{DECIDED} 3.0" in client.get("/v1/metrics").text)
            said = client.get("/v1/metrics").text
        promtool("check", "metrics", given=said)
