"""Writing files so that a reader finds the old one or the whole new one, and a failure is one clear line."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from engine.errors import InputError, StorageError, WatchkeeperError

_TEMPORARY: Final = ".watchkeeper-"
_JOURNAL_MARK: Final = (0x574B4A31).to_bytes(4)
"""The application id of a journal's file (`journal_schema.APPLICATION_ID`)."""
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_WRONG_PATH: Final = {
    errno.ENOENT: ("no such file or folder", "check the path; folders are not made on the way"),
    errno.EISDIR: ("is a folder, and a file is needed", "name a file in it"),
    errno.ENOTDIR: ("runs through something that is not a folder", "check the path"),
    errno.EEXIST: ("is there already and is something else", "choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.ELOOP: ("the links lead in a circle", "check the path"),
}


@contextlib.contextmanager
def storage_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the operating system's refusals within the block into ours, with this path as the place.

    Raises `StorageError` when the machine refuses (full, over a quota or size limit, not permitted, failing)
    and `InputError` when the path itself is wrong. A closed pipe or connection passes unchanged: that is
    about whoever reads us, not about this path.
    """
    try:
        yield
    except (ConnectionError, TimeoutError, BlockingIOError):
        raise
    except OSError as error:
        raise _explained(error, path) from error


def private_folder(path: Path) -> None:
    """Make a folder, where it is missing, that nobody but its owner can look into.

    Others may pass through root's: git and programs then act as whoever owns the workspace in it. Raises as
    `storage_errors` does.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)


def open_to_others(path: Path) -> bool:
    """Whether others than its owner can look into a folder, or change it. Raises `OSError`."""
    return bool(path.stat().st_mode & (0o066 if os.geteuid() == 0 else 0o077))


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path`; what was written there takes the place of `path` at the end.

    When the block fails, for whatever reason, the temporary file is gone and `path` is as it was. For writers
    that must open a file by themselves, such as databases. Raises as `storage_errors` does.
    """
    # A link keeps pointing where it points: the file behind it is what gets replaced.
    target = Path(os.path.realpath(path))
    with storage_errors(path):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():
            raise InputError("is not a regular file", place=str(path), cure="name an ordinary file")
        if target.exists() and _is_journal(target):
            raise InputError(
                "is a journal", place=str(path), cure="name another file: none replaces a journal"
            )
        if not target.parent.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        temporary = target.with_name(f"{_TEMPORARY}{secrets.token_hex(6)}.tmp")
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(target)
            _sync(target.parent)
        finally:
            for tail in ("", "-journal", "-wal", "-shm"):
                with contextlib.suppress(OSError):
                    Path(f"{temporary}{tail}").unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of `path` once the block has ended well.

    When the block fails, nothing is left behind and `path` is as it was. A device or pipe, such as
    `/dev/stdout`, is written straight through: replacing it with a file would break the machine. Raises as
    `storage_errors` does.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file() and not target.is_dir():
        with storage_errors(path), target.open("wb") as device:
            yield device
        return
    with atomic_path(path) as temporary:
        # The process's umask decides who may read it, as for any other file.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(handle, "wb") as file:
            yield file


def _is_journal(path: Path) -> bool:
    """Whether a file is a journal of ours, by the marks SQLite keeps in the first hundred bytes."""
    with path.open("rb") as file:
        head = file.read(72)
    return head.startswith(b"SQLite format 3\0") and head[68:72] == _JOURNAL_MARK


def _sync(path: Path) -> None:
    """Have the disk keep a file, or a folder's list of names."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explained(error: OSError, path: str | os.PathLike[str]) -> WatchkeeperError:
    named, code = error.filename, error.errno
    # Another file may have failed within the block; the temporary one stands for the path itself.
    other = isinstance(named, str) and not Path(named).name.startswith(_TEMPORARY)
    place = named if other else os.fspath(path)
    if code in _FULL:
        said = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
        message = said.get(code, "the file may not grow any further")
        return StorageError(message, place=place, cure="free space or raise the limit, then try again")
    if code in _FORBIDDEN:
        message = "the disk is read-only" if code == errno.EROFS else "permission denied"
        return StorageError(message, place=place, cure="allow it, or choose another place")
    if code in _WRONG_PATH:
        message, cure = _WRONG_PATH[code]
        return InputError(message, place=place, cure=cure)
    message = (error.strerror or str(error) or type(error).__name__).lower()
    return StorageError(message, place=place, cure="mend that, then try again")
