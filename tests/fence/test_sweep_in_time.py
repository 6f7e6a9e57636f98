"""A sweep in time: what begins while it looks, and what begins after its stop was lifted, it leaves alone."""

import threading

import pytest

from engine.adapters import sweep
from engine.adapters.sweep import end_all, end_left_behind
from tests.fence.stopping import ALL, Hands, gone, stop
from tests.patience import PATIENCE_S


@pytest.fixture
def hands(home):
    with Hands(home) as both:
        yield both


def test_a_sweep_leaves_alone_what_began_after_its_stop_was_lifted(home, hands, fence):
    """It is slow to begin with, and by then a captain has resumed: its stop covers nothing any more."""
    fence.set(stop())
    looked, lifted = threading.Event(), threading.Event()

    def slow_look():
        looked.set()
        assert lifted.wait(PATIENCE_S)
        return real_look()

    real_look = sweep.look_at_all
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "look_at_all", slow_look)
        found = []
        sweeping = threading.Thread(target=lambda: found.append(end_all(home, fence.stops(), grace_s=0.05)))
        sweeping.start()
        assert looked.wait(PATIENCE_S)
        fence.clear(ALL)
        _, pid = hands.perform("d_after")
        lifted.set()
        sweeping.join()
    assert (found[0].processes, found[0].workers, gone(pid)) == (0, (), False)


def test_a_stop_that_could_not_be_set_counts_to_the_end(home, hands):
    _, pid = hands.perform("d_1")
    assert end_all(home, (stop(),), grace_s=0.05).processes == 1
    assert gone(pid)


def test_what_begins_during_a_look_is_no_stray(home, hands):
    """Its record was not there when the sweep began, and is there before its process is."""
    begun = []

    def look_late():
        if not begun:
            begun.append(hands.perform("d_late", agent="other")[1])
        return real_look()

    real_look = sweep.look_at_all
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "look_at_all", look_late)
        swept = end_left_behind(home)
    assert (swept.processes, gone(begun[0])) == (0, False)
