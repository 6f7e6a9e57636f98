"""Undo for programs: what a workspace held before one ran, what it changed, and putting that back."""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO, Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from engine.adapters.sandbox import DEEPEST, depth_of
from engine.core.vocabulary.ids import EffectId
from engine.errors import EffectRefused, WorldMovedOn
from engine.ports import UndoLog

_CHUNK: Final = 1 << 20
_SHOWN: Final = 10
_BLOB: Final = "contents"
_RECORD: Final = "workspace"
_UNREADABLE: Final = "unreadable"


class Thing(Struct, frozen=True, kw_only=True):
    """One file, folder or link in a workspace."""

    kind: str
    """`file`, `folder`, `link`."""
    mode: int
    uid: int
    gid: int
    size: int = 0
    digest: str = ""
    """SHA-256 of a file's contents; where a link points."""
    offset: int = -1
    """Where a file's contents begin among those kept; -1 when they are not."""

    def same(self, other: "Thing | None") -> bool:
        """Whether two are alike in what undo puts back. Owners may differ: sandboxes change them."""
        return other is not None and (self.kind, self.mode, self.digest) == (
            other.kind,
            other.mode,
            other.digest,
        )


class Change(Struct, frozen=True, kw_only=True):
    """What became of one path. `None` means that nothing was there."""

    before: Thing | None
    after: Thing | None


class _Record(Struct, frozen=True, kw_only=True):
    """What is kept: while a program runs everything that was there, afterwards only what it changed."""

    kind: str = _RECORD
    finished: bool
    changes: dict[str, Change]


def save_before(log: UndoLog, effect_id: EffectId, workspace: Path, *, most_bytes: int) -> dict[str, Thing]:
    """Keep a whole workspace, and return what it holds.

    Tried again after an interruption, what was there before the first try stays kept, and is returned.

    Raises `EffectRefused` when it holds more than `most_bytes`, and `StorageError` as the log does: then the
    program must not run.
    """
    tried = _tried(log, effect_id)
    if tried is not None and not tried.finished:
        return {path: change.before for path, change in tried.changes.items() if change.before is not None}
    with tempfile.NamedTemporaryFile() as contents:
        known = tried.changes if tried is not None else {}
        before = _look(workspace, contents, most_bytes, without=known)
        if known:
            with log.blob(effect_id, _BLOB).open("rb") as kept:
                moved = {path: _moved(change, kept, contents).before for path, change in known.items()}
            before |= {path: thing for path, thing in moved.items() if thing is not None}
        changes = {path: Change(before=thing, after=None) for path, thing in before.items()}
        _save(log, effect_id, _Record(finished=False, changes=changes), contents)
    return before


def save_after(log: UndoLog, effect_id: EffectId, workspace: Path, before: Mapping[str, Thing]) -> list[str]:
    """Keep only what has changed since, and return it, one line a path."""
    after = _look(workspace, None, None)
    changes = {
        path: Change(before=before.get(path), after=after.get(path))
        for path in sorted(before.keys() | after.keys())
        if not _alike(before.get(path), after.get(path))
    }
    with log.blob(effect_id, _BLOB).open("rb") as kept, tempfile.NamedTemporaryFile() as contents:
        slim = {path: _moved(change, kept, contents) for path, change in changes.items()}
        _save(log, effect_id, _Record(finished=True, changes=slim), contents)
    return [_described(path, change.before, change.after) for path, change in changes.items()]


def take_back(
    log: UndoLog,
    effect_id: EffectId,
    of: EffectId,
    workspace: Path,
    *,
    force: bool,
    most_bytes: int,
    starting: Callable[[], AbstractContextManager[None]],
) -> list[str]:
    """Put back what the effect `of` changed, and keep what is there now so that this can be undone too.

    Returns what was done, one line a path. Raises `EffectRefused` when nothing is kept, and `WorldMovedOn`
    when something has been changed since, or when the program was interrupted and nobody knows how far it
    got, unless forced. `starting` surrounds every change, and may raise `Stopped`.
    """
    record = _load(log, of)
    changes = record.changes
    now = _look(workspace, None, None)
    if not record.finished:
        if not force:
            raise WorldMovedOn(
                "the program was interrupted, so nobody knows what is its work and what came after",
                place=str(workspace),
                cure="look at the workspace; force puts all of it back as it was before the program",
            )
        new = {path: Change(before=None, after=thing) for path, thing in now.items() if path not in changes}
        changes = changes | new
    elif not force:
        moved = [
            _described(path, change.after, now.get(path))
            for path, change in changes.items()
            if not _alike(change.after, now.get(path)) and not _alike(change.before, now.get(path))
        ]
        if moved:
            more = f", and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
            raise WorldMovedOn(
                f"changed since: {', '.join(moved[:_SHOWN])}{more}",
                place=str(workspace),
                cure="look at the difference; force puts back what was there before",
            )
    wanted = {
        path: change.before for path, change in changes.items() if not _alike(change.before, now.get(path))
    }
    with tempfile.NamedTemporaryFile() as contents:
        held = _look(workspace, contents, most_bytes, only=set(wanted))
        undo = {path: Change(before=held.get(path), after=wanted[path]) for path in wanted}
        _save(log, effect_id, _Record(finished=True, changes=undo), contents)
    with log.blob(of, _BLOB).open("rb") as kept, starting():
        # All of it: whoever sets a stop in the middle waits a moment, and sees it end or ends it.
        _put_back(workspace, wanted, kept)
    return [_described(path, now.get(path), thing) for path, thing in wanted.items()]


