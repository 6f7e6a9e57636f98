"""A worker that dies and a recording that is damaged half-way: one clear line, nothing left behind."""

import multiprocessing

import pytest

from engine.errors import RecordingError, StorageError
from engine.wiring import SHIPPED_POLICY, read_policy
from simulator.recording import Recording
from simulator.replay.driver import Replay
from tests.determinism import histories
from tests.determinism.gate import replay


@pytest.fixture(scope="session")
def damaged(tmp_path_factory):
    """A recording with one bit wrong, in the middle of its facts."""
    path = histories.record(tmp_path_factory.mktemp("damaged") / "made.wkr", group_facts=200)
    frames = Recording(path).frames
    frame, body = frames[len(frames) // 2], bytearray(path.read_bytes())
    body[frame.offset + frame.length // 2] ^= 1
    path.write_bytes(body)
    return path


@pytest.mark.parametrize("shards", [1, 2])
def test_a_damaged_frame_is_named(damaged, shards):
    with pytest.raises(RecordingError, match=r"made\.wkr: group \d+ lane \d at byte [\d,]+: damaged"):
        replay(damaged, shards=shards)
    assert multiprocessing.active_children() == []


def test_a_worker_that_died_is_reported(recording):
    replaying = Replay(Recording(recording), [read_policy(SHIPPED_POLICY)], shards=2)

    def kill_one(_progress):
        for worker in multiprocessing.active_children()[:1]:
            worker.kill()

    with pytest.raises(StorageError, match="a replay worker ended without a word"):
        replaying.run(kill_one)
    assert multiprocessing.active_children() == []


def test_a_worker_that_fails_early_is_still_heard(recording, tmp_path, monkeypatch):
    """The one that settles may be asking for the next group when a worker has long said what is wrong."""
    path = tmp_path / "gone.wkr"
    path.write_bytes(recording.read_bytes())
    replaying = Replay(Recording(path), [read_policy(SHIPPED_POLICY)], shards=2)

    def wait_for_it(_progress):
        path.unlink(missing_ok=True)
        for worker in multiprocessing.active_children():
            worker.join(timeout=0.3)

    with pytest.raises(RecordingError, match=r"gone\.wkr"):
        replaying.run(wait_for_it)


@pytest.mark.parametrize("shards", [1, 2])
def test_no_worker_outlives_its_replay(recording, shards):
    replay(recording, shards=shards, stop_after=1)
    assert multiprocessing.active_children() == []
