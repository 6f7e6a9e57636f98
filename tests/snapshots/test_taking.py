"""What a snapshot takes in, what it leaves out, and what it does not read twice."""

import os
import socket
import stat
from pathlib import Path

import pytest

from engine.adapters import snapshot_tree
from engine.adapters.snapshot_manifest import read_nodes
from engine.adapters.snapshot_store import SnapshotStore
from engine.adapters.snapshot_tree import TreeReader
from engine.errors import InputError, StorageError
from tests.snapshots.making import NOW_US, SECOND_US, loose_chunks, sample


@pytest.fixture
def store(tmp_path):
    return SnapshotStore(tmp_path / "store", wait_s=0)


def nodes(store, info):
    """The manifest's nodes by path."""
    return {node.path: node for node in read_nodes(store._shelf.manifest(info.snapshot_id))}


@pytest.fixture
def reads(monkeypatch):
    """The paths of the files that are read, as they are."""
    found = []
    plain = TreeReader._content

    def noting(self, handle, node):
        found.append(node.path)
        return plain(self, handle, node)

    monkeypatch.setattr(TreeReader, "_content", noting)
    return found


@pytest.fixture
def without_the_step(monkeypatch):
    """Let files settle at once: a test need not wait two seconds for each."""
    monkeypatch.setattr(snapshot_tree, "_STEP_NS", -(10**12))


def test_an_unchanged_file_is_not_read_again(tmp_path, store, reads, without_the_step):
    work = sample(tmp_path / "work")
    first = store.create({"workspace": work}, now_us=NOW_US)
    assert len(reads) == first.files
    reads.clear()
    (work / "nothing").write_text("something")
    second = store.create({"workspace": work}, now_us=NOW_US + SECOND_US)
    assert reads == ["nothing"]
    assert second.stored_bytes < 100
    assert second.size_bytes == first.size_bytes + 9
    assert store.verify().damage == ()


def test_what_changed_just_before_it_was_read_is_read_again(tmp_path, store, reads):
    work = tmp_path / "work"
    work.mkdir()
    (work / "hot").write_text("one")
    info = store.create({"workspace": work}, now_us=NOW_US)
    assert not nodes(store, info)["hot"].settled
    known = (work / "hot").stat()
    (work / "hot").write_text("two")
    os.utime(work / "hot", ns=(known.st_atime_ns, known.st_mtime_ns))
    reads.clear()
    store.create({"workspace": work}, now_us=NOW_US + SECOND_US)
    assert reads == ["hot"]


def test_a_change_whose_time_was_set_back_is_seen(tmp_path, store, without_the_step):
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("one")
    store.create({"workspace": work}, now_us=NOW_US)
    known = (work / "file").stat()
    (work / "file").write_text("two")
    os.utime(work / "file", ns=(known.st_atime_ns, known.st_mtime_ns))
    store.create({"workspace": work}, now_us=NOW_US + SECOND_US)
    store.restore("latest", {"workspace": tmp_path / "out"})
    assert (tmp_path / "out" / "file").read_text() == "two"


def test_equal_files_are_kept_once(tmp_path, store):
    work = tmp_path / "work"
    work.mkdir()
    for number in range(20):
        (work / str(number)).write_bytes(b"the same" * 1000)
    store.create({"workspace": work}, now_us=NOW_US)
    assert len(store._shelf.chunks.sizes()) == 1


def test_a_file_that_grows_shares_what_it_had(tmp_path, store):
    work = tmp_path / "work"
    work.mkdir()
    (work / "log").write_bytes(os.urandom(9 << 20))
    store.create({"workspace": work}, now_us=NOW_US)
    with (work / "log").open("ab") as file:
        file.write(os.urandom(1000))
    second = store.create({"workspace": work}, now_us=NOW_US + SECOND_US)
    assert second.stored_bytes < 1.1 * (1 << 20)


def test_sockets_pipes_and_devices_are_named_as_left_out(tmp_path, store):
    work = tmp_path / "work"
    work.mkdir()
    os.mkfifo(work / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(work / "socket"))
        info = store.create({"workspace": work}, now_us=NOW_US)
    found = nodes(store, info)
    assert info.left_out == 2
    assert (found["pipe"].kind, found["pipe"].why) == ("left_out", "a pipe")
    assert (found["socket"].kind, found["socket"].why) == ("left_out", "a socket")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named_as_left_out(tmp_path, store):
    work = tmp_path / "work"
    (work / "closed").mkdir(parents=True)
    (work / "secret").write_text("x")
    (work / "secret").chmod(0)
    (work / "closed").chmod(0)
    info = store.create({"workspace": work}, now_us=NOW_US)
    assert {path: node.why for path, node in nodes(store, info).items() if node.why} == {
        "closed": "permission denied",
        "secret": "permission denied",
    }
    (work / "closed").chmod(0o700)


def test_the_stores_own_folder_is_left_out_of_a_workspace_that_contains_it(tmp_path):
    work = sample(tmp_path / "work")
    home = work / ".watchkeeper"
    store = SnapshotStore(home / "snapshots")
    (home / "undo").mkdir(parents=True)
    (home / "undo" / "1").write_text("x")
    (home / "kept").write_text("x")
    info = store.create({"workspace": work}, apart=(home / "undo",), now_us=NOW_US)
    own = {path for path in nodes(store, info) if path.startswith(".watchkeeper")}
    assert own == {".watchkeeper", ".watchkeeper/kept"}