def _alike(one: Thing | None, other: Thing | None) -> bool:
    return one.same(other) if one is not None else other is None


def _described(path: str, was: Thing | None, is_now: Thing | None) -> str:
    if was is None:
        return f"{path} created"
    if is_now is None:
        return f"{path} deleted"
    if was.kind != is_now.kind:
        return f"{path} was a {was.kind}, is a {is_now.kind}"
    if was.digest != is_now.digest:
        return f"{path} changed"
    return f"{path} mode {was.mode:o} to {is_now.mode:o}"


# ---------------------------------------------------------------- keeping


def _save(log: UndoLog, effect_id: EffectId, record: _Record, contents: IO[bytes]) -> None:
    contents.flush()
    log.save(effect_id, msgspec.to_builtins(record), {_BLOB: Path(contents.name)})


def _load(log: UndoLog, effect_id: EffectId) -> _Record:
    kept = log.load(effect_id)
    if kept is None or kept.get("kind") != _RECORD:
        raise EffectRefused(
            "nothing is kept to take it back with",
            place=effect_id,
            cure="keep more undo records: `undo.keep` and `undo.most_mib` in watchkeeper.yaml",
        )
    return msgspec.convert(kept, _Record)


def _tried(log: UndoLog, effect_id: EffectId) -> _Record | None:
    """Return what an earlier try at an effect kept, or `None`."""
    kept = log.load(effect_id)
    return msgspec.convert(kept, _Record) if kept is not None and kept.get("kind") == _RECORD else None


def _moved(change: Change, kept: IO[bytes], contents: IO[bytes]) -> Change:
    """Copy the contents that a change needs to where only those are kept."""
    thing = change.before
    if thing is None or thing.offset < 0:
        return change
    offset = contents.tell()
    kept.seek(thing.offset)
    _copy(kept.read, thing.size, contents.write)
    return Change(before=replace(thing, offset=offset), after=change.after)


def _copy(read: Callable[[int], bytes], size: int, write: Callable[[bytes], Any]) -> None:
    while size > 0 and (data := read(min(_CHUNK, size))):
        write(data)
        size -= len(data)


# ---------------------------------------------------------------- looking


def _look(
    workspace: Path,
    contents: IO[bytes] | None,
    most_bytes: int | None,
    *,
    only: Container[str] | None = None,
    without: Container[str] = (),
) -> dict[str, Thing]:
    """Return what a workspace holds, by path; with `contents`, copy what its files hold there.

    By descriptor and without following links: programs may still be at work in there. Sockets, pipes and
    devices are left out. Raises `EffectRefused` when there is more than `most_bytes` to copy, or folders are
    nested too deeply.
    """
    found: dict[str, Thing] = {}
    kept = 0
    for path, name, folder in _names(workspace):
        if path in without or (only is not None and path not in only):
            continue
        with suppress(FileNotFoundError):
            try:
                room = most_bytes - kept if most_bytes is not None else None
                thing = _thing(name, folder, contents, kept, room)
            except PermissionError as error:
                raise EffectRefused(
                    "cannot be read, so undo cannot keep it", place=path, cure="make it readable"
                ) from error
            if thing is None:
                continue
            kept += thing.size if thing.offset >= 0 else 0
            if most_bytes is not None and kept > most_bytes:
                raise EffectRefused(
                    f"the workspace holds more than the {most_bytes >> 20} MiB that undo may keep",
                    place=str(workspace),
                    cure="raise `undo_mib` in the action's settings, or say `undo: none`",
                )
            found[path] = thing
    return found


