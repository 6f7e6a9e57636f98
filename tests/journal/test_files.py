"""Files appear whole or not at all, and what goes wrong is one line with a place and a cure."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.adapters.anchor import Anchor, read_anchor, write_anchor
from engine.adapters.files import atomic_path, atomic_write, storage_errors
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.chain import GENESIS, Head
from engine.errors import InputError, StorageError, WatchkeeperError


def test_a_file_takes_its_place_when_the_block_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_disk_keeps_the_file_before_it_gets_its_name_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[bool, bool]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        kept.append((stat.S_ISDIR(os.fstat(handle).st_mode), (tmp_path / "out").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with atomic_write(tmp_path / "out") as file:
        file.write(b"x")
    assert kept == [(False, False), (True, True)]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_everything_as_it_was(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def half() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise failure

    with pytest.raises(failure):
        half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_database_and_its_companions_are_cleared_away_on_failure(tmp_path: Path) -> None:
    def half() -> None:
        with atomic_path(tmp_path / "out") as temporary:
            for tail in ("", "-wal", "-shm", "-journal"):
                Path(f"{temporary}{tail}").touch()
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half"):
        half()
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_writes_nothing_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"), atomic_path(tmp_path / "out"):
        pass


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "out") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_link_goes_on_pointing_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_pipe_is_written_through_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as file:
        file.write(b"through")
    assert os.read(reading, 100) == b"through"
    os.close(reading)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(InputError, match="not a regular file"), atomic_path(pipe):
        pass


def test_a_full_device_is_a_full_disk() -> None:
    refused = pytest.raises(StorageError, match=r"^/dev/full: the disk is full \(free space")
    with refused, atomic_write("/dev/full") as file:
        file.write(b"x" * 100_000)
    assert not Path("/dev/full").is_file()


def test_a_file_over_its_size_limit_is_gone_again(tmp_path: Path) -> None:
    script = """
import resource, sys
from engine.adapters.files import atomic_write
from engine.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    with atomic_write(sys.argv[1]) as file:
        file.write(b"x" * 20_000)
except StorageError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    root = Path(__file__).resolve().parents[2]
    said = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "out"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith(f"{tmp_path}/out: the file may not grow any further (")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (errno.ENOSPC, StorageError, "the disk is full"),
        (errno.EDQUOT, StorageError, "quota"),
        (errno.EFBIG, StorageError, "may not grow"),
        (errno.EACCES, StorageError, "permission denied"),
        (errno.EPERM, StorageError, "permission denied"),
        (errno.EROFS, StorageError, "read-only"),
        (errno.EIO, StorageError, "input/output error"),
        (errno.EMFILE, StorageError, "too many open files"),
        (errno.ENOENT, InputError, "no such file or folder"),
        (errno.EISDIR, InputError, "is a folder"),
        (errno.ENOTDIR, InputError, "not a folder"),
        (errno.EEXIST, InputError, "already"),
        (errno.ELOOP, InputError, "circle"),
        (errno.ENAMETOOLONG, InputError, "too long"),
    ],
    ids=lambda value: errno.errorcode.get(value) if isinstance(value, int) else None,
)
def test_each_refusal_of_the_system_has_our_words(code: int, kind: type[WatchkeeperError], said: str) -> None:
    with pytest.raises(kind, match=said) as caught, storage_errors("some/path"):
        raise OSError(code, os.strerror(code))
    assert caught.value.place == "some/path"
    assert caught.value.cure
    assert isinstance(caught.value.__cause__, OSError)


def test_another_file_that_fails_in_the_block_is_named_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught, atomic_write(tmp_path / "out"):
        (tmp_path / "source").read_bytes()
    assert caught.value.place == str(tmp_path / "source")


def test_a_closed_pipe_is_not_about_the_path() -> None:
    with pytest.raises(BrokenPipeError), storage_errors("out"):
        raise BrokenPipeError(errno.EPIPE, "closed")


@pytest.mark.parametrize(
    ("name", "said"), [("", "is a folder"), ("missing/out", "no such file or folder"), ("file/out", "folder")]
)
def test_a_path_that_cannot_be_is_refused_before_any_work(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=said), atomic_write(tmp_path / name):
        pytest.fail("the block must not run")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ---------------------------------------------------------------- anchors


@pytest.mark.parametrize(
    "anchor",
    [
        Anchor(Head(), ""),
        Anchor(Head(12_345, bytes(range(32))), "bridge:/var/lib/watchkeeper/journal.db"),
        Anchor(Head(1, b"\xff" * 32), "one line, spaces and é"),
    ],
)
def test_an_anchor_is_read_as_it_was_written(tmp_path: Path, anchor: Anchor) -> None:
    write_anchor(tmp_path / "anchor", anchor)
    assert read_anchor(tmp_path / "anchor") == anchor
    assert (tmp_path / "anchor").read_text().count("\n") == 1


def test_an_origin_stays_on_its_line(tmp_path: Path) -> None:
    write_anchor(tmp_path / "anchor", Anchor(Head(), " a\nb\t c "))
    assert read_anchor(tmp_path / "anchor").origin == "a b c"


@pytest.mark.parametrize(
    "text",
    [
        "", "12", "12:", f"12:{'0' * 63}", f"12:{'0' * 65}", f"12:{'g' * 64}", f"-1:{'0' * 64}",
        f"x:{'0' * 64}", f"1:{'0' * 64}\n1:{'0' * 64}\n", f"{'9' * 20}:{'0' * 64}", "\xff",
    ],
)  # fmt: skip
def test_what_is_no_anchor_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "anchor").write_text(text)
    with pytest.raises(InputError, match=r"is not an anchor \(expected one line"):
        read_anchor(tmp_path / "anchor")


def test_a_missing_anchor_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_anchor(tmp_path / "anchor")
    assert str(Head(1, GENESIS)) == f"1:{'0' * 64}"


def test_no_file_takes_the_place_of_a_journal(tmp_path):
    path = tmp_path / "j.db"
    SqliteJournal(path).close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="is a journal"), atomic_write(path) as file:
        file.write(b"{}")
    assert path.read_bytes() == before
