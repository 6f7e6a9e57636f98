"""The supervisor, as a process of its own over real processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.adapters.announcements import Announcements
from engine.adapters.fence_files import FileFence
from engine.adapters.inflight import InFlight
from engine.runtime.layout import Layout
from engine.runtime.processes import read_processes, supervisor_pid
from tests.fence.stopping import gone, running, stop, until
from tests.patience import PATIENCE_S

HERE = Path(__file__).parent


class Watched:
    """A supervisor that runs, and what can be seen of it."""

    def __init__(self, home: Path, process: subprocess.Popen[bytes]) -> None:
        self.home, self.process = home, process
        self.layout = Layout(home)

    def diary(self) -> list[str]:
        """Say what happened to its processes, in order; numbers left out."""
        with contextlib.suppress(FileNotFoundError):
            return [" ".join(line.split()[:2]) for line in (self.home / "diary").read_text().splitlines()]
        return []

    def pid(self, name: str) -> int:
        """Give the number of one of its processes, once it runs."""
        assert until(lambda: f"{name} began" in self.diary()), self.diary()
        lines = [line.split() for line in (self.home / "diary").read_text().splitlines()]
        return int([words[2] for words in lines if words[:2] == [name, "began"]][-1])

    def told(self, kind: str) -> list[str]:
        """Say what people were told."""
        return [one.text for one in Announcements(self.layout.announcements).recent(100) if one.kind == kind]

    def send(self, number: int) -> None:
        """Send the supervisor a signal."""
        self.process.send_signal(number)

    def seen(self, name: str):
        """Give what it wrote down about one of its processes."""
        noted = read_processes(self.layout)
        return next(one for one in noted.processes if one.name == name) if noted else None


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def supervised(home: Path, parts: dict[str, str], **pace):
    """Run a supervisor over parts that behave as said; whatever is left of it is ended afterwards."""
    program = [sys.executable, str(HERE / "part.py"), str(home)]
    commands = {name: [*program, name, how] for name, how in parts.items()}
    words = [HERE / "supervised.py", home, json.dumps(commands), json.dumps(pace)]
    with running(sys.executable, *words, stderr=subprocess.PIPE) as process:
        watched = Watched(home, process)
        try:
            yield watched
        finally:
            noted = read_processes(watched.layout)
            process.kill()
            for one in noted.processes if noted else ():
                if one.pid is not None and not gone(one.pid):
                    with contextlib.suppress(OSError):
                        os.killpg(one.pid, signal.SIGKILL)


THREE = {"engine": "serves", "front": "serves", "worker-1": "serves"}


def began(watched: Watched, *names: str) -> None:
    for name in names:
        watched.pid(name)


# ---------------------------------------------------------------- starting and ending


def test_a_clean_stop_drains_front_then_workers_then_engine(home):
    parts = {"engine": "serves", "front": "slow:0.2", "worker-1": "slow:0.3", "worker-2": "serves"}
    with supervised(home, parts) as watched:
        began(watched, *parts)
        watched.send(signal.SIGTERM)
        assert watched.process.wait(PATIENCE_S) == 0
        left = [line.split()[0] for line in watched.diary() if line.endswith((" told", " left"))]
        assert left[:2] == ["front", "front"]
        assert set(left[2:6]) == {"worker-1", "worker-2"}
        assert left[6:] == ["engine", "engine"]
        assert watched.told("restarted") == []
        noted = read_processes(watched.layout)
        assert (noted.supervisor, [one.pid for one in noted.processes]) == (None, [None] * 4)


def test_one_that_does_not_leave_in_time_is_killed(home):
    with supervised(home, {"engine": "serves", "worker-1": "deaf"}, drain_s=0.2) as watched:
        began(watched, "engine", "worker-1")
        watched.send(signal.SIGINT)
        assert watched.process.wait(PATIENCE_S) == 0
        assert watched.diary()[-1] == "engine left"
        assert watched.seen("worker-1").last_exit == "was ended by SIGKILL"


def test_a_second_interrupt_hurries(home):
    with supervised(home, {"engine": "serves", "worker-1": "deaf"}, drain_s=300, hurry_s=0.1) as watched:
        began(watched, "engine", "worker-1")
        watched.send(signal.SIGINT)
        assert until(lambda: "worker-1 told" in watched.diary())
        watched.send(signal.SIGINT)
        assert watched.process.wait(PATIENCE_S) == 0


def test_what_crashes_is_started_again_with_longer_and_longer_waits_and_people_are_told(home):
    with supervised(home, {"engine": "serves", "worker-1": "crash"}, first_wait_s=0.05) as watched:
        assert until(lambda: len(watched.told("restarted")) >= 4)
        assert watched.told("restarted")[:4] == [
            f"worker-1 ended with status 3; it is started again in {wait} s" for wait in (0.05, 0.1, 0.2, 0.4)
        ]
        assert watched.diary().count("engine began") == 1
        # It is written down right after people are told.
        assert until(lambda: watched.seen("worker-1").restarts >= 4)
        seen = watched.seen("worker-1")
        assert seen.last_exit == "ended with status 3"


def test_a_process_that_ran_steadily_is_started_again_at_once(home):
    with supervised(home, {"worker-1": "serves"}, first_wait_s=0.01, steady_s=0.0) as watched:
        for turn in range(3):
            assert until(lambda turn=turn: watched.diary().count("worker-1 began") == turn + 1)
            os.kill(watched.pid("worker-1"), signal.SIGKILL)
        assert until(lambda: len(watched.told("restarted")) == 3)
        assert set(watched.told("restarted")) == {
            "worker-1 was ended by SIGKILL; it is started again in 0.01 s"
        }


def test_a_refusal_that_starting_again_does_not_mend_stops_everything_with_its_message(home):
    with supervised(home, {"front": "serves", "engine": "refuse"}) as watched:
        assert watched.process.wait(PATIENCE_S) == 78
        assert watched.told("trouble") == [
            "engine refuses to run: watchkeeper: the policy is wrong (mend it)"
        ]
        assert watched.diary().count("engine began") == 1


def test_a_program_that_is_not_there_is_such_a_refusal(home):
    words = [HERE / "supervised.py", home, json.dumps({"engine": ["/no/such/program"]}), "{}"]
    with running(sys.executable, *words, stderr=subprocess.PIPE) as process:
        assert process.wait(PATIENCE_S) == 78
        assert b"/no/such/program cannot be started: No such file or directory" in process.stderr.read()


def test_what_the_machine_does_not_let_start_is_tried_again(home):
    (home / "log").touch()
    with supervised(home, {"engine": "serves"}, first_wait_s=0.01, longest_wait_s=0.05) as watched:
        assert until(lambda: len(watched.told("trouble")) >= 2)
        assert watched.told("trouble")[0] == (
            "engine cannot be started (File exists); it is tried again in 0.01 s"
        )
        (home / "log").unlink()
        began(watched, "engine")


def test_while_workers_drain_an_engine_that_crashes_is_started_again(home):
    with supervised(home, {"engine": "serves", "worker-1": "slow:1"}, drain_s=20) as watched:
        began(watched, "engine", "worker-1")
        first = watched.pid("engine")
        watched.send(signal.SIGTERM)
        assert until(lambda: "worker-1 told" in watched.diary())
        os.kill(first, signal.SIGKILL)
        assert watched.process.wait(PATIENCE_S) == 0
        assert watched.diary().count("engine began") == 2


def test_a_new_configuration_restarts_one_after_another(home):
    with supervised(home, THREE, between_restarts_s=0.01) as watched:
        began(watched, *THREE)
        before = len(watched.diary())
        watched.send(signal.SIGHUP)
        assert until(lambda: len(watched.diary()) == before + 9)
        names = [line.split()[0] for line in watched.diary()[before:]]
        # The new one may write its first line a moment after the next is told to leave.
        assert sorted(names) == sorted(["engine", "worker-1", "front"] * 3)
        assert [line for line in watched.diary()[before:] if line.endswith(" told")] == [
            "engine told",
            "worker-1 told",
            "front told",
        ]
        assert all(one.restarts == 0 for one in read_processes(watched.layout).processes)


def test_a_wrong_configuration_restarts_nothing(home):
    with supervised(home, THREE) as watched:
        began(watched, *THREE)
        (home / "wrong").touch()
        watched.send(signal.SIGHUP)
        assert until(lambda: watched.told("trouble"))
        assert watched.told("trouble") == [
            "the new configuration is refused, all goes on with the old one: watchkeeper.yaml:3: no such key"
        ]
        assert len(watched.diary()) == 3


# ---------------------------------------------------------------- one, and what it leaves


def test_a_second_supervisor_on_the_same_folder_is_refused_in_one_line(home):
    with supervised(home, THREE) as watched:
        began(watched, *THREE)
        with supervised(home, THREE) as second:
            assert second.process.wait(PATIENCE_S) == 2
            said = second.process.stderr.read().decode()
        first = watched.process.pid
        assert said == (
            f"watchkeeper: {home}: process {first} runs Watchkeeper on this state folder already "
            f"(use that one, stop it with `kill {first}`, or choose another folder)\n"
        )
        assert watched.process.poll() is None


def test_who_supervises_is_known_as_long_as_it_does(home):
    assert supervisor_pid(Layout(home)) is None
    with supervised(home, THREE) as watched:
        began(watched, *THREE)
        assert supervisor_pid(watched.layout) == watched.process.pid
        assert watched.seen("engine").pid == watched.pid("engine")
        watched.process.kill()
        watched.process.wait()
        assert supervisor_pid(watched.layout) is None
        assert read_processes(watched.layout).supervisor == watched.process.pid


def test_nothing_lives_on_when_the_supervisor_is_killed(home):
    with supervised(home, THREE) as watched:
        pids = [watched.pid(name) for name in THREE]
        watched.process.kill()
        watched.process.wait()
        assert until(lambda: all(gone(pid) for pid in pids))
        assert sorted(line for line in watched.diary() if line.endswith(" left")) == [
            "engine left",
            "front left",
            "worker-1 left",
        ]


def test_orphans_of_its_processes_are_asked_how_they_ended(home):
    """As the first process of a container it is everybody's last parent."""
    script = f"(sleep 0.2 & echo $! > {home}/orphan) ; exec sleep 1000"
    words = [HERE / "supervised.py", home, json.dumps({"worker-1": ["sh", "-c", script]}), "{}"]
    with running(sys.executable, *words, stderr=subprocess.DEVNULL) as process:
        assert until(lambda: (home / "orphan").exists() and (home / "orphan").read_text().strip())
        orphan = int((home / "orphan").read_text())
        assert until(lambda: not Path(f"/proc/{orphan}").exists())
        process.terminate()
        process.wait(PATIENCE_S)