def _names(workspace: Path) -> Iterator[tuple[str, str, int]]:
    """Yield path, name and open folder of everything within."""
    root = os.fsencode(workspace)
    for place, folders, files, folder in os.fwalk(root, onerror=_raise):
        if depth_of(place, workspace) > DEEPEST:
            raise EffectRefused(
                f"folders are nested more than {DEEPEST} deep, so undo cannot keep them",
                place=str(workspace),
                cure="remove the deepest ones, or say `undo: none`",
            )
        inside = os.path.relpath(place, root)
        for name in sorted((*folders, *files)):
            path = name if inside == b"." else inside + b"/" + name
            yield os.fsdecode(path), os.fsdecode(name), folder


def _raise(error: OSError) -> None:
    if error.errno != errno.ENOENT:  # a folder may go while we look
        raise error


def _thing(name: str, folder: int, contents: IO[bytes] | None, offset: int, room: int | None) -> Thing | None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    plain = Thing(kind="folder", mode=stat.S_IMODE(found.st_mode), uid=found.st_uid, gid=found.st_gid)
    if stat.S_ISDIR(found.st_mode):
        return plain
    if stat.S_ISLNK(found.st_mode):
        return replace(plain, kind="link", mode=0o777, digest=os.readlink(name, dir_fd=folder))
    if not stat.S_ISREG(found.st_mode):
        return None
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None  # it has become a link just now
        if error.errno == errno.EACCES and contents is None:
            return replace(plain, kind="file", size=found.st_size, digest=_UNREADABLE)
        raise
    sha, size = hashlib.sha256(), 0
    with os.fdopen(handle, "rb") as file:
        while data := file.read(_CHUNK):
            sha.update(data)
            size += len(data)
            if contents is not None:
                contents.write(data)
            if room is not None and size > room:
                break  # it is refused by its size: the rest would only fill the disk
    where = offset if contents is not None else -1
    return replace(plain, kind="file", size=size, digest=sha.hexdigest(), offset=where)


# ---------------------------------------------------------------- putting back


def _put_back(workspace: Path, wanted: Mapping[str, Thing | None], kept: IO[bytes]) -> None:
    """Make every path what it was: the deepest go first and come last, and folders are closed at the end."""
    root = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path in sorted(wanted, key=lambda path: path.count("/"), reverse=True):
            _clear_way(root, path, wanted[path])
        for path in sorted(wanted, key=lambda path: path.count("/")):
            thing = wanted[path]
            if thing is not None:
                with _parent(root, path) as (folder, name):
                    _make(folder, name, thing, kept)
        for path in sorted(wanted, key=lambda path: path.count("/"), reverse=True):
            thing = wanted[path]
            if thing is not None and thing.kind != "link":
                with _parent(root, path) as (folder, name):
                    _set_mode(folder, name, thing.mode)
    finally:
        os.close(root)


class _parent:  # noqa: N801 - read as a statement, `with _parent(...)`
    """Open the folder a path lies in, refusing to walk through links; closed at the end."""

    def __init__(self, root: int, path: str) -> None:
        self._root, self._path, self._handle = root, path, -1

    def __enter__(self) -> tuple[int, str]:
        *parts, name = self._path.split("/")
        self._handle = os.dup(self._root)
        for part in parts:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                further = os.open(part, flags, dir_fd=self._handle)
            except BaseException:
                os.close(self._handle)
                raise
            os.close(self._handle)
            self._handle = further
        return self._handle, name

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _clear_way(root: int, path: str, thing: Thing | None) -> None:
    """Take away what is there, unless it is a folder that is wanted or that holds what is not ours."""
    try:
        with _parent(root, path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=folder)
            elif thing is None or thing.kind != "folder":
                os.rmdir(name, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return  # gone already, or its folder is
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.ELOOP}:
            raise


def _make(folder: int, name: str, thing: Thing, kept: IO[bytes]) -> None:
    if thing.kind == "link":
        os.symlink(thing.digest, name, dir_fd=folder)
    elif thing.kind == "folder":
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
    else:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
            kept.seek(thing.offset)
            _copy(kept.read, thing.size, file.write)
            file.flush()
            os.fsync(file.fileno())
    if os.geteuid() == 0:
        os.chown(name, thing.uid, thing.gid, dir_fd=folder, follow_symlinks=False)


def _set_mode(folder: int, name: str, mode: int) -> None:
    # By descriptor: a mode set by name would follow a link that a program put there just now.
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fchmod(handle, mode)
    finally:
        os.close(handle)
