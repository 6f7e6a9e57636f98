"""The undo log: whole records or none, safe names, and nothing let go that is still needed."""

import itertools
import json
import os
import subprocess
import sys
import threading

import pytest

from engine.adapters.undo_log import FolderUndoLog
from engine.errors import StorageError
from tests.runners.small_disk import small_disk

RECORD = {"kind": "file", "n": 1}


@pytest.fixture
def log(tmp_path):
    return FolderUndoLog(tmp_path / "undo")


def test_a_record_and_its_blobs_come_back(log, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"from a file")
    log.save("d_1", RECORD, {"a": b"\0\xff", "b": source})
    assert log.load("d_1") == RECORD
    assert log.blob("d_1", "a").read_bytes() == b"\0\xff"
    assert log.blob("d_1", "b").read_bytes() == b"from a file"


def test_what_was_never_saved_is_none(log):
    assert log.load("d_1") is None
    assert log.list() == ()
    assert log.trim(keep=1, most_bytes=1, in_use=()) == ()


def test_saving_again_replaces_record_and_blobs(log):
    log.save("d_1", RECORD, {"a": b"old", "gone": b"x"})
    log.save("d_1", {"n": 2}, {"a": b"new"})
    assert log.load("d_1") == {"n": 2}
    assert log.blob("d_1", "a").read_bytes() == b"new"
    with pytest.raises(StorageError, match="'gone'"):
        log.blob("d_1", "gone")
    assert len(list(log.blob("d_1", "a").parent.iterdir())) == 2


IDS = [
    "../../etc/passwd",
    "..",
    ".",
    "",
    "a/b",
    "\0",
    ".hidden",
    "x" * 5000,
    "x-0",
    "naïve ✓",
    "A",
    "a",
]


def test_no_id_leads_out_of_the_folder_or_to_another(log, tmp_path):
    for number, effect_id in enumerate(IDS):
        log.save(effect_id, {"n": number}, {"blob": b"%d" % number})
    assert [log.load(effect_id)["n"] for effect_id in IDS] == list(range(len(IDS)))
    assert {path.name for path in tmp_path.iterdir()} == {"undo"}
    assert {kept.effect_id for kept in log.list()} == set(IDS)


@pytest.mark.parametrize("hurt", ["blob", "missing", "record", "value", "cut"])
def test_a_damaged_record_is_refused(log, hurt):
    log.save("d_1", RECORD, {"a": b"content"})
    blob = log.blob("d_1", "a")
    record = blob.parent / "record.json"
    if hurt == "blob":
        blob.write_bytes(b"c0ntent")
    elif hurt == "missing":
        blob.unlink()
    elif hurt == "record":
        record.write_bytes(b"{}")
    elif hurt == "value":
        record.write_text(record.read_text().replace('"n":1', '"n":2'))
    else:
        record.write_bytes(record.read_bytes()[:-5])
    with pytest.raises(StorageError, match=r"damaged|missing") as caught:
        log.load("d_1")
    assert caught.value.cure
    assert len(log.list()) == 1


def test_a_record_moved_to_another_effect_is_refused(log):
    log.save("d_1", RECORD, {})
    place = log.blob_folder = next((log._folder).iterdir())
    place.rename(place.with_name("d_2"))
    with pytest.raises(StorageError, match="damaged"):
        log.load("d_2")


def test_the_oldest_go_first_and_none_in_use(log):
    for number in range(6):
        log.save(f"d_{number}", {"n": number}, {"a": b"x" * 1000})
    assert log.trim(keep=3, most_bytes=1 << 20, in_use={"d_0"}) == ("d_1", "d_2", "d_3")
    assert [kept.effect_id for kept in log.list()] == ["d_0", "d_4", "d_5"]
    assert log.load("d_1") is None
    assert log.load("d_0") == {"n": 0}


def test_size_counts_as_well(log):
    for number in range(4):
        log.save(f"d_{number}", {}, {"a": b"x" * 10_000})
    assert log.trim(keep=100, most_bytes=25_000, in_use=()) == ("d_0", "d_1")
    assert sum(kept.size_bytes for kept in log.list()) <= 25_000


