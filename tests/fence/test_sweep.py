"""A sweep ends what a stop covers, however it hides, and nothing else; it says what it could not end."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.adapters.inflight import InFlight
from engine.adapters.linux_processes import environment, look
from engine.adapters.marks import container_marks
from engine.adapters.sweep import end_all, end_left_behind
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import EffectId
from tests.docker_engine import docker_engine
from tests.fence.stopping import AGENT, Hands, children_written, gone, running, stop, until

EVERYTHING = (stop(),)
ONE_AGENT = (stop(Scope("agent", AGENT)),)


@pytest.fixture
def hands(home):
    with Hands(home) as both:
        yield both


def test_nothing_under_way_is_quiet_at_once(home):
    swept = end_all(home, EVERYTHING)
    assert (swept.effects, swept.processes, swept.alive) == ((), 0, ())
    assert str(swept) == "nothing was under way"


def test_without_a_stop_nothing_is_ended(home, hands):
    _, pid = hands.perform("d_1")
    assert end_all(home, ()).processes == 0
    assert not gone(pid)


def test_only_what_is_covered_is_ended(home, hands):
    mine, ended = hands.perform("d_1")
    _, spared = hands.perform("d_2", agent="coder-2")
    mine.end()
    hands.perform("d_3")
    swept = end_all(home, ONE_AGENT, grace_s=0.05)
    assert gone(ended), "its record is gone, and its mark still says whose it was"
    assert not gone(spared)
    assert swept.effects == ("d_3",)
    assert swept.processes == 2


def test_children_in_other_sessions_without_any_mark_are_ended(home, hands, tmp_path):
    """One that left the session, one that also wiped its environment, one whose parent has ended."""
    pids = tmp_path / "pids"
    script = (
        f"setsid sh -c 'echo $$ >> {pids}; exec sleep 1000' & "
        f"env -i setsid sh -c 'echo $$ >> {pids}; exec sleep 1000' & "
        f"(setsid sh -c 'echo $$ >> {pids}; exec sleep 1000' &) ; wait"
    )
    _, leader = hands.perform("d_1", script)
    escaped = children_written(pids, 3)
    hands.started += escaped
    swept = end_all(home, EVERYTHING, grace_s=0.05)
    assert [pid for pid in (leader, *escaped) if not gone(pid)] == []
    assert swept.alive == ()
    assert swept.processes >= 4


def test_a_group_that_forks_all_the_time_is_ended_in_one_stroke(home, hands):
    _, leader = hands.perform("d_1", "while :; do sleep 1000 & wait_a=$!; kill $wait_a; done")
    swept = end_all(home, EVERYTHING, grace_s=0.05)
    assert swept.alive == ()
    assert gone(leader)


def test_what_bears_the_mark_of_an_effect_without_a_record_is_covered_by_any_stop(home, hands):
    pid = hands.marked("d_unknown")
    assert until(lambda: b"WATCHKEEPER_EFFECT" in environment(pid))
    swept = end_all(home, ONE_AGENT)
    assert gone(pid)
    assert swept.processes == 1


def test_another_state_folders_effects_are_left_alone(tmp_path, home, hands):
    (tmp_path / "other").mkdir()
    with Hands(tmp_path / "other") as others:
        _, pid = others.perform("d_1")
        end_all(home, EVERYTHING)
        assert not gone(pid)


def test_a_stranger_with_the_number_of_an_ended_process_is_left_alone(home, hands):
    underway = hands.begin("d_1")
    with running("sleep", "1000") as stranger:
        underway.process(stranger.pid)
        path = next((home / "inflight").iterdir())
        started = look(stranger.pid).started
        now, then = b"%d,%d" % (stranger.pid, started), b"%d,%d" % (stranger.pid, started - 1)
        assert now in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(now, then))
        swept = end_all(home, EVERYTHING, grace_s=0.05)
        assert swept.processes == 0
        assert not gone(stranger.pid)


def test_a_worker_that_lets_go_in_time_lives(home, hands):
    underway, pid = hands.perform("d_1")
    letting_go = subprocess.Popen(["sleep", "0.1"])

    def let_go() -> None:
        letting_go.wait()
        underway.end()

    threading.Thread(target=let_go).start()
    swept = end_all(home, EVERYTHING, grace_s=20, deadline_s=30)
    assert (swept.workers, swept.alive) == ((), ())
    assert gone(pid)
    assert not gone(hands.worker.pid)


@pytest.mark.parametrize("how", ["stopped", "spinning"])
def test_a_wedged_worker_is_ended_and_its_record_stays(home, hands, how):
    with running(sys.executable, "-c", "while True: pass") as spinning:
        worker = spinning if how == "spinning" else hands.worker
        hands.begin("d_1", worker_pid=worker.pid)
        hands.begin("d_2", agent="coder-2")
        if how == "stopped":
            worker.send_signal(signal.SIGSTOP)
        swept = end_all(home, ONE_AGENT, grace_s=0.1)
        assert swept.workers == (worker.pid,)
        assert swept.alive == ()
        assert gone(worker.pid)
        assert {record.effect_id for record in InFlight(home / "inflight").all()} == {"d_1", "d_2"}
        assert end_all(home, ONE_AGENT).workers == (), "again is harmless"


def test_a_worker_that_sweeps_spares_itself_and_whoever_it_names(home, hands):
    hands.begin("d_1")
    hands.begin("d_2", worker_pid=os.getpid())
    began = time.monotonic()
    swept = end_all(home, EVERYTHING, spare=(hands.worker.pid,), grace_s=0.05, deadline_s=20)
    assert (swept.workers, swept.alive) == ((), ())
    assert time.monotonic() - began < 15
    assert not gone(hands.worker.pid)


def test_an_effect_that_sweeps_gets_to_the_end_of_it(home, hands, tmp_path):
    """An agent's own effect may call `watchkeeper kill`: the sweep must not end itself half-way."""
    said = tmp_path / "said"
    program = tmp_path / "sweeps.py"
    program.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from engine.adapters.sweep import end_all; from tests.fence.stopping import stop\n"
        f"print(end_all({str(home)!r}, (stop(),), grace_s=0.05), file=open({str(said)!r}, 'w'))"
    )
    hands.perform("d_1", f"sleep 1000 & {sys.executable} {program}; sleep 1000")
    assert until(lambda: said.exists() and said.read_text())
    assert said.read_text().startswith("ended 2 processes")


