"""The fence against real processes: none begins behind it, none that hangs keeps it from being set."""

import os
import random
import signal
import time
from bisect import bisect_left, bisect_right
from contextlib import ExitStack

import pytest

from engine.adapters.fence_files import FileFence
from engine.adapters.linux_processes import identify
from engine.adapters.sweep import end_all
from engine.core.vocabulary.facts import Scope
from engine.errors import Stopped
from tests.fence.stopping import ACTION, AGENT, CAPABILITY, gone, helper, stop, until
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.unmeasured

ROUNDS = 200


def moments(output: bytes) -> list[int]:
    """Read what the starters wrote; a line that was cut when they were killed does not count."""
    return [int(line) for line in output.split(b"\n")[:-1]]


def between(moments: list[int], spans: list[tuple[int, int]]) -> int:
    """Count the moments, in order, that lie within one of the spans."""
    return sum(bisect_left(moments, end) - bisect_right(moments, begin) for begin, end in spans)


@pytest.mark.slow
def test_nothing_covered_begins_after_set_has_returned(home, tmp_path):
    """Eight beginners, four processes of two threads; one of the processes belongs to another agent."""
    # Patient, so that a machine too busy to run a beginner does not make it look wedged.
    fence = FileFence(home / "stops", patience_s=30)
    dice = random.Random(1)
    quiet: list[tuple[int, int]] = []
    took_s: list[float] = []
    # Into files, since a full pipe would keep a beginner in the middle of beginning.
    outputs = [tmp_path / f"beginner-{number}" for number in range(4)]
    with ExitStack() as beginners:
        for number, output in enumerate(outputs):
            file = beginners.enter_context(output.open("wb"))
            agent = "coder-1" if number < 3 else "coder-2"
            beginners.enter_context(helper("starter.py", home, agent, 2, stdout=file))
            assert until(output.read_bytes)
        for turn in range(ROUNDS):
            mine = stop(Scope("agent", "coder-1"), reason=str(turn))
            before = time.monotonic()
            fence.set(mine)
            after = time.monotonic_ns()
            took_s.append(time.monotonic() - before)
            time.sleep(dice.uniform(0, 0.006))
            quiet.append((after, time.monotonic_ns()))
            fence.clear(mine.scope)
            time.sleep(dice.uniform(0, 0.006))
    begun = sorted(moment for output in outputs[:3] for moment in moments(output.read_bytes()))
    elsewhere = moments(outputs[3].read_bytes())
    behind, free = between(begun, quiet), between(elsewhere, quiet)
    print(f"{len(begun)} began, {behind} behind the fence; the slowest set took {max(took_s):.3f} s")
    assert begun
    assert behind == 0
    assert free, "an agent that was not stopped went on"
    assert fence.stops() == ()


@pytest.mark.slow
def test_a_setter_killed_at_any_moment_leaves_no_stop_or_a_whole_one(home):
    seed = 7
    dice = random.Random(seed)
    found = []
    for turn in range(40):
        with helper("setter.py", home) as setter:
            assert setter.stdout.readline() == b"begins\n"
            time.sleep(dice.uniform(0, 0.02))
            setter.send_signal(signal.SIGKILL)
        stops = FileFence(home / "stops").stops()
        assert stops in ((), (stop(Scope("agent", AGENT), reason="x" * 3_000),)), f"seed {seed}, turn {turn}"
        found.append(len(stops))
    assert len(set(found)) == 2, "both were seen"


def test_a_beginner_that_was_stopped_half_way_delays_the_stop_by_no_more_than_its_patience(home):
    fence = FileFence(home / "stops", patience_s=0.1)
    with helper("starter.py", home, AGENT, "stay") as stuck:
        assert stuck.stdout.readline() == b"in\n"
        stuck.send_signal(signal.SIGSTOP)
        fence.set(stop())
        assert [one.pid for one in fence.settle()] == [stuck.pid]
        swept = end_all(home, fence.stops(), grace_s=0.1)
        assert swept.workers == (stuck.pid,)
        assert swept.alive == ()
        assert gone(stuck.pid)
        assert fence.settle() == ()
        stuck.send_signal(signal.SIGCONT)
        assert stuck.stdout.read() == b"", "it never got any further"


def test_one_that_hangs_over_an_effect_nobody_stopped_is_left_alone(home):
    fence = FileFence(home / "stops", patience_s=0.1)
    with helper("starter.py", home, "coder-2", "stay") as stuck:
        assert stuck.stdout.readline() == b"in\n"
        fence.set(stop(Scope("agent", AGENT)))
        swept = end_all(home, fence.stops(), grace_s=0.1)
        assert (swept.workers, swept.alive) == ((), ())
        assert not gone(stuck.pid)


def test_one_that_gets_through_its_beginning_in_time_is_ended_and_its_worker_lives(home, fence):
    """Starting a container takes longer than setting a stop is patient."""
    with helper("starter.py", home, AGENT, "slowly") as slow:
        assert slow.stdout.readline() == b"in\n"
        fence.set(stop())
        swept = end_all(home, fence.stops(), grace_s=20, deadline_s=30)
        assert (swept.workers, swept.processes, swept.alive) == ((), 1, ())
        assert slow.wait(PATIENCE_S) == 0


def test_one_that_hangs_over_an_effect_without_a_record_is_ended_by_any_stop(home, fence):
    with helper("starter.py", home, "coder-2", "stay") as stuck:
        assert stuck.stdout.readline() == b"in\n"
        for record in (home / "inflight").iterdir():
            record.unlink()
        swept = end_all(home, (stop(Scope("agent", AGENT)),), grace_s=0.1)
        assert swept.workers == (stuck.pid,)


def test_a_setter_that_was_stopped_half_way_lets_nothing_begin(home, fence, monkeypatch):
    """Whether its stop is on the disk cannot be known yet."""
    monkeypatch.setattr("engine.adapters.fence_files._DOOR_PATIENCE_S", 0.05)
    import fcntl

    with (home / "fence.door").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        with pytest.raises(Stopped, match="has not finished"), fence.starting(AGENT, CAPABILITY, ACTION):
            pytest.fail("it began")
        fence.set(stop())
        assert fence.stops() == (stop(),), "a second setter is not kept"


def test_a_program_started_inside_the_block_does_not_hold_the_fence(home, fence):
    from tests.fence.stopping import running

    with fence.starting(AGENT, CAPABILITY, ACTION):
        started = running("sleep", "1000", close_fds=False)
        process = started.__enter__()
    assert fence.settle(patience_s=1.0) == ()
    assert not gone(process.pid)
    started.__exit__(None, None, None)


def test_a_child_forked_inside_the_block_does_not_hold_the_fence(home, fence):
    with fence.starting(AGENT, CAPABILITY, ACTION):
        child = os.fork()
        if not child:
            time.sleep(1000)
            os._exit(0)
    try:
        assert identify(child)
        assert fence.settle(patience_s=0.5) == ()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert until(lambda: fence.settle() == ())