def test_patterns_leave_out_what_a_gitignore_would(tmp_path, store):
    work = tmp_path / "work"
    for path in ("a/node_modules/x", "build/x", "a/build/x", "b.pyc", "keep.pyc", os.fsdecode(b"\xff.pyc")):
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).touch()
    patterns = ("node_modules/", "/build", "*.pyc", "!keep.pyc")
    info = store.create({"workspace": work}, exclude=patterns, now_us=NOW_US)
    assert set(nodes(store, info)) == {"", "a", "a/build", "a/build/x", "keep.pyc"}


def test_a_file_that_never_holds_still_is_noted_as_torn(tmp_path, store, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    (work / "log").write_text("x")
    plain, tries = TreeReader._read, []

    def growing(self, handle):
        answer = plain(self, handle)
        tries.append(1)
        with (work / "log").open("a") as file:
            file.write("x")
        return answer

    monkeypatch.setattr(TreeReader, "_read", growing)
    info = store.create({"workspace": work}, now_us=NOW_US)
    assert (info.torn, len(tries)) == (1, 3)
    monkeypatch.undo()
    store.restore("latest", {"workspace": tmp_path / "out"})
    assert (tmp_path / "out" / "log").read_text() == "xxx"


def test_a_file_that_changes_once_is_read_again_and_is_whole(tmp_path, store, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    (work / "log").write_text("x")
    plain, tries = TreeReader._read, []

    def changing(self, handle):
        answer = plain(self, handle)
        if not tries:
            (work / "log").write_text("yy")
        tries.append(1)
        return answer

    monkeypatch.setattr(TreeReader, "_read", changing)
    info = store.create({"workspace": work}, now_us=NOW_US)
    assert (info.torn, len(tries)) == (0, 2)
    store.restore("latest", {"workspace": tmp_path / "out"})
    assert (tmp_path / "out" / "log").read_text() == "yy"


def test_a_folder_swapped_for_a_link_between_two_looks_is_not_entered(tmp_path, store, monkeypatch):
    work, secret = tmp_path / "work", tmp_path / "secret"
    (work / "inner").mkdir(parents=True)
    secret.mkdir()
    (secret / "password").write_text("x")
    plain = os.stat

    def swapping(name, **options):
        answer = plain(name, **options)
        if name == "inner" and stat.S_ISDIR(answer.st_mode):
            (work / "inner").rmdir()
            (work / "inner").symlink_to(secret)
        return answer

    monkeypatch.setattr(os, "stat", swapping)
    info = store.create({"workspace": work}, now_us=NOW_US)
    monkeypatch.undo()
    assert nodes(store, info)["inner"].kind == "left_out"
    assert info.files == 0


def test_a_pipe_put_in_the_place_of_a_file_does_not_hang_it(tmp_path, store, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("x")
    plain = os.stat

    def swapping(name, **options):
        answer = plain(name, **options)
        if name == "file" and stat.S_ISREG(answer.st_mode):
            (work / "file").unlink()
            os.mkfifo(work / "file")
        return answer

    monkeypatch.setattr(os, "stat", swapping)
    info = store.create({"workspace": work}, now_us=NOW_US)
    monkeypatch.undo()
    assert nodes(store, info)["file"].why == "replaced by something else while it was read"


def test_what_is_nested_too_deep_is_named_and_no_trouble(tmp_path, store):
    work = tmp_path / "work"
    work.mkdir()
    here = os.open(work, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    info = store.create({"workspace": work}, now_us=NOW_US)
    assert info.left_out == 1
    store.restore("latest", {"workspace": tmp_path / "out"})


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_root_that_is_no_folder_is_refused_and_nothing_is_left(tmp_path, store, kind):
    (tmp_path / "file").touch()
    sample(tmp_path / "work")
    with pytest.raises(InputError, match=kind):
        store.create({"a": tmp_path / "work", "b": tmp_path / kind}, now_us=NOW_US)
    assert store.list() == []
    assert loose_chunks(store) == set()


def test_a_pattern_that_is_none_is_refused(tmp_path, store):
    (tmp_path / "work").mkdir()
    with pytest.raises(InputError, match="not a path pattern"):
        store.create({"workspace": tmp_path / "work"}, exclude=["a", "!"], now_us=NOW_US)


def test_only_its_owner_may_look_into_a_store(tmp_path, store):
    store.create({"workspace": sample(tmp_path / "work")}, now_us=NOW_US)
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


def test_two_snapshots_of_one_moment_are_two(tmp_path, store):
    work = tmp_path / "work"
    work.mkdir()
    first = store.create({"workspace": work}, now_us=NOW_US)
    (work / "new").touch()
    second = store.create({"workspace": work}, now_us=NOW_US + 1)
    assert [info.snapshot_id for info in store.list()] == [first.snapshot_id, second.snapshot_id]
    assert store.find("latest") == second


def test_a_snapshot_is_found_by_the_beginning_of_its_name(tmp_path, store):
    work = tmp_path / "work"
    work.mkdir()
    first = store.create({"workspace": work}, now_us=NOW_US)
    store.create({"workspace": work}, now_us=NOW_US + 60 * SECOND_US)
    assert first.snapshot_id.startswith("20261118T110640Z-")
    assert store.find("20261118T110640Z") == first
    for name in ("2026", "2025", "", "../x"):
        with pytest.raises(InputError, match="watchkeeper snapshot list"):
            store.find(name)


def test_a_store_that_is_not_there_has_no_snapshots(tmp_path):
    store = SnapshotStore(tmp_path / "none")
    assert store.list() == []
    with pytest.raises(StorageError, match="there are no snapshots here"):
        store.verify()
    assert not Path(tmp_path / "none").exists()
