"""Files of the workspace, reached without ever leaving it.

A path is walked from the workspace folder one name at a time, each opened relative to the one before and
never through a link, and all that follows goes by the handle of the last folder. So a folder that is swapped
for a link while we work leads nowhere: the handle still holds the folder it was.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal, Self

from msgspec import Struct

from engine.errors import EffectRefused

_TEMPORARY: Final = ".watchkeeper-"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Some file systems know no second name for a file.
_NO_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_MOST_NAME: Final = 4096


class FileState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is at a path, as far as undo must bring it back."""

    kind: Literal["absent", "file", "link"] = "absent"
    mode: int = 0
    """Permission bits of a file."""
    uid: int = -1
    gid: int = -1
    sha256: str = ""
    size: int = 0
    target: str = ""
    """Where a link points."""

    def same(self, other: "FileState") -> bool:
        """Whether content and mode are the same. The owner is brought back, but does not count."""
        mine = (self.kind, self.mode, self.sha256, self.target)
        return mine == (other.kind, other.mode, other.sha256, other.target)


ABSENT: Final = FileState()


class Seen(Struct, frozen=True, kw_only=True):
    """What was found at a path."""

    state: FileState
    content: bytes = b""
    mark: tuple[int, ...] = ()
    """Changes whenever the file does; empty when it is absent."""


class Workspace:
    """The folder that effects work in, held open. Use it in a `with` block, in one thread."""

    def __init__(self, root: Path, *, closed: Collection[Path] = ()) -> None:
        """Work in `root`; nothing inside a folder of `closed` (our own state) may be touched, nor `.git`."""
        self._root, self._closed_paths = root, closed
        self._handle = -1
        self._closed: set[tuple[int, int]] = set()

    def __enter__(self) -> Self:
        """Open it. Raises `EffectRefused` when it is not there."""
        try:
            self._handle = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise refused(
                error, str(self._root), cure="make the folder, or name another workspace"
            ) from error
        for path in self._closed_paths:
            with contextlib.suppress(OSError):
                self._closed.add(_identity(path.stat()))
        # A workspace inside the state folder is as usual; one that is the state folder would give it away.
        if _identity(os.fstat(self._handle)) in self._closed:
            os.close(self._handle)
            raise EffectRefused("is where Watchkeeper keeps its own state", place=str(self._root))
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        os.close(self._handle)

    def relative(self, path: str) -> str:
        """Give a path as it is from the workspace on, without `.` and doubled slashes.

        An absolute one must begin with the workspace. Raises `EffectRefused` for one that leads out, or into
        the inside of a repository.
        """
        parts = self._parts(path)
        return "/".join(parts)

    def look(self, path: str, *, most_bytes: int) -> Seen:
        """Return what is at a path. A link is seen itself, never what it points to.

        Raises `EffectRefused` for folders, devices and the like, for files of more than `most_bytes`, and for
        paths that lead through a link or out of the workspace.
        """
        parts = self._parts(path)
        try:
            with self._folder(parts[:-1]) as folder:
                return _look(folder, parts[-1], path, most_bytes)
        except FileNotFoundError:
            return Seen(state=ABSENT)

    def missing_folders(self, path: str) -> tuple[str, ...]:
        """Return the folders on the way to a path that are not there, the outermost first."""
        parts = self._parts(path)
        for depth in range(1, len(parts)):
            try:
                with self._folder(parts[:depth]):
                    pass
            except FileNotFoundError:
                return tuple("/".join(parts[:end]) for end in range(depth, len(parts)))
        return ()

    def make_folder(self, path: str) -> None:
        """Make one folder, unless it is there. Raises `EffectRefused` or `OSError`."""
        parts = self._parts(path)
        with self._folder(parts[:-1]) as folder, contextlib.suppress(FileExistsError):
            os.mkdir(parts[-1], 0o755, dir_fd=folder)
            made = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
            owner = _owner_in(folder, made)
            if owner != (made.st_uid, made.st_gid):
                os.chown(parts[-1], *owner, dir_fd=folder, follow_symlinks=False)
            os.fsync(folder)

    def remove_folder(self, path: str) -> None:
        """Remove one folder if it is there, is empty, and may be removed."""
        parts = self._parts(path)
        with contextlib.suppress(OSError, EffectRefused), self._folder(parts[:-1]) as folder:
            os.rmdir(parts[-1], dir_fd=folder)
            os.fsync(folder)

    @contextlib.contextmanager
    def staged(self, path: str, state: FileState, content: bytes) -> Iterator["Staged"]:
        """Write a file or a link beside where it is to go, and onto the disk; what is not used is removed.

        Its folder may be missing: then it waits in the nearest one that is there. Raises `OSError`.
        """
        parts = self._parts(path)
        depth = len(parts) - 1 - len(self.missing_folders(path))
        name = f"{_TEMPORARY}{secrets.token_hex(6)}.tmp"
        with self._folder(parts[:depth]) as folder:
            try:
                if state.kind == "link":
                    os.symlink(state.target, name, dir_fd=folder)
                else:
                    _write(folder, name, state, content)
                yield Staged(folder=folder, name=name)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)

    def put(self, staged: "Staged", path: str, *, instead: Seen) -> None:
        """Let what is staged take the place of what was seen, in one step.

        Raises `EffectRefused` when something else is there by now, and `OSError`.
        """
        parts = self._parts(path)
        with self._folder(parts[:-1]) as folder:
            _require_unchanged(folder, parts[-1], path, instead)
            if instead.mark:
                os.rename(staged.name, parts[-1], src_dir_fd=staged.folder, dst_dir_fd=folder)
            else:
                _place_new(staged, folder, parts[-1], path)
            os.fsync(folder)

    def remove(self, path: str, *, seen: Seen) -> None:
        """Remove the file or link that was seen. Raises as `put` does."""
        parts = self._parts(path)
        with self._folder(parts[:-1]) as folder:
            _require_unchanged(folder, parts[-1], path, seen)
            os.unlink(parts[-1], dir_fd=folder)
            os.fsync(folder)

    def _parts(self, path: str) -> tuple[str, ...]:
        if not path or "\0" in path or len(path) > _MOST_NAME:
            raise EffectRefused("is not a path", place=path[:100].replace("\0", "?") or "(empty)")
        try:
            path.encode()
        except UnicodeEncodeError as error:
            raise EffectRefused("is not a path in UTF-8", place=ascii(path[:100])) from error
        inside = PurePosixPath(path)
        if inside.is_absolute():
            for root in (self._root, self._root.resolve()):
                if inside.is_relative_to(root):
                    inside = inside.relative_to(root)
                    break
            else:
                raise EffectRefused("is outside the workspace", place=path, cure="give a path inside it")
        if ".." in inside.parts:
            raise EffectRefused("goes up with `..`", place=path, cure="give a path inside the workspace")
        if not inside.parts:
            raise EffectRefused("is the workspace itself", place=path, cure="name a file in it")
        # On some file systems .GIT is the same folder.
        if any(part.casefold() == ".git" for part in inside.parts):
            raise EffectRefused("is the inside of a repository", place=path, cure="use the git actions")
        return inside.parts

    @contextlib.contextmanager
    def _folder(self, parts: Sequence[str]) -> Iterator[int]:
        """Open the folder at these names. Raises `FileNotFoundError` when it is not there."""
        handle = os.dup(self._handle)
        try:
            for depth, part in enumerate(parts, 1):
                handle = self._step(handle, part, "/".join(parts[:depth]))
            yield handle
        finally:
            os.close(handle)

    def _step(self, handle: int, part: str, path: str) -> int:
        try:
            inner = os.open(part, _FOLDER, dir_fd=handle)
        except FileNotFoundError:
            raise
        except OSError as error:
            # O_DIRECTORY together with O_NOFOLLOW calls a link to a folder "not a folder".
            raise refused(error, path, cure="paths lead through real folders only, not links") from error
        if _identity(os.fstat(inner)) in self._closed:
            os.close(inner)
            raise EffectRefused("is where Watchkeeper keeps its own state", place=path)
        os.close(handle)
        return inner


