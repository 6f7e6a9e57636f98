"""The kill switch, by every path, with all the other parts of the service stopped or dead."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.adapters.fence_files import FileFence
from engine.core.vocabulary.facts import EffectStarted, KillSwitchSet
from tests.fence.stopping import gone
from tests.needs import need
from tests.service.services import Service, eventually, service

pytestmark = pytest.mark.long

SPINNING = (str(Path(__file__).with_name("spinning_up.py")),)


class Busy:
    """A service with two effects under way and two more that wait for a free hand."""

    def __init__(self, running: Service) -> None:
        self.service = running
        self.under_way = {running.run("sleep 1000"), running.run("sleep 1001")}
        eventually(lambda: running.effects_under_way() == self.under_way, running.statuses)
        self.queued = [running.run(f"touch waited-{number}") for number in range(2)]
        self.started = len(running.facts(EffectStarted))

    def ends(self) -> set[str]:
        """Say how what was under way stands."""
        return {self.service.status(decision) for decision in self.under_way}

    def left_behind(self) -> list[Path]:
        """Give what the effects that waited leave behind once they were performed."""
        return list(self.service.workspace.glob("waited-*"))

    def check_stopped(self) -> None:
        """See the stop on disk, what was under way gone, and nothing begun."""
        assert [str(stop.scope) for stop in FileFence(self.service.layout.stops).stops()] == ["all"]
        eventually(lambda: not self.service.effects_under_way(), self.service.left)
        self.check_nothing_begins()

    def check_nothing_begins(self) -> None:
        """See that no effect begins, neither by the journal nor by what it would leave behind."""
        time.sleep(0.5)
        assert len(self.service.facts(EffectStarted)) == self.started
        assert not self.left_behind()
        assert not self.service.effects_under_way()

    def check_recorded(self) -> None:
        """See, the engine back, how everything stands: nothing is lost, and people know."""
        running = self.service
        eventually(lambda: self.ends() <= {"stopped", "unknown"}, running.statuses)
        assert {running.status(decision) for decision in self.queued} == {"queued"}
        eventually(lambda: running.facts(KillSwitchSet))
        running.tells("stopped", "stopped all")
        refused = running.propose("shell.run", {"command": "touch waited-9"})
        assert refused.json()["word"] == "deny", refused.text
        self.check_nothing_begins()

    def check_only_a_captain_resumes(self) -> None:
        """See who may not lift the stop, and then that work goes on where it was held."""
        running = self.service
        agent = running.post("/v1/resume", "coder", reason="I want to go on")
        assert agent.status_code == 403, agent.text
        no_reason = running.post("/v1/resume", reason=" ")
        assert no_reason.status_code == 422, no_reason.text
        self.check_nothing_begins()
        resumed = running.post("/v1/resume", reason="the fire is out")
        assert resumed.status_code == 200, resumed.text
        self.check_goes_on()

    def check_goes_on(self) -> None:
        """See what was held be done."""
        running = self.service
        eventually(
            lambda: {running.status(decision) for decision in self.queued} == {"done"}, running.statuses
        )
        assert len(self.left_behind()) == 2
        for path in self.left_behind():
            path.unlink()


@pytest.fixture(scope="module")
def services(tmp_path_factory) -> Iterator[Callable[[], Service]]:
    """One service for all tests that leave theirs as it was; a new one after a test that did not."""
    need(shutil.which("bwrap"), "bubblewrap is not installed")
    with contextlib.ExitStack() as all_of_them:
        made: list[Service] = []

        def clean() -> Service:
            if not made or made[-1].effects_under_way() or FileFence(made[-1].layout.stops).stops():
                made.append(all_of_them.enter_context(service(tmp_path_factory.mktemp("service"))))
            return made[-1]

        yield clean


@contextlib.contextmanager
def busy(folder: Path, command: tuple[str, ...] = ("-m", "watchkeeper")) -> Iterator[Busy]:
    """A busy service of a test's own."""
    need(shutil.which("bwrap"), "bubblewrap is not installed")
    with service(folder, command, workers__drain_s=2.0) as running:
        yield Busy(running)


def kill_by_http(running: Service) -> None:
    answer = running.post("/v1/kill", reason="it smells of smoke")
    assert answer.status_code == 200, answer.text
    assert answer.json()["fence"] == "set"


def kill_by_command(running: Service) -> None:
    said = running.cli("kill", "--reason", "it smells of smoke")
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.startswith("stopped all"), said.stdout


def kill_by_file(running: Service) -> None:
    (running.layout.stops / "all").touch()


def kill_by_signal(running: Service) -> None:
    os.kill(running.pid("supervisor"), signal.SIGUSR1)
    eventually(lambda: FileFence(running.layout.stops).stops())


