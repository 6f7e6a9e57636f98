"""Room: how many are kept, how much they take, a disk that is full, and who waits for whom."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.adapters import snapshot_restore
from engine.adapters.snapshot_shelf import used_bytes
from engine.adapters.snapshot_store import SnapshotStore
from engine.errors import StorageError
from tests.snapshots.making import (
    ALWAYS,
    NOW_US,
    SECOND_US,
    chunk_files,
    environment,
    loose_chunks,
    mounted,
    seen,
)


def series(store, work, count):
    """Take that many snapshots, each with 100 kB of its own and 100 kB that all share."""
    work.mkdir(exist_ok=True)
    (work / "shared").write_bytes(os.urandom(100_000))
    for number in range(count):
        (work / "own").write_bytes(os.urandom(100_000))
        store.create({"workspace": work}, now_us=NOW_US + number * SECOND_US)
    return [info.snapshot_id for info in store.list()]


def test_the_oldest_beyond_a_count_go_and_their_chunks_with_them(tmp_path):
    store = SnapshotStore(tmp_path / "store")
    ids = series(store, tmp_path / "work", 6)
    done = store.trim(4, ALWAYS)
    assert done.snapshot_ids == tuple(ids[:2])
    assert 200_000 <= done.freed_bytes < 201_000
    assert [info.snapshot_id for info in store.list()] == ids[2:]
    assert loose_chunks(store) == set()
    assert len(chunk_files(store)) == 5
    assert store.verify().damage == ()
    assert store.trim(4, ALWAYS).snapshot_ids == ()


def test_the_oldest_go_until_the_rest_fits(tmp_path):
    store = SnapshotStore(tmp_path / "store")
    ids = series(store, tmp_path / "work", 6)
    store.trim(48, 350_000)
    assert [info.snapshot_id for info in store.list()] == ids[4:]
    assert used_bytes(tmp_path / "store") <= 350_000
    assert store.verify().damage == ()


def test_the_newest_stays_whatever_it_takes(tmp_path):
    store = SnapshotStore(tmp_path / "store")
    ids = series(store, tmp_path / "work", 3)
    store.trim(0, 0)
    assert [info.snapshot_id for info in store.list()] == ids[-1:]
    store.restore("latest", {"workspace": tmp_path / "out"})
    assert seen(tmp_path / "out") == seen(tmp_path / "work")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    with mounted(tmp_path / "disk", "4m") as folder:
        yield folder


def test_a_disk_that_fills_up_keeps_the_snapshots_before_and_is_not_left_full(tmp_path, small_disk):
    work, store = tmp_path / "work", SnapshotStore(small_disk / "store")
    ids = series(store, work, 3)
    before = used_bytes(small_disk)
    for number in range(8):
        (work / f"more-{number}").write_bytes(os.urandom(1 << 20))
    with pytest.raises(StorageError, match="the disk is full"):
        store.create({"workspace": work}, now_us=NOW_US + 9 * SECOND_US)
    assert [info.snapshot_id for info in store.list()] == ids
    assert used_bytes(small_disk) == before
    assert store.verify().damage == ()
    (work / "more-0").rename(tmp_path / "more-0")
    for path in work.glob("more-*"):
        path.unlink()
    store.create({"workspace": work}, now_us=NOW_US + 10 * SECOND_US)


def test_a_journal_that_does_not_fit_leaves_nothing_behind(tmp_path, small_disk):
    from tests.journal.making import fill

    fill(tmp_path / "journal.db", 30_000)
    store = SnapshotStore(small_disk / "store")
    with pytest.raises(StorageError, match="the disk is full"):
        store.create({}, journal=tmp_path / "journal.db", now_us=NOW_US)
    assert chunk_files(store) == []
    assert list((small_disk / "store" / "staging").iterdir()) == []


def test_a_restore_that_would_not_fit_is_refused_before_it_begins(tmp_path, small_disk):
    work, store = tmp_path / "work", SnapshotStore(tmp_path / "store")
    work.mkdir()
    (work / "large").write_bytes(bytes(5 << 20))
    store.create({"workspace": work}, now_us=NOW_US)
    with pytest.raises(StorageError, match="5 MiB do not fit: 4 MiB are free"):
        store.restore("latest", {"workspace": small_disk / "out"})
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_during_a_restore_leaves_nothing_of_it(tmp_path, small_disk, monkeypatch):
    monkeypatch.setattr(snapshot_restore, "require_space", lambda folder, needed: None)
    monkeypatch.setattr("engine.adapters.snapshot_recovery.require_space", lambda folder, needed: None)
    work, store = tmp_path / "work", SnapshotStore(tmp_path / "store")
    work.mkdir()
    for number in range(6):
        (work / f"{number}").write_bytes(os.urandom(1 << 20))
    store.create({"workspace": work}, now_us=NOW_US)
    with pytest.raises(StorageError, match="the disk is full"):
        store.restore("latest", {"workspace": small_disk / "out"})
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_during_a_replacement_leaves_what_was_there(tmp_path, small_disk, monkeypatch):
    monkeypatch.setattr("engine.adapters.snapshot_recovery.require_space", lambda folder, needed: None)
    work, store = small_disk / "work", SnapshotStore(tmp_path / "store")
    work.mkdir()
    for number in range(3):
        (work / f"{number}").write_bytes(os.urandom(1 << 20))
    store.create({"workspace": work}, now_us=NOW_US)
    (work / "0").write_text("changed")
    before = seen(work)
    with pytest.raises(StorageError, match="the disk is full"):
        store.replace("latest", {"workspace": work}, now_us=NOW_US + SECOND_US)
    assert seen(work) == before
    assert list(small_disk.iterdir()) == [work]


# ---------------------------------------------------------------- who waits for whom


@contextlib.contextmanager
def somebody(folder, kind):
    """Have another process hold the store, to `read` or to `write`."""
    script = Path(__file__).with_name("store_process.py")
    process = subprocess.Popen(
        [sys.executable, script, "hold", kind, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    with process:
        assert process.stdout.readline() == b"held\n"
        yield process


def test_nothing_is_deleted_while_somebody_reads_or_takes_a_snapshot(tmp_path):
    store = SnapshotStore(tmp_path / "store", wait_s=0)
    series(store, tmp_path / "work", 2)
    for kind in ("read", "write"):
        with somebody(tmp_path / "store", kind):
            with pytest.raises(StorageError, match="another process is taking, restoring or checking"):
                store.trim(1, ALWAYS)
            with pytest.raises(StorageError, match="another process is taking, restoring or checking"):
                store.create({"workspace": tmp_path / "work"}, now_us=NOW_US)
    assert len(store.trim(1, ALWAYS).snapshot_ids) == 1


def test_readers_share_a_store_and_nobody_reads_while_it_is_written(tmp_path):
    store = SnapshotStore(tmp_path / "store", wait_s=0)
    series(store, tmp_path / "work", 1)
    with somebody(tmp_path / "store", "read"):
        store.restore("latest", {"workspace": tmp_path / "out"})
    with somebody(tmp_path / "store", "write"):
        assert len(store.list()) == 1
        with pytest.raises(StorageError, match="wait for it, or stop it"):
            store.restore("latest", {"workspace": tmp_path / "out-2"})


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path):
    store = SnapshotStore(tmp_path / "store", wait_s=10)
    series(store, tmp_path / "work", 2)
    with somebody(tmp_path / "store", "write") as process:
        process.kill()
        assert len(store.trim(1, ALWAYS).snapshot_ids) == 1
