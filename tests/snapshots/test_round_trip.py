"""What comes back is what was there, to the byte, whatever the names and contents."""

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.snapshot_manifest import quoted, unquoted
from engine.adapters.snapshot_store import SnapshotStore
from tests.snapshots.making import NOW_US, SECOND_US, sample, seen

IS_ROOT = os.geteuid() == 0

names = st.binary(min_size=1, max_size=12).filter(
    lambda name: name not in {b".", b".."} and not set(name) & set(b"/\0")
)
times = st.integers(0, 2**33 * 10**9)
# Only root may read what its mode forbids, and nobody else may set these bits on every machine.
file_modes = st.integers(0, 0o7777) if IS_ROOT else st.integers(0, 0o777).map(lambda mode: mode | 0o400)
folder_modes = st.integers(0, 0o7777) if IS_ROOT else st.integers(0, 0o777).map(lambda mode: mode | 0o700)
files = st.tuples(st.just("file"), st.binary(max_size=200), file_modes, times)
links = st.tuples(st.just("link"), names, st.none(), times)
hard_links = st.tuples(st.just("hard"), st.integers(0, 20), st.none(), times)
leaves = st.one_of(files, links, hard_links)
trees = st.recursive(
    leaves,
    lambda inner: st.tuples(
        st.just("folder"), st.dictionaries(names, inner, max_size=4), folder_modes, times
    ),
    max_leaves=12,
)
roots = st.tuples(st.just("folder"), st.dictionaries(names, trees, max_size=5), folder_modes, times)


def plant(path: Path, tree: tuple, made: list[Path]) -> None:
    """Make what a drawn tree says."""
    kind, content, mode, time_ns = tree
    if kind == "folder":
        path.mkdir()
        for name, inner in content.items():
            plant(path / os.fsdecode(name), inner, made)
        path.chmod(mode)
    elif kind == "link":
        path.symlink_to(os.fsdecode(content))
    elif kind == "hard" and made:
        path.hardlink_to(made[content % len(made)])
    else:
        path.write_bytes(content if isinstance(content, bytes) else b"")
        path.chmod(mode if mode is not None else 0o600)
        made.append(path)
    os.utime(path, ns=(time_ns, time_ns), follow_symlinks=False)


@given(roots)
def test_any_tree_comes_back_to_the_byte(tree):
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        plant(place / "work", tree, [])
        before = seen(place / "work")
        store = SnapshotStore(place / "store")
        info = store.create({"workspace": place / "work"}, now_us=NOW_US)
        assert (info.left_out, info.torn) == (0, 0)
        store.restore(info.snapshot_id, {"workspace": place / "out"})
        assert seen(place / "out") == before
        assert seen(place / "work") == before


@given(roots, roots)
def test_any_tree_takes_the_place_of_any_other_to_the_byte(old, new):
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        work, store = place / "work", SnapshotStore(place / "store")
        plant(work, old, [])
        before = seen(work)
        first = store.create({"workspace": work}, now_us=NOW_US)
        work.rename(place / "put away")
        plant(work, new, [])
        other = seen(work)
        done = store.replace(first.snapshot_id, {"workspace": work}, now_us=NOW_US + SECOND_US)
        assert seen(work) == before
        assert done.kept == {}
        assert {path.name for path in place.iterdir()} == {"work", "put away", "store"}
        store.replace(done.safety_id, {"workspace": work}, now_us=NOW_US + 2 * SECOND_US)
        assert seen(work) == other


@given(st.binary(max_size=300))
def test_any_name_can_be_written_down_and_read_back(name):
    written = quoted(name)
    assert unquoted(written) == name
    assert written.isascii()
    assert "\n" not in written


def test_a_workspace_with_everything_in_it_comes_back(tmp_path):
    work = sample(tmp_path / "work")
    before = seen(work)
    store = SnapshotStore(tmp_path / "store")
    info = store.create({"workspace": work}, now_us=NOW_US)
    done = store.restore("latest", {"workspace": tmp_path / "out"})
    assert seen(tmp_path / "out") == before
    assert done.files == info.files == 7
    assert done.size_bytes == info.size_bytes


def test_holes_come_back_as_holes(tmp_path):
    work = sample(tmp_path / "work")
    store = SnapshotStore(tmp_path / "store")
    store.create({"workspace": work}, now_us=NOW_US)
    store.restore("latest", {"workspace": tmp_path / "out"})
    restored = (tmp_path / "out" / "holes").stat()
    assert restored.st_size == 20 << 20
    assert restored.st_blocks * 512 <= (work / "holes").stat().st_blocks * 512 + (64 << 10)


def test_no_link_is_followed(tmp_path):
    work = sample(tmp_path / "work")
    store = SnapshotStore(tmp_path / "store")
    info = store.create({"workspace": work}, now_us=NOW_US)
    store.restore("latest", {"workspace": tmp_path / "out"})
    assert (tmp_path / "out" / "outside").readlink() == Path("/etc")
    assert info.size_bytes < 40 << 20


def test_times_owners_and_modes_are_those_of_the_folder_itself_too(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    work.chmod(0o750)
    os.utime(work, ns=(5, 7))
    store = SnapshotStore(tmp_path / "store")
    store.create({"workspace": work}, now_us=NOW_US)
    store.restore("latest", {"workspace": tmp_path / "out"})
    restored = (tmp_path / "out").stat()
    assert (restored.st_mode & 0o7777, restored.st_mtime_ns) == (0o750, 7)