class Case(NamedTuple):
    """How a stop is set, and what stands still or is dead meanwhile."""

    path: Callable[[Service], None]
    still: tuple[str, ...]
    dead: tuple[str, ...] = ()


CASES = {
    "http alone": Case(kill_by_http, ("supervisor", "engine", "worker-1")),
    "command alone": Case(kill_by_command, ("supervisor", "engine", "front", "worker-1")),
    "command with the front dead": Case(kill_by_command, ("supervisor", "engine"), ("front",)),
    "signal alone": Case(kill_by_signal, ("engine", "front", "worker-1")),
    "file and supervisor": Case(kill_by_file, ("engine", "front", "worker-1")),
    "file and worker": Case(kill_by_file, ("supervisor", "engine", "front")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_stops_by(case, services):
    at_work = Busy(services())
    running = at_work.service
    # Nobody starts again what died, while the supervisor stands still.
    running.send(signal.SIGSTOP, *case.still)
    running.send(signal.SIGKILL, *case.dead)
    still = [running.pid(name) for name in case.still]
    try:
        case.path(running)
        at_work.check_stopped()
    finally:
        # A worker that stood still was killed: it held on to an effect behind the stop.
        for pid in still:
            if not gone(pid):
                os.kill(pid, signal.SIGCONT)
    eventually(running.is_healthy)
    at_work.check_recorded()
    at_work.check_only_a_captain_resumes()


@pytest.mark.parametrize("path", [kill_by_http, kill_by_file])
def test_it_stops_while_the_engine_spins(path, tmp_path):
    with busy(tmp_path, SPINNING) as at_work:
        running = at_work.service
        running.send(signal.SIGUSR2, "engine")
        spins = running.pid("engine")
        ticks = _cpu_ticks(spins) + 50
        eventually(lambda: _cpu_ticks(spins) > ticks)
        path(running)
        at_work.check_stopped()
        assert _cpu_ticks(spins) > ticks, "it spins no more, so this shows nothing"
        os.kill(spins, signal.SIGKILL)
        eventually(running.is_healthy)
        at_work.check_recorded()


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11])


def test_a_stop_outlives_everything(tmp_path):
    """Supervisor, engine and front are killed, the worker is still at it: then the command stops it."""
    with busy(tmp_path) as at_work:
        running = at_work.service
        worker = running.pid("worker-1")
        running.send(signal.SIGKILL, "front", "engine", "supervisor")
        assert at_work.service.effects_under_way() == at_work.under_way
        kill_by_command(running)
        at_work.check_stopped()
        eventually(lambda: gone(worker))
        assert running.process is not None
        running.process.wait()
        running.start()
        at_work.check_recorded()
        assert running.stop() == 0
        assert running.left() == {}
        running.start()
        at_work.check_nothing_begins()
        agent = running.cli("resume", "--reason", "x", WATCHKEEPER_TOKEN=running.token("coder"))
        assert (agent.returncode, "takes a captain" in agent.stderr) == (2, True), agent.stderr
        assert running.cli("resume").returncode == 2
        resumed = running.cli("resume", "--reason", "the fire is out")
        assert resumed.returncode == 0, resumed.stderr
        at_work.check_goes_on()


def test_a_dead_supervisor_takes_everything_along(tmp_path):
    with busy(tmp_path) as at_work:
        running = at_work.service
        running.send(signal.SIGKILL, "supervisor")
        assert running.process is not None
        running.process.wait()
        eventually(lambda: not running.left(), running.left)
        assert FileFence(running.layout.stops).stops() == ()
        assert len(running.facts(EffectStarted)) == at_work.started
        running.start()
        eventually(lambda: at_work.ends() <= {"unknown", "stopped"}, running.statuses)
        at_work.check_goes_on()


def test_a_stop_of_one_agent_leaves_the_others_at_work(services):
    running = services()
    bad, good = running.run("sleep 1000", who="coder"), running.run("sleep 1001", who="cleaner")
    eventually(lambda: running.effects_under_way() == {bad, good}, running.statuses)
    assert running.post("/v1/kill", scope="agent:coder", reason="it deletes").status_code == 200
    eventually(lambda: running.effects_under_way() == {good}, running.left)
    eventually(lambda: running.status(bad) == "stopped", running.statuses)
    assert running.status(good) == "running"
    assert running.propose("shell.run", {"command": "true"}, who="coder").json()["word"] == "deny"
    assert running.status(running.run("true", who="cleaner", wait_s=30)) == "done"
    assert running.post("/v1/kill", scope="agent:cleaner").status_code == 200
    eventually(lambda: not running.effects_under_way(), running.left)
    for name in ("coder", "cleaner"):
        assert running.post("/v1/resume", scope=f"agent:{name}", reason="mended").status_code == 200