class Staged(Struct, frozen=True, kw_only=True):
    """A file that waits to take its place."""

    folder: int
    name: str


def refused(error: OSError, path: str, *, cure: str | None = None) -> EffectRefused:
    """Make a refusal of what the operating system says about a path."""
    said = {
        errno.ELOOP: "is a link",
        errno.ENOTDIR: "leads through something that is not a folder",
        errno.EACCES: "permission denied",
        errno.EROFS: "the disk is read-only",
        errno.ENOSPC: "the disk is full",
        errno.ENAMETOOLONG: "the name is too long",
    }.get(error.errno or 0, (error.strerror or str(error)).lower())
    return EffectRefused(said, place=path, cure=cure)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _mark(status: os.stat_result) -> tuple[int, ...]:
    return (*_identity(status), status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _look(folder: int, name: str, path: str, most_bytes: int) -> Seen:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(name, dir_fd=folder)
        if not target.isprintable():
            raise EffectRefused("is a link to a name that is no text", place=path, cure="remove it by hand")
        return Seen(state=FileState(kind="link", target=target), mark=_mark(status))
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
        raise EffectRefused(f"is {what}, and a file is needed", place=path, cure="name a file")
    try:
        # Without O_NONBLOCK, a file swapped for a pipe just now would hold us for ever.
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise refused(error, path, cure="allow it, or name another file") from error
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise EffectRefused("is no longer a file", place=path, cure="try again")
        content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise EffectRefused(
                f"has more than {most_bytes} bytes",
                place=path,
                cure="raise run.settings.most_bytes for this action",
            )
    state = FileState(
        kind="file",
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )
    return Seen(state=state, content=content, mark=_mark(status))


def _write(folder: int, name: str, state: FileState, content: bytes) -> None:
    handle = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        status = os.fstat(handle)
        owner = (state.uid, state.gid) if state.uid >= 0 else _owner_in(folder, status)
        if owner != (status.st_uid, status.st_gid):
            os.fchown(handle, *owner)
        # Last, because writing and a change of owner take the set-id bits away.
        os.fchmod(handle, state.mode)
        os.fsync(handle)


def _owner_in(folder: int, status: os.stat_result) -> tuple[int, int]:
    """Give who is to own something new: as root, whoever owns the folder, so that they can change it."""
    if os.geteuid() != 0:
        return status.st_uid, status.st_gid
    around = os.fstat(folder)
    return around.st_uid, around.st_gid


def _place_new(staged: Staged, folder: int, name: str, path: str) -> None:
    try:
        # A second name for it, instead of a new one: this refuses when somebody was faster.
        os.link(staged.name, name, src_dir_fd=staged.folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError as error:
        raise _moved_on(path) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.rename(staged.name, name, src_dir_fd=staged.folder, dst_dir_fd=folder)


def _require_unchanged(folder: int, name: str, path: str, seen: Seen) -> None:
    try:
        mark = _mark(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        mark = ()
    if mark != seen.mark:
        raise _moved_on(path)


def _moved_on(path: str) -> EffectRefused:
    return EffectRefused("was changed by somebody else just now", place=path, cure="propose it again")