def test_in_use_stays_whatever_it_takes(log):
    log.save("d_1", {}, {"a": b"x" * 10_000})
    assert log.trim(keep=0, most_bytes=0, in_use={"d_1"}) == ()
    assert log.load("d_1") == {}


def test_what_a_crash_left_is_swept_away_later(log, tmp_path):
    log.save("d_1", {}, {})
    young, old, gone = (tmp_path / "undo" / name for name in ("young", "old", ".gone-1"))
    for place in (young, old, gone):
        place.mkdir()
        (place / ".new-1").write_bytes(b"half")
    os.utime(old, (1, 1))
    log.trim(keep=10, most_bytes=1 << 20, in_use=())
    assert sorted(path.name for path in (tmp_path / "undo").iterdir()) == ["d_1", "young"]


def test_only_the_owner_may_read_it(log, tmp_path):
    log.save("d_1", RECORD, {"a": b"secret"})
    blob = log.blob("d_1", "a")
    modes = [path.stat().st_mode & 0o077 for path in (blob, blob.parent / "record.json", blob.parent)]
    assert modes == [0, 0, 0]


def test_a_full_disk_refuses_and_keeps_the_old_record(tmp_path):
    with small_disk(tmp_path / "disk", kib=128) as disk:
        log = FolderUndoLog(disk / "undo")
        log.save("d_1", RECORD, {"a": b"old"})
        with pytest.raises(StorageError, match="full"):
            log.save("d_1", {"n": 2}, {"a": b"x" * (1 << 20)})
        assert log.load("d_1") == RECORD
        assert log.blob("d_1", "a").read_bytes() == b"old"
        log.save("d_2", RECORD, {"a": b"fits again"})


def test_a_file_where_the_folder_should_be_is_a_storage_error(tmp_path):
    (tmp_path / "undo").write_text("")
    with pytest.raises(StorageError):
        FolderUndoLog(tmp_path / "undo").save("d_1", {}, {})


CRASHES = """
import os, sys
from pathlib import Path
from engine.adapters.undo_log import FolderUndoLog
log, after = FolderUndoLog(Path(sys.argv[1])), int(sys.argv[2])
log.save("d_1", {"n": 1}, {"a": b"old", "b": b"older"})
calls = 0
def count(name, original):
    def counted(*args, **kwargs):
        global calls
        if calls == after:
            os._exit(9)
        calls += 1
        return original(*args, **kwargs)
    return counted
for name in ("open", "fsync", "replace", "rename", "unlink", "mkdir", "close", "write"):
    setattr(os, name, count(name, getattr(os, name)))
log.save("d_1", {"n": 2}, {"a": b"new", "b": b"newer", "c": b"old"})
"""


def test_a_crash_at_any_point_leaves_the_old_record_or_the_new_one(tmp_path):
    seen = set()
    for after in itertools.count():
        folder = tmp_path / str(after)
        ended = subprocess.run([sys.executable, "-c", CRASHES, folder, str(after)], check=False).returncode
        log = FolderUndoLog(folder)
        record = log.load("d_1")
        blobs = {name: log.blob("d_1", name).read_bytes() for name in ("a", "b")}
        assert (record, blobs) in (
            ({"n": 1}, {"a": b"old", "b": b"older"}),
            ({"n": 2}, {"a": b"new", "b": b"newer"}),
        )
        seen.add(record["n"])
        if ended == 0:
            break
    assert after > 10, "the crashes came at too few points to prove anything"
    assert seen == {1, 2}


def test_one_process_may_trim_while_another_saves(log):
    failures = []

    def save(name):
        try:
            for number in range(30):
                log.save(f"{name}{number}", {"n": number}, {"a": b"x" * 100})
        except StorageError as error:
            failures.append(error)

    threads = [threading.Thread(target=save, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    in_use = {f"{name}{number}" for name in "ab" for number in range(30)}
    while any(thread.is_alive() for thread in threads):
        assert log.trim(keep=1, most_bytes=1, in_use=in_use) == ()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(log.list()) == 60


def test_a_record_is_json_that_people_can_read(log):
    log.save("d_1", RECORD, {"a": b"x"})
    stored = json.loads((log.blob("d_1", "a").parent / "record.json").read_bytes())
    assert stored["record"] == RECORD
    assert stored["effect_id"] == "d_1"