# ---------------------------------------------------------------- stops


def test_a_worker_that_holds_a_stopped_effect_is_killed_and_its_record_tidied_away(home):
    with supervised(home, {"engine": "serves", "worker-1": "holds"}) as watched:
        assert until(lambda: "worker-1 holds" in watched.diary())
        held = watched.pid("worker-1")
        os.kill(held, signal.SIGSTOP)
        FileFence(home / "stops").set(stop())
        assert until(lambda: gone(held))
        assert until(lambda: watched.told("stopped"))
        assert watched.told("stopped") == ["kim stopped all: it smells of smoke; ended 1 wedged worker"]
        assert until(lambda: watched.diary().count("worker-1 began") == 2)
        assert watched.diary().count("engine began") == 1


def test_a_file_made_by_hand_ends_what_is_under_way(home):
    with supervised(home, {"engine": "serves", "worker-1": "holds"}) as watched:
        assert until(lambda: "worker-1 holds" in watched.diary())
        held = watched.pid("worker-1")
        (home / "stops" / "capability:restart").touch()
        assert until(lambda: gone(held))


@pytest.mark.parametrize("wedged", ["engine", "front"])
def test_a_stop_works_with_engine_and_front_stopped_or_spinning(home, wedged):
    parts = {"engine": "spins", "front": "spins", "worker-1": "holds"}
    with supervised(home, parts) as watched:
        assert until(lambda: "worker-1 holds" in watched.diary())
        held = watched.pid("worker-1")
        os.kill(watched.pid(wedged), signal.SIGSTOP)
        FileFence(home / "stops").set(stop())
        assert until(lambda: gone(held))


