"""The kill switch, by every path, with all the other parts of the service stopped or dead."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.adapters.fence_files import FileFence
from engine.core.vocabulary.facts import EffectEnded, EffectStarted, KillSwitchSet
from tests.fence.stopping import gone, until
from tests.needs import need
from tests.service.services import Service, eventually, service

pytestmark = pytest.mark.slow

SPINNING = (str(Path(__file__).with_name("spinning_up.py")),)


class Busy:
    """A service with two effects under way and two more that wait for a free hand."""

    def __init__(self, running: Service) -> None:
        self.service = running
        self.under_way = {running.run("sleep 1000"), running.run("sleep 1001")}
        eventually(lambda: running.effects_under_way() == self.under_way, running.statuses)
        self.queued = [running.run(f"touch waited-{number}") for number in range(2)]
        self.started = len(running.facts(EffectStarted))

    def check_stopped(self) -> None:
        """See the stop on disk, what was under way gone, and nothing begun."""
        assert [str(stop.scope) for stop in FileFence(self.service.layout.stops).stops()] == ["all"]
        eventually(lambda: not self.service.effects_under_way(), self.service.left)
        self.check_nothing_begins()

    def check_nothing_begins(self) -> None:
        """See that no effect begins, neither by the journal nor by what it would leave behind."""
        time.sleep(0.5)
        assert len(self.service.facts(EffectStarted)) == self.started
        assert not list(self.service.workspace.glob("waited-*"))
        assert not self.service.effects_under_way()

    def check_recorded(self) -> None:
        """See, the engine back, how everything stands: nothing is lost, and people know."""
        running = self.service
        ended = {"stopped", "unknown"}
        eventually(
            lambda: {running.status(decision) for decision in self.under_way} <= ended, running.statuses
        )
        assert {running.status(decision) for decision in self.queued} == {"queued"}
        eventually(lambda: running.facts(KillSwitchSet))
        assert any("stopped all" in text for text in running.told("stopped")), running.told("stopped")
        refused = running.propose("shell.run", {"command": "touch waited-9"})
        assert refused.json()["word"] == "deny", refused.text
        self.check_nothing_begins()

    def check_only_a_captain_resumes(self) -> None:
        """See the stop survive a restart of everything, and then be lifted by whom it may."""
        running = self.service
        assert running.process is not None
        if running.process.poll() is None:
            assert running.stop() == 0, running.output.read_text()
        assert running.left() == {}
        running.start()
        self.check_nothing_begins()
        agent = running.post("/v1/resume", "coder", reason="I want to go on")
        assert agent.status_code == 403, agent.text
        no_reason = running.post("/v1/resume", reason=" ")
        assert no_reason.status_code == 422, no_reason.text
        assert running.cli("resume", "--reason", "x", WATCHKEEPER_TOKEN=running.token("coder")).returncode == 2
        self.check_nothing_begins()
        resumed = running.cli("resume", "--reason", "the fire is out")
        assert resumed.returncode == 0, resumed.stderr
        eventually(
            lambda: {running.status(decision) for decision in self.queued} == {"done"}, running.statuses
        )
        assert len(list(running.workspace.glob("waited-*"))) == 2


@contextlib.contextmanager
def busy(folder: Path, command: tuple[str, ...] = ("-m", "watchkeeper")) -> Iterator[Busy]:
    need(shutil.which("bwrap"), "bubblewrap is not installed")
    with service(folder, command) as running:
        yield Busy(running)


def kill_by_http(running: Service) -> None:
    answer = running.post("/v1/kill", reason="it smells of smoke")
    assert answer.status_code == 200 and answer.json()["fence"] == "set", answer.text


def kill_by_command(running: Service) -> None:
    said = running.cli("kill", "--reason", "it smells of smoke")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "durable after" in said.stdout


def kill_by_file(running: Service) -> None:
    (running.layout.stops / "all").touch()


def kill_by_signal(running: Service) -> None:
    os.kill(running.pid("supervisor"), signal.SIGUSR1)
    eventually(lambda: FileFence(running.layout.stops).stops())


PATHS = {
    "http, while supervisor, engine and worker stand still": (kill_by_http, "supervisor engine worker-1"),
    "command, while everything stands still": (kill_by_command, "supervisor engine front worker-1"),
    "signal, while engine, front and worker stand still": (kill_by_signal, "engine front worker-1"),
    "file, which the supervisor sees": (kill_by_file, "engine front worker-1"),
    "file, which the worker sees": (kill_by_file, "supervisor engine front"),
}


@pytest.mark.parametrize(("path", "still"), PATHS.values(), ids=PATHS.keys())
def test_stops_by(path, still, tmp_path):
    with busy(tmp_path) as at_work:
        running = at_work.service
        running.send(signal.SIGSTOP, *still.split())
        path(running)
        at_work.check_stopped()
        # What was killed with the supervisor stopped is not a process any more, and cannot go on.
        noted = [running.pid(name) for name in still.split() if name != "worker-1"]
        for pid in noted:
            os.kill(pid, signal.SIGCONT)
        eventually(running.is_healthy)
        at_work.check_recorded()
        at_work.check_only_a_captain_resumes()
