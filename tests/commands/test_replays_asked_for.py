"""Replays asked for from afar: each in its own process, a few at a time, and every end is told."""

import time
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.ports import ReplayWish
from simulator import jobs
from simulator.jobs import ReplayJobs
from tests.patience import PATIENCE_S

DEMO = Path("simulator/demo.wkr").resolve()
WISH = ReplayWish(recording="demo", by="cat")

pytestmark = pytest.mark.slow


@pytest.fixture
def replays(tmp_path):
    made = opened(tmp_path)
    yield made
    made.close()


def opened(home: Path) -> ReplayJobs:
    return ReplayJobs(
        home / "asked",
        recordings=home / "recordings",
        bundled={"demo": DEMO},
        policy=Path("config/policies").resolve(),
        policies=home / "policies",
    )


def ended(replays: ReplayJobs, name: str):
    deadline = time.monotonic() + PATIENCE_S
    while (job := replays.job(name)).state in {"waiting", "running"}:
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def test_a_replay_ends_with_its_summary_and_its_report(replays):
    job = ended(replays, replays.start(WISH).name)
    assert job.state == "done", job.error
    assert "proposals, Watchkeeper allows" in job.summary
    assert job.report is not None
    assert b"<html" in job.report.read_bytes()[:200]


def test_a_replay_that_is_over_is_known_after_a_restart(replays, tmp_path):
    job = ended(replays, replays.start(WISH).name)
    again = opened(tmp_path)
    assert again.job(job.name) == job


def test_a_replay_can_be_cancelled(replays):
    name = replays.start(WISH).name
    assert replays.cancel(name).state == "cancelled"
    assert ended(replays, name).state == "cancelled"
    with pytest.raises(InputError, match="cancelled already"):
        replays.cancel(name)


def test_only_a_few_run_at_once_and_the_others_wait_their_turn(replays, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_RUNNING", 1)
    first, second = replays.start(WISH).name, replays.start(WISH).name
    assert [replays.job(name).state for name in (first, second)] == ["running", "waiting"]
    assert ended(replays, second).state == "done"


def test_a_few_may_wait_and_no_more(replays, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    monkeypatch.setattr(jobs, "MOST_WAITING", 2)
    for _ in range(2):
        replays.start(WISH)
    with pytest.raises(InputError, match="2 replays wait already"):
        replays.start(WISH)


@pytest.mark.parametrize("name", ["nosuch", "../demo", "/etc/passwd", ""])
def test_only_recordings_at_hand_are_replayed(replays, name):
    with pytest.raises(InputError, match="there is no recording"):
        replays.start(ReplayWish(recording=name, by="cat"))


def test_only_policies_at_hand_are_replayed_under(replays, tmp_path):
    (tmp_path / "policies" / "stricter").mkdir(parents=True)
    with pytest.raises(InputError, match="those there are: stricter"):
        replays.start(ReplayWish(recording="demo", policy="../../etc", by="cat"))


def test_a_policy_that_cannot_be_read_is_told(replays, tmp_path):
    (tmp_path / "policies" / "empty").mkdir(parents=True)
    job = ended(replays, replays.start(ReplayWish(recording="demo", policy="empty", by="cat")).name)
    assert job.state == "failed"
    assert "limits.yaml" in job.error


def test_what_is_too_large_belongs_into_a_terminal(replays, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="may be replayed from here"):
        replays.start(WISH)