def test_a_signal_stops_everything_durably(home):
    with supervised(home, {"engine": "serves", "worker-1": "holds"}) as watched:
        assert until(lambda: "worker-1 holds" in watched.diary())
        held = watched.pid("worker-1")
        watched.send(signal.SIGUSR1)
        assert until(lambda: gone(held))
        (standing,) = FileFence(home / "stops").stops()
        assert (str(standing.scope), standing.by) == ("all", "signal")
        assert watched.process.poll() is None, "the supervisor goes on: people look at it now"


def test_a_signal_ends_even_the_processes_when_the_fence_cannot_be_set(home):
    with supervised(home, {"engine": "serves", "worker-1": "deaf"}) as watched:
        worker = watched.pid("worker-1")
        (home / "stops").rmdir()
        (home / "stops").symlink_to("/proc/nowhere")
        watched.send(signal.SIGUSR1)
        assert watched.process.wait(PATIENCE_S) == 78
        assert gone(worker)
        assert "the fence cannot be set, so all is ended" in watched.told("failsafe")[0]


def test_what_a_killed_worker_leaves_running_is_ended(home):
    """The effect is in a session of its own, as runners start them."""
    with supervised(home, {"engine": "serves", "worker-1": "serves"}) as watched:
        worker = watched.pid("worker-1")
        with running("sleep", "1000") as effect:
            underway = InFlight(home / "inflight").begin(
                "d_1", agent="a", capability="c@1", action="x", worker_pid=worker
            )
            underway.process(effect.pid)
            os.kill(worker, signal.SIGKILL)
            assert until(lambda: effect.poll() is not None)
        assert until(lambda: InFlight(home / "inflight").all() == [])


def test_a_stop_that_stands_from_before_still_stands(home):
    FileFence(home / "stops").set(stop())
    with supervised(home, {"worker-1": "holds"}, first_wait_s=0.05) as watched:
        assert until(lambda: watched.told("stopped"))
        assert FileFence(home / "stops").stops() == (stop(),)


def test_looking_at_the_fence_costs_next_to_nothing(home):
    """Fifty looks a second took half a hundredth of a core when this was written."""
    with supervised(home, {"engine": "serves"}) as watched:
        began(watched, "engine")

        def ran_ns() -> int:
            return int(Path(f"/proc/{watched.process.pid}/schedstat").read_text().split()[0])

        before, start = ran_ns(), time.monotonic_ns()
        time.sleep(2)
        share = (ran_ns() - before) / (time.monotonic_ns() - start)
        print(f"{share:.2%} of a core")
        assert share < 0.05
