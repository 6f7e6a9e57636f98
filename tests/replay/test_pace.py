"""`--speed` waits for the recorded moment, by a clock that tests can hold in the hand."""

import time
from types import SimpleNamespace

import pytest

from engine.core.vocabulary.facts import MetricObserved, ProposalReceived
from engine.core.vocabulary.units import SECOND_US
from engine.wiring import SHIPPED_POLICY, read_policy
from simulator.recording import Recording
from simulator.replay import driver
from tests.builders import NOON_US, proposal
from tests.determinism.gate import replay
from tests.determinism.histories import record


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 1000.0
        self.naps = []
        self.on_nap = lambda: None

    def sleep(self, seconds):
        self.on_nap()
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    fake = SimpleNamespace(monotonic=lambda: made.now, sleep=made.sleep, perf_counter=lambda: made.now)
    monkeypatch.setattr(driver, "time", fake)
    return made


@pytest.fixture
def minute(tmp_path):
    """Sixty-one seconds, one proposal in each, two groups, with telemetry to the end."""
    facts = [
        ProposalReceived(at_us=NOON_US + n * SECOND_US, proposal=proposal(proposal_id=f"p-{n}"))
        for n in range(41)
    ]
    facts += [MetricObserved(at_us=NOON_US + n * SECOND_US, series="a", value=n) for n in range(41, 61)]
    return record(tmp_path / "minute.wkr", facts, group_facts=30)


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 60), (60.0, 1), (0.5, 120)])
def test_a_minute_takes_a_minute_at_speed_one(minute, clock, speed, seconds):
    assert replay(minute, speed=speed).finished
    assert sum(clock.naps) == pytest.approx(seconds)


def test_as_fast_as_it_goes_never_sleeps(minute, clock):
    assert replay(minute).finished
    assert clock.naps == []


def test_it_never_sleeps_long_so_that_somebody_can_stop_it(minute, clock):
    replay(minute, speed=0.001)
    assert max(clock.naps) <= 0.1


def test_stopping_ends_the_waiting_at_once(minute, clock):
    sources = [read_policy(SHIPPED_POLICY)]
    replaying = driver.Replay(Recording(minute), sources, speed=0.000_001)
    clock.on_nap = replaying.stop
    end = replaying.run()
    assert not end.finished
    assert len(clock.naps) == 1


def test_pace_does_not_show_in_any_hash(minute, clock):
    assert replay(minute, speed=30.0).tracks == replay(minute).tracks


def test_real_time_passes_too(minute):
    began = time.monotonic()
    replay(minute, speed=120.0)
    assert time.monotonic() - began >= 0.5
