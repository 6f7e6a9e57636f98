"""Effects under way are written down so that anybody finds them, and never another process in their place."""

import os
import subprocess
import threading

import pytest

from engine.adapters import linux_processes
from engine.adapters.inflight import EffectWatch, InFlight
from engine.adapters.linux_processes import Process, identify, is_running, kill, kill_group
from engine.adapters.marks import container_marks, home_id, process_marks
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import EffectId
from engine.errors import Stopped, StorageError
from engine.ports import Task
from tests.fence.stopping import ACTION, AGENT, CAPABILITY, gone, running, stop


@pytest.fixture
def inflight(home):
    return InFlight(home / "inflight")


def begin(inflight: InFlight, effect: str = "d_1", **options):
    return inflight.begin(EffectId(effect), agent=AGENT, capability=CAPABILITY, action=ACTION, **options)


def task(effect: str = "d_1") -> Task:
    return Task(
        effect_id=EffectId(effect), kind="perform", of=EffectId(effect), decision_id="d_1", proposal_id="p-1",
        agent=AGENT, capability=CAPABILITY, action=ACTION, priority=5, queued_us=0, idempotent=False,
    )  # fmt: skip


# ---------------------------------------------------------------- records


def test_a_record_says_who_works_for_an_effect_until_it_ends(inflight):
    underway = begin(inflight)
    underway.process(os.getpid())
    underway.container("c0ffee")
    (record,) = inflight.all()
    assert record == underway.record
    assert (record.effect_id, record.agent, record.capability, record.action) == (
        "d_1",
        AGENT,
        CAPABILITY,
        ACTION,
    )
    assert record.worker == identify(os.getpid())
    assert record.processes == (identify(os.getpid()),)
    assert record.containers == ("c0ffee",)
    assert record.is_held
    underway.end()
    underway.end()
    assert inflight.all() == []


def test_records_of_a_dead_worker_are_told_apart(inflight):
    with running("sleep", "1000") as worker:
        begin(inflight, worker_pid=worker.pid)
    assert [record.is_held for record in inflight.all()] == [False]
    inflight.forget(EffectId("d_1"))
    assert inflight.all() == []


def test_an_effect_needs_a_worker(inflight):
    with subprocess.Popen(["true"]) as ended:
        pass
    with pytest.raises(StorageError):
        begin(inflight, worker_pid=ended.pid)


def test_a_record_that_cannot_be_written_lets_nothing_begin(home, inflight):
    (home / "inflight").touch()
    with pytest.raises(Exception, match="inflight") as refused:
        begin(inflight)
    assert "Traceback" not in str(refused.value)


def test_broken_and_half_written_records_are_left_out(home, inflight):
    begin(inflight)
    (home / "inflight" / "d_2.json").write_bytes(b"{")
    (home / "inflight" / ".watchkeeper-d_3.json.tmp").write_bytes(b"")
    (home / "inflight" / "d_4.json").mkdir()
    assert [record.effect_id for record in inflight.all()] == ["d_1"]


def test_no_folder_means_that_nothing_is_under_way(inflight):
    assert inflight.all() == []


def test_processes_said_by_many_threads_are_all_kept(inflight):
    underway = begin(inflight)
    threads = [threading.Thread(target=underway.container, args=(f"c{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (record,) = inflight.all()
    assert sorted(record.containers) == sorted(f"c{number}" for number in range(16))


@pytest.mark.parametrize("effect", ["d/../../x", "d" * 400, "\N{SNOWMAN}"])
def test_any_id_has_a_file_in_the_folder(home, inflight, effect):
    underway = begin(inflight, effect)
    assert [record.effect_id for record in inflight.all()] == [effect]
    assert len(list((home / "inflight").iterdir())) == 1
    underway.end()


# ---------------------------------------------------------------- the watch


def test_watching_keeps_a_record_for_the_block_whatever_happens_in_it(inflight, fence):
    seen = []

    def fail() -> None:
        with inflight.watching(fence, task()) as watch:
            watch.process(os.getpid())
            watch.container("c0ffee")
            seen.extend(inflight.all())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [record.containers for record in seen] == [("c0ffee",)]
    assert inflight.all() == []


def test_the_watch_lets_nothing_begin_behind_a_stop(inflight, fence):
    fence.set(stop(Scope("action", ACTION)))
    watch = EffectWatch(fence, begin(inflight))
    with pytest.raises(Stopped), watch.starting():
        pytest.fail("it began")


# ---------------------------------------------------------------- identity


def test_a_process_that_got_the_number_of_another_is_never_ended():
    with running("sleep", "1000") as stranger:
        now = identify(stranger.pid)
        before = Process(now.pid, now.started - 1, now.boot)
        last_boot = Process(now.pid, now.started, "another boot")
        for mistaken in (before, last_boot):
            assert not is_running(mistaken)
            kill(mistaken)
            kill_group(mistaken)
        assert not gone(stranger.pid)
        assert is_running(now)


def test_the_group_of_a_process_that_leads_none_is_left_alone():
    with running("sh", "-c", "sleep 1000 & wait") as leader:
        child = next(
            seen
            for _ in iter(int, 1)
            for seen in linux_processes.look_at_all().values()
            if seen.parent == leader.pid
        )
        kill_group(child.process)
        assert not gone(child.pid)
        kill_group(identify(leader.pid))
        leader.wait()


def test_a_name_with_brackets_and_blanks_does_not_confuse(tmp_path):
    odd = tmp_path / "a) R 1 1 1 (b"
    odd.symlink_to("/bin/sleep")
    with running(odd, "1000") as process:
        assert linux_processes.look(process.pid).parent == os.getpid()


def test_who_has_ended_and_was_not_asked_how_does_not_run():
    process = subprocess.Popen(["true"])
    known = identify(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(known)
    process.wait()
    assert identify(process.pid) is None


def test_marks_tell_state_folders_apart(tmp_path, home):
    assert home_id(home) == home_id(home.parent / "." / home.name)
    assert home_id(home) != home_id(tmp_path)
    assert process_marks(home, EffectId("d_1")) == {
        "WATCHKEEPER_EFFECT": "d_1",
        "WATCHKEEPER_HOME_ID": home_id(home),
    }
    assert container_marks(home, EffectId("d_1")) == {
        "watchkeeper.effect": "d_1",
        "watchkeeper.home": str(home),
    }
