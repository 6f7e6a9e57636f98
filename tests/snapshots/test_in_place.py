"""In the place of what is there: what is shown before, what is kept, and what is refused."""

import os

import pytest

from engine.adapters import snapshot_recovery, snapshot_restore
from engine.adapters.snapshot_restore import swap
from engine.adapters.snapshot_store import SnapshotStore
from engine.errors import InputError, StorageError
from tests.snapshots.making import NOW_US, SECOND_US, chunk_files, mounted, sample, seen

LATER_US = NOW_US + 60 * SECOND_US


@pytest.fixture
def work(tmp_path):
    return sample(tmp_path / "work")


@pytest.fixture
def store(tmp_path, work):
    """A store with one snapshot of the workspace."""
    store = SnapshotStore(tmp_path / "store", wait_s=0)
    store.create({"workspace": work}, now_us=NOW_US)
    return store


def change(work):
    """Change, add and remove."""
    (work / "src" / "main.py").write_text("print('bye')\n")
    (work / "new").mkdir()
    (work / "new" / "file").write_text("x")
    (work / "key").unlink()
    (work / "there").unlink()
    (work / "there").symlink_to("elsewhere")
    (work / "src" / "run.sh").chmod(0o700)


def test_what_would_change_is_shown_before(store, work):
    assert store.changes("latest", "workspace", work).same == 14
    change(work)
    found = store.changes("latest", "workspace", work)
    assert found.added == ("key",)
    assert found.changed == ("src/main.py", "src/run.sh", "there")
    assert found.removed == ("new", "new/file")
    assert found.same == 10


def test_everything_would_come_back_where_nothing_is(tmp_path, store):
    found = store.changes("latest", "workspace", tmp_path / "nothing")
    assert (len(found.added), found.same) == (14, 0)


def test_a_replacement_leaves_the_snapshot_and_can_be_taken_back(tmp_path, store, work):
    before = seen(work)
    change(work)
    changed = seen(work)
    done = store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert seen(work) == before
    assert done.kept == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "work"]
    store.replace(done.safety_id, {"workspace": work}, now_us=LATER_US + SECOND_US)
    assert seen(work) == changed


def test_a_workspace_that_is_gone_comes_back(tmp_path, store, work):
    before = seen(work)
    work.rename(tmp_path / "away")
    done = store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert seen(work) == before
    assert done.safety_id is None


def test_several_parts_go_back_together(tmp_path, work):
    config = tmp_path / "config"
    config.mkdir()
    (config / "limits.yaml").write_text("most: 1\n")
    store = SnapshotStore(tmp_path / "store")
    store.create({"workspace": work, "config": config}, now_us=NOW_US)
    before = seen(work), seen(config)
    change(work)
    (config / "limits.yaml").write_text("most: 100\n")
    done = store.replace("latest", {"workspace": work, "config": config}, now_us=LATER_US)
    assert (seen(work), seen(config)) == before
    assert store.find(done.safety_id).parts == ("workspace", "config")


def test_what_no_snapshot_can_hold_is_kept_aside(tmp_path, store, work):
    os.mkfifo(work / "pipe")
    before = seen(work)
    done = store.replace("latest", {"workspace": work}, now_us=LATER_US)
    kept = tmp_path / "work-before-20261118T110740Z"
    assert done.kept == {"workspace": kept}
    assert seen(kept) == before


@pytest.mark.parametrize("late", ["new/late", "src/main.py"])
def test_what_somebody_writes_while_it_restores_is_kept_aside(tmp_path, store, work, monkeypatch, late):
    """The snapshot of the present is taken long before the folders are swapped."""
    build = snapshot_recovery.write_tree

    def slow(nodes, chunks, into):
        build(nodes, chunks, into)
        (work / late).parent.mkdir(exist_ok=True)
        (work / late).write_text("written meanwhile")

    monkeypatch.setattr(snapshot_recovery, "write_tree", slow)
    before = seen(work)
    done = store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert seen(work) == before
    assert (done.kept["workspace"] / late).read_text() == "written meanwhile"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "work", done.kept["workspace"].name]


def test_damage_leaves_everything_as_it_is(tmp_path, store, work):
    change(work)
    before = seen(work)
    chunk_files(store)[0].write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be restored"):
        store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert seen(work) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "work"]
    assert len(store.list()) == 2