def test_what_cannot_be_ended_is_said(home, hands, monkeypatch):
    _, pid = hands.perform("d_1")
    monkeypatch.setattr("engine.adapters.sweep.kill", lambda process: None)
    monkeypatch.setattr("engine.adapters.sweep.kill_group", lambda process: None)
    swept = end_all(home, EVERYTHING, deadline_s=0.2, grace_s=10)
    assert any(f"process {pid} (s" in one for one in swept.alive)
    assert any(f"process {hands.worker.pid}, a worker" in one for one in swept.alive)
    assert "still there" in str(swept)


def test_it_needs_nobody_alive(home, hands):
    """The worker is dead, so is its parent; the effects run on, and are found all the same."""
    pids = [hands.perform(f"d_{number}")[1] for number in range(5)]
    hands.worker.kill()
    hands.worker.wait()
    assert all(not gone(pid) for pid in pids)
    swept = end_all(home, EVERYTHING)
    assert all(gone(pid) for pid in pids)
    assert (swept.processes, swept.workers, swept.alive) == (5, (), ())


def test_what_a_dead_worker_leaves_is_ended_and_forgotten(home, hands):
    _, left = hands.perform("d_1")
    with running("sleep", "1000") as living:
        hands.begin("d_2", worker_pid=living.pid)
        kept = hands.marked("d_2")
        hands.worker.kill()
        hands.worker.wait()
        swept = end_left_behind(home)
        assert (swept.effects, swept.processes, swept.alive) == (("d_1",), 1, ())
        assert gone(left)
        assert not gone(kept)
        assert [record.effect_id for record in InFlight(home / "inflight").all()] == ["d_2"]


def test_what_a_worker_that_stands_still_left_running_is_ended_and_the_worker_is_not(home, hands):
    _, left = hands.perform("d_1")
    _, other = hands.perform("d_2")
    hands.worker.send_signal(signal.SIGSTOP)
    swept = end_left_behind(home, EffectId("d_1"))
    assert (swept.processes, swept.workers, swept.alive) == (1, (), ())
    assert gone(left)
    assert not gone(other)
    assert not gone(hands.worker.pid)
    assert [record.effect_id for record in InFlight(home / "inflight").all()] == ["d_1", "d_2"]


