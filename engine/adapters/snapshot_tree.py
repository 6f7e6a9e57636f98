"""Reading a folder into a snapshot, while others go on working in it.

Agents may write the folder. So no link is ever followed, not even one put there between two looks, and a
name is opened only beneath the folder handle it was found in.
"""

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from pathspec import GitIgnoreSpec

from engine.adapters.files import storage_errors
from engine.adapters.snapshot_chunks import CHUNK_BYTES, Chunks
from engine.adapters.snapshot_manifest import Node, quoted
from engine.errors import InputError

# Times of files tick in steps: 4 ms on ext4, up to two seconds on others. What was changed within the last
# step before it was read may change again and look the same, so its digest is not used a second time.
_STEP_NS: Final = 2_000_000_000
_TRIES: Final = 3
_SECTOR: Final = 512
# Each level holds a handle open, and a process may have about a thousand.
_DEEPEST: Final = 250

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking, should somebody put a pipe there in between.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_OTHERS: Final = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class TreeReader:
    """Reads parts into chunks; each file that did not change since `last` is taken from there, unread."""

    def __init__(
        self,
        chunks: Chunks,
        *,
        last: Mapping[tuple[str, str], Node],
        exclude: Sequence[str],
        apart: Sequence[Path],
        untouched: frozenset[tuple[int, int]],
    ) -> None:
        """Say what to leave out.

        `last` has the nodes of an earlier snapshot by part and path. `exclude` reads as a `.gitignore` does;
        `apart` names paths that belong to Watchkeeper itself. `untouched` are files, as device and inode,
        that are not even opened: closing any handle of the journal drops this process's locks on it.

        Raises `InputError` for a pattern that is none.
        """
        self._chunks = chunks
        self._last = last
        self._apart = [os.path.realpath(path) for path in apart]
        self._untouched = untouched
        try:
            self._exclude = GitIgnoreSpec.from_lines(exclude) if exclude else None
        except ValueError as error:
            raise InputError(f"not a path pattern: {error}", cure="as in .gitignore") from None
        self._linked: dict[tuple[int, int], str] = {}
        self._skipped: frozenset[str] = frozenset()

    def read(self, part: str, root: Path) -> Iterator[Node]:
        """Yield a node for everything at `root`, folders before what is in them.

        What cannot be kept comes as a node of kind `left_out`. Raises `InputError` when the root is no
        folder and `StorageError` when the chunks cannot be kept.
        """
        real = os.path.realpath(root)
        self._linked = {}
        self._skipped = frozenset(
            os.path.relpath(path, real) for path in self._apart if Path(path).is_relative_to(real)
        )
        with storage_errors(root):
            handle = os.open(real, _FOLDER)
        try:
            yield self._node(part, "", os.fstat(handle), kind="folder")
            yield from self._folder(part, handle, "", 1)
        finally:
            os.close(handle)

    def read_file(self, part: str, path: Path, like: os.stat_result) -> Node:
        """Read one file that nobody else has, with the mode, owner and time of another."""
        with storage_errors(path):
            handle = os.open(path, _FILE)
        try:
            node = self._content(handle, self._node(part, path.name, os.fstat(handle), kind="file"))
        finally:
            os.close(handle)
        return msgspec.structs.replace(
            node,
            mode=stat.S_IMODE(like.st_mode),
            uid=like.st_uid,
            gid=like.st_gid,
            mtime_ns=like.st_mtime_ns,
            sparse=False,
            allocated=0,
        )

    def _folder(self, part: str, folder: int, above: str, depth: int) -> Iterator[Node]:
        with os.scandir(folder) as listing:
            names = sorted(entry.name for entry in listing)
        for name in names:
            path = f"{above}/{name}" if above else name
            if path in self._skipped:
                continue
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if self._excludes(path, found):
                    continue
                if stat.S_ISDIR(found.st_mode):
                    yield from self._subfolder(part, folder, name, path, depth)
                else:
                    yield self._leaf(part, folder, name, path, found)
            except FileNotFoundError:
                continue  # deleted since it was listed
            except OSError as error:
                yield _left_out(part, path, (error.strerror or str(error)).lower())

    def _subfolder(self, part: str, folder: int, name: str, path: str, depth: int) -> Iterator[Node]:
        if depth > _DEEPEST:
            yield _left_out(part, path, f"nested more than {_DEEPEST} deep")
            return
        handle = os.open(name, _FOLDER, dir_fd=folder)
        try:
            yield self._node(part, path, os.fstat(handle), kind="folder")
            yield from self._folder(part, handle, path, depth + 1)
        finally:
            os.close(handle)

    def _leaf(self, part: str, folder: int, name: str, path: str, found: os.stat_result) -> Node:
        kind, key = stat.S_IFMT(found.st_mode), (found.st_dev, found.st_ino)
        if kind == stat.S_IFLNK:
            target = os.readlink(name, dir_fd=folder)
            return msgspec.structs.replace(
                self._node(part, path, found, kind="link"), target=quoted(target), mode=0
            )
        if kind != stat.S_IFREG:
            return _left_out(part, path, _OTHERS.get(kind, "of an unknown kind"))
        if key in self._untouched:
            return _left_out(part, path, "the journal itself, which is copied apart")
        if found.st_nlink > 1 and key in self._linked:
            return Node(part=part, path=quoted(path), kind="same", target=quoted(self._linked[key]))
        node = self._node(part, path, found, kind="file")
        known = self._last.get((part, node.path))
        if known is not None and self._unchanged(known, node):
            node = msgspec.structs.replace(
                node,
                chunks=known.chunks,
                sha256=known.sha256,
                sparse=known.sparse,
                allocated=known.allocated,
                settled=True,
            )
        else:
            handle = os.open(name, _FILE, dir_fd=folder)
            try:
                opened = os.fstat(handle)
                if not stat.S_ISREG(opened.st_mode) or (opened.st_dev, opened.st_ino) in self._untouched:
                    return _left_out(part, path, "replaced by something else while it was read")
                node = self._content(handle, self._node(part, path, opened, kind="file"))
            finally:
                os.close(handle)
        if found.st_nlink > 1:
            self._linked[key] = path
        return node

    def _unchanged(self, known: Node, node: Node) -> bool:
        # The time of the last change to the inode cannot be set back, as the other time can.
        return (
            known.settled
            and (known.kind, known.size, known.mtime_ns, known.ctime_ns, known.inode)
            == (node.kind, node.size, node.mtime_ns, node.ctime_ns, node.inode)
            and self._chunks.has(known.chunks)
        )

    def _content(self, handle: int, node: Node) -> Node:
        """Read a file until two looks at it agree that nobody wrote meanwhile; or note it as torn."""
        for _ in range(_TRIES):
            before, began_ns = os.fstat(handle), time.time_ns()
            os.lseek(handle, 0, os.SEEK_SET)
            chunks, digest, size = self._read(handle)
            after = os.fstat(handle)
            torn = size != after.st_size or _times(before) != _times(after)
            if not torn:
                break
        return msgspec.structs.replace(
            node,
            size=size,
            chunks=chunks,
            sha256=digest,
            mode=stat.S_IMODE(after.st_mode),
            mtime_ns=after.st_mtime_ns,
            ctime_ns=after.st_ctime_ns,
            sparse=(sparse := after.st_blocks * _SECTOR < size),
            allocated=after.st_blocks * _SECTOR if sparse else 0,
            torn=torn,
            settled=not torn and max(after.st_mtime_ns, after.st_ctime_ns) < began_ns - _STEP_NS,
        )

    def _read(self, handle: int) -> tuple[tuple[str, ...], str, int]:
        data = _next_chunk(handle)
        if len(data) < CHUNK_BYTES:
            digest = self._chunks.put(data) if data else hashlib.sha256().hexdigest()
            return ((digest,) if data else ()), digest, len(data)
        whole, chunks, size = hashlib.sha256(), [], 0
        while data:
            whole.update(data)
            chunks.append(self._chunks.put(data))
            size += len(data)
            data = _next_chunk(handle)
        return tuple(chunks), whole.hexdigest(), size

    def _excludes(self, path: str, found: os.stat_result) -> bool:
        if self._exclude is None:
            return False
        text = os.fsencode(path).decode(errors="replace")
        return self._exclude.match_file(f"{text}/" if stat.S_ISDIR(found.st_mode) else text)

    @staticmethod
    def _node(part: str, path: str, found: os.stat_result, *, kind: str) -> Node:
        is_file = kind == "file"
        return Node(
            part=part,
            path=quoted(path),
            kind="file" if is_file else "folder" if kind == "folder" else "link",
            mode=stat.S_IMODE(found.st_mode),
            mtime_ns=found.st_mtime_ns,
            uid=found.st_uid,
            gid=found.st_gid,
            size=found.st_size if is_file else 0,
            inode=found.st_ino if is_file else 0,
            ctime_ns=found.st_ctime_ns if is_file else 0,
        )


def identities(paths: Sequence[Path]) -> frozenset[tuple[int, int]]:
    """Return device and inode of each of these that exists."""
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):
            known = path.stat()
            found.add((known.st_dev, known.st_ino))
    return frozenset(found)


def _times(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _left_out(part: str, path: str, why: str) -> Node:
    return Node(part=part, path=quoted(path), kind="left_out", why=why)


def _next_chunk(handle: int) -> bytes:
    """Read the next four MiB, or what there is."""
    pieces, missing = [], CHUNK_BYTES
    while missing:
        try:
            piece = os.read(handle, missing)
        except BlockingIOError as error:
            raise OSError(errno.EIO, "cannot be read now") from error
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