def test_a_part_that_is_damaged_holds_back_the_others_too(tmp_path, work):
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("only here")
    store = SnapshotStore(tmp_path / "store")
    store.create({"other": other}, now_us=NOW_US)
    [damaged] = chunk_files(store)
    store.create({"workspace": work, "other": other}, now_us=NOW_US + 1)
    damaged.write_bytes(b"")
    change(work)
    (other / "file").write_text("changed")
    before = seen(work)
    with pytest.raises(StorageError, match="other/file cannot be restored"):
        store.replace("latest", {"workspace": work, "other": other}, now_us=LATER_US)
    assert seen(work) == before


@pytest.mark.parametrize("inside", [".watchkeeper", "deep/er"])
def test_a_workspace_that_holds_watchkeepers_own_folder_is_refused(work, inside):
    (work / inside).mkdir(parents=True)
    store = SnapshotStore(work / inside / "snapshots")
    store.create({"workspace": work}, apart=(work / inside,), now_us=NOW_US)
    before = seen(work)
    with pytest.raises(InputError, match="Watchkeeper's own"):
        store.replace("latest", {"workspace": work}, apart=(work / inside,), now_us=LATER_US)
    with pytest.raises(InputError, match="Watchkeeper's own"):
        store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert seen(work).keys() == before.keys()


@pytest.fixture(params=["", "inner"])
def mount(work, request):
    """A workspace that is, or holds, a file system of its own."""
    with mounted(work / request.param, "64k") as folder:
        (folder / "precious").write_text("x")
        yield folder


def test_a_mount_is_refused_and_never_emptied(store, work, mount):
    with pytest.raises(InputError, match=r"is a mount|holds a mount"):
        store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert (mount / "precious").read_text() == "x"


def test_a_link_to_the_workspace_stays_a_link(tmp_path, work):
    (tmp_path / "link").symlink_to(work)
    store = SnapshotStore(tmp_path / "store")
    info = store.create({"workspace": tmp_path / "link"}, now_us=NOW_US)
    assert info.roots == {"workspace": work}
    before = seen(work)
    change(work)
    store.replace("latest", {"workspace": tmp_path / "link"}, now_us=LATER_US)
    assert (tmp_path / "link").readlink() == work
    assert seen(work) == before


def test_where_names_cannot_be_exchanged_two_renames_do(store, work, monkeypatch):
    monkeypatch.setattr(snapshot_restore, "exchange", lambda one, other: False)
    before = seen(work)
    change(work)
    store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert seen(work) == before


def test_a_swap_cut_short_between_two_renames_is_put_right(tmp_path, store, work, monkeypatch):
    monkeypatch.setattr(snapshot_restore, "exchange", lambda one, other: False)
    (tmp_path / "new").mkdir()
    before = seen(work)
    plain = type(work).rename

    def failing(self, target):
        if self.name == "new":
            raise KeyboardInterrupt
        return plain(self, target)

    monkeypatch.setattr(type(work), "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        swap(tmp_path / "new", work)
    monkeypatch.undo()
    assert not work.exists()
    store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert seen(work) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "store", "work"]


def test_a_folder_that_may_not_be_emptied_is_kept_and_named(store, work, monkeypatch):
    monkeypatch.setattr(snapshot_recovery, "remove_tree", lambda folder: False)
    before = seen(work)
    change(work)
    done = store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert seen(work) == before
    assert (done.kept["workspace"] / "new" / "file").read_text() == "x"


def test_a_rehearsal_never_touches_what_is_there(tmp_path, store, work):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for taken in ("full", "file", "link"):
        with pytest.raises(InputError, match="is there already"):
            store.restore("latest", {"workspace": tmp_path / taken})
    (tmp_path / "empty").mkdir()
    store.restore("latest", {"workspace": tmp_path / "empty"})
    assert seen(tmp_path / "empty") == seen(work)


def test_a_part_that_is_not_in_it_is_refused(tmp_path, store):
    with pytest.raises(InputError, match=r"has no part 'config'.*it has workspace"):
        store.restore("latest", {"workspace": tmp_path / "a", "config": tmp_path / "b"})
    with pytest.raises(InputError, match="no part was named"):
        store.restore("latest", {})
    assert not (tmp_path / "a").exists()


def test_leftovers_of_a_restore_that_was_killed_are_cleared_away(tmp_path, store, work):
    left = tmp_path / ".work.restoring-20250101T000000Z-00000000-1"
    left.mkdir()
    (left / "half").touch()
    store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "work"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may delete everything")
def test_folders_that_may_not_be_written_are_replaced_too(store, work):
    before = seen(work)
    (work / "new").mkdir()
    (work / "new" / "file").touch()
    (work / "new").chmod(0o500)
    (work / "src").chmod(0o500)
    store.replace("latest", {"workspace": work}, now_us=LATER_US)
    assert seen(work) == before
