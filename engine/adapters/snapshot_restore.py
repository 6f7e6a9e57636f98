"""Writing a part of a snapshot to disk, to the byte, and letting it take the place of what is there."""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.adapters.files import storage_errors
from engine.adapters.kernel_calls import exchange, sync_file_system, sync_folder
from engine.adapters.snapshot_chunks import CHUNK_BYTES, Chunks
from engine.adapters.snapshot_manifest import Node, quoted, readable, unquoted
from engine.errors import InputError, StorageError

_BLOCK: Final = 4096
_NOTHING: Final = bytes(_BLOCK)
_MOUNTS: Final = Path("/proc/self/mountinfo")


class Changes(Struct, frozen=True, kw_only=True):
    """What restoring a part in place would do, by names, sizes, modes and times, not by contents."""

    added: tuple[str, ...]
    """Names the snapshot has and the folder has not."""
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    """Names that would go away."""
    same: int


def write_tree(nodes: Sequence[Node], chunks: Chunks, into: Path) -> None:
    """Write a part's nodes into a folder that does not exist yet, synced when this returns.

    Owners are restored by root only. Raises `StorageError` when a chunk is damaged, naming the file, or the
    disk refuses.
    """
    folders = {""}
    with storage_errors(into):
        into.mkdir(mode=0o700)
        for node in nodes:
            if node.kind == "left_out":
                continue
            if node.path:
                _require_within(node, folders)
            _write_node(node, chunks, into)
            if node.kind == "folder":
                folders.add(node.path)
        # Last and from the deepest: writing into a folder changes its time, and its mode may forbid it.
        for node in reversed(nodes):
            if node.kind == "folder":
                _dress(_at(into, node.path), node)
        sync_file_system(into)


def write_file(node: Node, chunks: Chunks, path: Path) -> None:
    """Write one file's bytes, with its holes if it had any.

    Raises `StorageError` when a chunk is missing or damaged, naming the file.
    """
    whole = hashlib.sha256()
    with storage_errors(path):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            for digest in node.chunks:
                data = _chunk_of(node, digest, chunks)
                if len(node.chunks) > 1:
                    whole.update(data)
                if node.sparse:
                    _write_with_holes(handle, data)
                else:
                    _write_all(handle, data)
            if node.sparse:
                os.ftruncate(handle, node.size)
            written = os.fstat(handle).st_size
        finally:
            os.close(handle)
    if written != node.size or (len(node.chunks) > 1 and whole.hexdigest() != node.sha256):
        raise _damaged(node, "its chunks do not make up the file", str(path))


def needed_bytes(nodes: Iterable[Node]) -> int:
    """Estimate what a part takes on disk: whole blocks, and one for each name."""
    return sum(
        ((node.allocated if node.sparse else node.size) + 2 * _BLOCK - 1) // _BLOCK * _BLOCK for node in nodes
    )


def require_space(folder: Path, needed: int) -> None:
    """Raise `StorageError` when so many bytes do not fit on the disk this folder is on."""
    with storage_errors(folder):
        free = shutil.disk_usage(folder).free
    if needed > free:
        message = f"{needed >> 20:,} MiB do not fit: {free >> 20:,} MiB are free"
        raise StorageError(message, place=str(folder), cure="free space, then try again")


def require_replaceable(target: Path) -> None:
    """Raise `InputError` when a folder cannot be swapped by its name: it is a mount, or holds one.

    What is mounted in it would be carried off with the old folder, and deleted with it.
    """
    for mount in _mounts():
        if mount == target or mount.is_relative_to(target):
            raise InputError(
                "is a mount" if mount == target else f"holds a mount, {mount}",
                place=str(target),
                cure="restore with --to into another folder and copy from there, or unmount it first",
            )


def changes(nodes: Sequence[Node], target: Path) -> Changes:
    """Compare a part with the folder it would replace, without reading any file. Raises `StorageError`."""
    there = dict(_names(target)) if target.is_dir() else {}
    inodes = {node.path: node for node in nodes}
    added, changed, same = [], [], 0
    for node in nodes:
        if node.kind == "left_out":
            there.pop(node.path, None)
            continue
        found = there.pop(node.path, None)
        if found is None:
            added.append(node.path)
        elif _looks_like(inodes[node.target] if node.kind == "same" else node, found, target):
            same += 1
        else:
            changed.append(node.path)
    return Changes(added=_shown(added), changed=_shown(changed), removed=_shown(sorted(there)), same=same)


def swap(new: Path, target: Path) -> None:
    """Let a finished folder take the place of another; afterwards `new` names what was there, if any.

    One step where the file system can do that. Where not, a crash between the two renames leaves the old
    folder under a name that `settle` knows. Raises `StorageError` or `InputError`.
    """
    with storage_errors(target):
        if not target.exists():
            new.rename(target)
        elif not exchange(new, target):
            old = _replaced(target)
            target.rename(old)
            new.rename(target)
            old.rename(new)
        sync_folder(target.parent)