def test_two_sweeps_at_once_both_end_well(home, hands):
    pids = [hands.perform(f"d_{number}", "sleep 1000 & wait")[1] for number in range(5)]
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(end_all(home, EVERYTHING, grace_s=0.1)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [swept.alive for swept in found] == [(), ()]
    assert all(gone(pid) for pid in pids)


# ---------------------------------------------------------------- containers


def test_without_docker_nothing_is_asked(home, hands, monkeypatch):
    monkeypatch.setitem(sys.modules, "docker", None)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("engine.adapters.sweep_containers._DEFAULT_SOCKET", str(home / "no.sock"))
    hands.perform("d_1")
    assert end_all(home, EVERYTHING, grace_s=0.05).alive == ()


def test_a_container_that_docker_cannot_be_asked_about_counts_as_still_there(home, hands):
    underway, pid = hands.perform("d_1")
    underway.container("c0ffee" * 10)
    swept = end_all(home, EVERYTHING, docker=f"unix://{home}/no.sock", grace_s=0.05, deadline_s=0.5)
    assert gone(pid), "what can be ended is ended meanwhile"
    assert swept.alive == ("container c0ffeec0ffee: Docker does not answer (FileNotFoundError)",)


def test_a_sweep_that_breaks_does_not_look_quiet(home, hands, monkeypatch):
    hands.begin("d_1", worker_pid=os.getpid()).container("c0ffee")
    monkeypatch.setattr("engine.adapters.sweep_containers._knock", lambda docker: 1 // 0)
    assert any("ZeroDivisionError" in one for one in end_all(home, EVERYTHING).alive)


@pytest.fixture(scope="module")
def engine():
    with docker_engine() as running_engine:
        yield running_engine


def contain(engine, home, effect: str) -> str:
    """Run a container for an effect, as the sandbox does."""
    options = {"detach": True, "network_mode": "none", "labels": container_marks(home, effect)}
    return engine.client.containers.run(engine.image, ["sleep", "1000"], **options).id


@pytest.mark.slow
def test_containers_are_found_by_record_and_by_label_and_verified_gone(engine, tmp_path, home, hands):
    (tmp_path / "other").mkdir()
    underway = hands.begin("d_1", worker_pid=os.getpid())
    named = contain(engine, home, "d_1")
    underway.container(engine.client.containers.get(named).name)
    hands.begin("d_2", agent="coder-2")
    spared = contain(engine, home, "d_2")
    unknown = contain(engine, home, "d_unknown")
    elsewhere = contain(engine, tmp_path / "other", "d_1")
    waiting = engine.client.containers.create(engine.image, ["true"], labels=container_marks(home, "d_1"))
    swept = end_all(home, ONE_AGENT, docker=engine.url)
    assert (swept.containers, swept.alive) == (3, ())
    left = {container.id for container in engine.client.containers.list(all=True)}
    assert left == {spared, elsewhere}
    assert {named, unknown, waiting.id}.isdisjoint(left)
    swept = end_all(home, EVERYTHING, docker=engine.url, grace_s=0.1)
    assert (swept.containers, swept.alive) == (1, ())
    engine.client.containers.get(elsewhere).remove(force=True)


@pytest.mark.slow
def test_an_engine_that_hangs_keeps_no_process_alive_and_is_said(engine, home, hands):
    underway, pid = hands.perform("d_1")
    underway.container(contain(engine, home, "d_1"))
    daemon = int((Path(engine.url.removeprefix("unix://")).parent / "pid").read_text())
    os.kill(daemon, signal.SIGSTOP)
    try:
        swept = end_all(home, EVERYTHING, docker=engine.url, grace_s=0.05, deadline_s=1)
        assert gone(pid)
        assert len(swept.alive) == 1
        assert "Docker " in swept.alive[0]
        for record in (home / "inflight").iterdir():
            record.unlink()
        (said,) = end_all(home, EVERYTHING, docker=engine.url, deadline_s=0.5).alive
        assert said.startswith("containers: Docker "), "one that no record names may still be there"
    finally:
        os.kill(daemon, signal.SIGCONT)
    assert until(lambda: end_all(home, EVERYTHING, docker=engine.url).alive == ())
    # What it was asked while it hung it does when it wakes, and lists what ended while taking it away.
    assert until(lambda: engine.client.containers.list(all=True) == [])
