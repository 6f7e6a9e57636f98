"""What all runners do alike: output that fits, and threads that nobody leaves behind."""

import asyncio
import threading

import pytest

from engine.adapters.performing import MOST_OUTPUT, Stopwatch, in_thread
from tests.patience import PATIENCE_S


def test_a_long_output_keeps_its_ends_and_says_how_much_is_gone():
    output = Stopwatch().done("begin" + "x" * (3 * MOST_OUTPUT) + "end").output
    assert output.startswith("beginx")
    assert output.endswith("xend")
    assert f"[{2 * MOST_OUTPUT + 8} signs left out]" in output
    assert len(output) < MOST_OUTPUT + 100


@pytest.mark.parametrize("at", [MOST_OUTPUT // 2 - 5, 3 * MOST_OUTPUT - MOST_OUTPUT // 2 - 15])
def test_a_secret_across_the_cut_is_not_half_seen(at):
    token = "ghp_" + "A1b2C3d4E5" * 4
    text = " " * at + token
    text += " " * (3 * MOST_OUTPUT - len(text))
    output = Stopwatch().done(text).output
    assert not any(token[i : i + 8] in output for i in range(len(token) - 8))


def test_a_failure_gives_no_secret_away_either():
    result = Stopwatch().failed("cannot log in as x:hunter2", secrets=("hunter2",))
    assert "hunter2" not in result.error
    assert not result.success


@pytest.mark.asyncio
async def test_a_thread_ends_before_whoever_was_cancelled_returns():
    begun, go, ended = threading.Event(), threading.Event(), []

    def work(_):
        begun.set()
        go.wait(PATIENCE_S)
        ended.append(True)

    task = asyncio.ensure_future(in_thread(work, timeout_s=10))
    await asyncio.to_thread(begun.wait, 10)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


@pytest.mark.asyncio
async def test_what_is_finished_late_is_returned_all_the_same():
    go = threading.Event()
    asyncio.get_running_loop().call_later(0.05, go.set)
    assert await in_thread(lambda _: go.wait(PATIENCE_S), timeout_s=0.01) is True


@pytest.mark.asyncio
async def test_whoever_checks_stops_when_the_time_is_up():
    go = threading.Event()

    def work(patience):
        go.wait(PATIENCE_S)
        patience.check()

    asyncio.get_running_loop().call_later(0.05, go.set)
    with pytest.raises(TimeoutError):
        await in_thread(work, timeout_s=0.01)