def settle(target: Path) -> None:
    """Undo a swap that a crash cut short between its two renames."""
    old = _replaced(target)
    if old.exists() and not target.exists():
        with storage_errors(target):
            old.rename(target)
            sync_folder(target.parent)


def remove_tree(folder: Path) -> bool:
    """Delete a folder, also where modes forbid it; `False` when something of it had to stay."""
    with contextlib.suppress(OSError, RecursionError):
        if os.geteuid() != 0:
            for path, found in _below(folder):
                if stat.S_ISDIR(found.st_mode):
                    os.chmod(path, 0o700)  # noqa: PTH101 - the walk has plain strings
        shutil.rmtree(folder, ignore_errors=True)
    return not os.path.lexists(folder)


# ---------------------------------------------------------------- one node


def _write_node(node: Node, chunks: Chunks, into: Path) -> None:
    path = _at(into, node.path)
    if node.kind == "folder":
        if node.path:
            path.mkdir(mode=0o700)
    elif node.kind == "link":
        path.symlink_to(os.fsdecode(unquoted(node.target)))
        _dress(path, node)
    elif node.kind == "same":
        # Within the new folder only: a manifest names no other.
        os.link(_at(into, node.target), path, follow_symlinks=False)
    else:
        write_file(node, chunks, path)
        _dress(path, node)


def _dress(path: Path, node: Node) -> None:
    """Give a name its owner, mode and time, in this order: each undoes a part of the one after."""
    if os.geteuid() == 0:
        os.chown(path, node.uid, node.gid, follow_symlinks=False)
    if node.kind != "link":
        path.chmod(node.mode)
    os.utime(path, ns=(node.mtime_ns, node.mtime_ns), follow_symlinks=False)


def _require_within(node: Node, folders: set[str]) -> None:
    above, _, name = node.path.rpartition("/")
    if above not in folders or unquoted(name) in {b"", b".", b".."} or b"/" in unquoted(name):
        raise _damaged(node, "the manifest puts it where no folder is", node.path)


def _at(into: Path, path: str) -> Path:
    return into / os.fsdecode(unquoted(path)) if path else into


def _chunk_of(node: Node, digest: str, chunks: Chunks) -> bytes:
    try:
        return chunks.get(digest)
    except StorageError as error:
        raise _damaged(node, error.message, error.place or "", cure=error.cure) from error


def _damaged(node: Node, message: str, place: str, *, cure: str | None = None) -> StorageError:
    return StorageError(
        f"{node.place} cannot be restored: {message}", place=place, cure=cure or "restore another snapshot"
    )


def _write_with_holes(handle: int, data: bytes) -> None:
    if len(data) == CHUNK_BYTES and not any(data[:64]) and data.count(0) == len(data):
        os.lseek(handle, len(data), os.SEEK_CUR)
        return
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        if block == _NOTHING:
            os.lseek(handle, _BLOCK, os.SEEK_CUR)
        else:
            _write_all(handle, block)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


# ---------------------------------------------------------------- what is there


def _names(target: Path) -> Iterator[tuple[str, os.stat_result]]:
    for path, found in _below(target):
        name = os.path.relpath(path, target)
        yield "" if name == "." else quoted(name), found


def _below(top: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every name at and below a folder, each before it is looked into. Links are not followed."""
    waiting = [os.fspath(top)]
    while waiting:
        path = waiting.pop()
        # What went away, may not be looked into, or is nested too deep for a path, is passed over.
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            yield path, found
            if stat.S_ISDIR(found.st_mode):
                with os.scandir(path) as listing:
                    waiting.extend(entry.path for entry in listing)


def _looks_like(node: Node, found: os.stat_result, target: Path) -> bool:
    kind = stat.S_IFMT(found.st_mode)
    if node.kind == "link":
        points = quoted(os.fspath(_at(target, node.path).readlink())) if kind == stat.S_IFLNK else None
        return points == node.target
    if node.kind == "folder":
        # Its time says only that a name came or went, which shows by itself.
        return kind == stat.S_IFDIR and stat.S_IMODE(found.st_mode) == node.mode
    return (
        kind == stat.S_IFREG
        and (found.st_size, found.st_mtime_ns) == (node.size, node.mtime_ns)
        and stat.S_IMODE(found.st_mode) == node.mode
    )


def _shown(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(readable(path) or "." for path in paths)


def _mounts() -> Iterator[Path]:
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        # The kernel writes blanks, tabs, line ends and backslashes in octal.
        name = line.split(b" ")[4]
        for code in (b"\\040", b"\\011", b"\\012", b"\\134"):
            name = name.replace(code, bytes([int(code[1:], 8)]))
        yield Path(os.fsdecode(name))


def _replaced(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")
