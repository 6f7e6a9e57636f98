"""Many workflows on one pool of workers: each in order, the urgent first, and nobody waits for ever."""

import shutil
import threading
import time

import pytest

from engine.core.vocabulary.facts import EffectStarted
from tests.needs import need
from tests.patience import PATIENCE_S
from tests.service.services import Service, eventually, service

pytestmark = pytest.mark.long

WORKFLOWS, STEPS = 8, 3


@pytest.fixture
def one_hand(tmp_path):
    """A service that performs one effect at a time."""
    need(shutil.which("bwrap"), "bubblewrap is not installed")
    with service(tmp_path, workers__slots=1) as made:
        yield made


def order(running: Service) -> list[str]:
    """Give the decisions in the order in which they were begun."""
    return [str(fact.decision_id) for fact in running.facts(EffectStarted)]


def test_eight_workflows_share_a_pool_and_keep_their_order(tmp_path):
    need(shutil.which("bwrap"), "bubblewrap is not installed")
    with service(tmp_path, workers__processes=2, workers__slots=2) as running:
        steps: dict[int, list[str]] = {}

        def workflow(number: int) -> None:
            steps[number] = [
                running.run(
                    f"sleep 0.1; echo {step} >>flow-{number}",
                    who=f"flow-{number}",
                    episode=f"f-{number}",
                    wait_s=60,
                )
                for step in range(STEPS)
            ]

        threads = [threading.Thread(target=workflow, args=(number,)) for number in range(WORKFLOWS)]
        for number in range(WORKFLOWS):
            running.token(f"flow-{number}")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(running.statuses().values()) == {"done"}
        for number in range(WORKFLOWS):
            assert (running.workspace / f"flow-{number}").read_text() == "0\n1\n2\n"
        begun = order(running)
        assert len(begun) == WORKFLOWS * STEPS
        # In parallel: at least as many as there are hands have begun before the first comes to its end.
        first_end = min(begun.index(steps[number][-1]) for number in range(WORKFLOWS))
        assert sum(begun.index(steps[number][0]) < first_end for number in range(WORKFLOWS)) >= 4


def test_the_urgent_ones_go_first(one_hand):
    blocker = one_hand.run("sleep 2")
    eventually(lambda: one_hand.status(blocker) == "running", one_hand.statuses)
    wanted = {priority: one_hand.run("true", priority=priority) for priority in (20, 0, -20, 10, -10)}
    eventually(lambda: set(one_hand.statuses().values()) == {"done"}, one_hand.statuses)
    assert order(one_hand) == [blocker, *(wanted[priority] for priority in sorted(wanted))]


@pytest.mark.long
def test_a_low_one_is_served_in_the_end_though_there_is_always_something_urgent(one_hand):
    """A step of priority counts as much as half a minute of waiting."""
    blocker = one_hand.run("sleep 1")
    low = one_hand.run("true", priority=1)
    urgent: list[str] = []
    until = time.monotonic() + PATIENCE_S
    while one_hand.status(low) != "done":
        assert time.monotonic() < until, one_hand.statuses()
        if list(one_hand.statuses().values()).count("queued") < 4:
            urgent.append(one_hand.run("sleep 0.3", priority=0))
        time.sleep(0.05)
    begun = order(one_hand)
    assert begun[0] == blocker
    behind = [decision for decision in urgent if decision not in begun[: begun.index(low)]]
    assert behind, "nothing urgent waited when it was served, so this shows nothing"
    assert begun.index(low) > 1, "those that came later and were more urgent went first"
