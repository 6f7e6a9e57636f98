"""Replays asked for from afar: each in its own process, a few at a time, and every end is told."""

import os
import signal
import time
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.ports import ReplayWish
from simulator import job_worker, jobs
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


def opened(home: Path, *, lasting: bool = False) -> ReplayJobs:
    return ReplayJobs(
        home / "asked",
        recordings=home / "recordings",
        bundled={"demo": DEMO},
        policy=Path("config/policies").resolve(),
        policies=home / "policies",
        lasting=lasting,
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


# ------------------------------------------------------------ jobs that outlive their process


def test_what_lasts_goes_on_after_a_restart_to_the_same_end(replays, tmp_path, monkeypatch):
    whole = ended(replays, replays.start(WISH).name)
    before = opened(tmp_path, lasting=True)
    name = before.start(WISH).name
    before.close()
    assert before.job(name).state == "running"
    after = opened(tmp_path, lasting=True)
    try:
        job = ended(after, name)
        assert (job.state, job.summary) == ("done", whole.summary)
        assert job.report is not None
    finally:
        after.close()


def test_those_that_wait_their_turn_keep_it_through_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    before = opened(tmp_path, lasting=True)
    names = [before.start(WISH).name for _ in range(3)]
    before.close()
    monkeypatch.setattr(jobs, "MOST_RUNNING", 1)
    after = opened(tmp_path, lasting=True)
    try:
        assert [after.job(name).state for name in names] == ["running", "waiting", "waiting"]
        assert after.cancel(names[1]).state == "cancelled"
        assert ended(after, names[2]).state == "done"
    finally:
        after.close()


def test_what_lasts_is_cancelled_for_good_after_a_restart(tmp_path):
    before = opened(tmp_path, lasting=True)
    name = before.start(WISH).name
    before.close()
    after = opened(tmp_path, lasting=True)
    assert after.cancel(name).state == "cancelled"
    after.close()
    again = opened(tmp_path, lasting=True)
    try:
        assert again.job(name).state == "cancelled"
    finally:
        again.close()


def test_a_job_of_another_process_is_seen_and_left_alone(tmp_path, monkeypatch):
    bots = opened(tmp_path, lasting=True)
    name = bots.start(WISH).name
    # A terminal that is opened beside it, and bots that were started a second time.
    for lasting in (False, True):
        beside = opened(tmp_path, lasting=lasting)
        assert beside.job(name).state in {"waiting", "running", "done"}
        beside.close()
    try:
        monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
        waiting = bots.start(WISH).name
        beside = opened(tmp_path)
        with pytest.raises(InputError, match="another process"):
            beside.cancel(waiting)
        bots.cancel(waiting)
        assert beside.job(waiting).state == "cancelled"
        assert {job.name for job in beside.jobs()} == {name, waiting}
        beside.close()
        monkeypatch.setattr(jobs, "MOST_RUNNING", 2)
        assert ended(bots, name).state == "done"
    finally:
        bots.close()


def test_what_cannot_go_on_is_told(tmp_path, monkeypatch):
    (tmp_path / "policies" / "mine").mkdir(parents=True)
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    before = opened(tmp_path, lasting=True)
    name = before.start(ReplayWish(recording="demo", policy="mine", by="cat")).name
    before.close()
    (tmp_path / "policies" / "mine").rmdir()
    monkeypatch.setattr(jobs, "MOST_RUNNING", 1)
    after = opened(tmp_path, lasting=True)
    assert after.job(name).state == "failed"
    assert "there is no policy 'mine'" in after.job(name).error
    after.close()


def test_a_broken_record_is_passed_over(tmp_path):
    (tmp_path / "asked" / "r123456").mkdir(parents=True)
    (tmp_path / "asked" / "r123456" / "job.json").write_text("{")
    made = opened(tmp_path, lasting=True)
    assert made.jobs() == ()
    made.close()


def test_a_worker_goes_on_from_what_the_one_before_it_left(tmp_path, monkeypatch):
    told: list[jobs.Told] = []
    monkeypatch.setattr(job_worker, "_EVERY_S", 0.0)
    monkeypatch.setattr(job_worker, "tell", told.append)
    policy = Path("config/policies").resolve()

    def work(folder: Path) -> str:
        folder.mkdir(exist_ok=True)
        told.clear()
        job_worker.main(jobs.Asked(recording=DEMO, policy=policy, against=None, folder=folder))
        return told[-1].summary

    def told_to_end(what: jobs.Told) -> None:
        told.append(what)
        os.kill(os.getpid(), signal.SIGTERM)

    was = signal.getsignal(signal.SIGTERM)
    try:
        whole = work(tmp_path / "whole")
        monkeypatch.setattr(job_worker, "tell", told_to_end)
        assert "stopped before the end" in work(tmp_path / "parted")
        first = told[0].share
        monkeypatch.setattr(job_worker, "tell", told.append)
        assert work(tmp_path / "parted") == whole
        assert told[0].share > first
    finally:
        signal.signal(signal.SIGTERM, was)
