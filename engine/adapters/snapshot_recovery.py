"""Bringing snapshots back: into an empty place, or in the place of what is there."""

import contextlib
import glob
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from engine.adapters.files import storage_errors
from engine.adapters.journal_lock import WriterLock
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.kernel_calls import sync_folder
from engine.adapters.snapshot_journal import check_whole, put_back
from engine.adapters.snapshot_manifest import JOURNAL, Node, SnapshotInfo, read_nodes
from engine.adapters.snapshot_restore import (
    changes,
    needed_bytes,
    remove_tree,
    require_replaceable,
    require_space,
    settle,
    swap,
    write_file,
    write_tree,
)
from engine.adapters.snapshot_shelf import Shelf
from engine.adapters.snapshot_take import take
from engine.errors import InputError, JournalError


class Restored(Struct, frozen=True, kw_only=True):
    """What was brought back."""

    snapshot_id: str
    parts: tuple[str, ...]
    files: int
    size_bytes: int
    journal_seq: int
    """The last record of the restored journal; 0 without one."""
    safety_id: str | None = None
    """The snapshot of what was there before; `None` when nothing was replaced."""
    kept: dict[str, Path] = {}
    """What was there before and is still on disk, by part: always a journal, and a folder of which the safety
    snapshot could not hold everything."""
    seconds: float = 0.0


def restore(shelf: Shelf, name: str, targets: Mapping[str, Path]) -> Restored:
    """Write parts to where nothing is; see `SnapshotStore.restore`."""
    began = time.monotonic()
    with shelf.reading():
        info, parts = _parts(shelf, name, targets)
        places = {part: _empty(target) for part, target in targets.items()}
        _require_space(parts, places)
        built: dict[str, Path] = {}
        try:
            for part, nodes in parts.items():
                built[part] = _beside(places[part], info)
                _build(shelf, info, part, nodes, built[part])
            for part, new in built.items():
                with storage_errors(places[part]):
                    new.rename(places[part])
                    sync_folder(places[part].parent)
        finally:
            for new in built.values():
                _remove(new)
    return _restored(info, parts, began)


def replace(
    shelf: Shelf,
    name: str,
    targets: Mapping[str, Path],
    *,
    apart: Sequence[Path],
    now_us: int,
) -> Restored:
    """Put parts in the place of what is there; see `SnapshotStore.replace`."""
    began = time.monotonic()
    places = {part: target.resolve() for part, target in targets.items()}
    with shelf.writing(), contextlib.ExitStack() as held:
        info, parts = _parts(shelf, name, targets)
        lock = held.enter_context(_writer_lock(places[JOURNAL])) if JOURNAL in places else None
        folders = {part: place for part, place in places.items() if part != JOURNAL}
        for place in folders.values():
            _require_swappable(place, (*apart, shelf.folder))
        for place in places.values():
            _clear_leftovers(place)
        _require_space(parts, places)
        saved = _safety(shelf, places, apart, now_us)
        waiting: dict[str, Path] = {}
        kept: dict[str, Path] = {}
        try:
            for part, nodes in parts.items():
                waiting[part] = _beside(places[part], info)
                _build(shelf, info, part, nodes, waiting[part])
            if lock is not None:
                # First, since it may yet be refused, and then nothing was changed.
                journal, aside = places[JOURNAL], _kept_name(places[JOURNAL], now_us)
                if put_back(waiting[JOURNAL], journal, aside, lock):
                    kept[JOURNAL] = aside
                del waiting[JOURNAL]
                with SqliteReader(journal) as reader:
                    reader.verify(anchor=info.head)
            for part, place in folders.items():
                known = _held(shelf, saved, part) if saved is not None else None
                old = _swap(waiting.pop(part), place, held=known, at_us=now_us)
                if old is not None:
                    kept[part] = old
        finally:
            for new in waiting.values():
                _remove(new)
    return _restored(
        info, parts, began, safety_id=saved.snapshot_id if saved is not None else None, kept=kept
    )


# ---------------------------------------------------------------- before


def _parts(
    shelf: Shelf, name: str, targets: Mapping[str, Path]
) -> tuple[SnapshotInfo, dict[str, list[Node]]]:
    info = shelf.find(name)
    missing = sorted(set(targets) - set(info.parts))
    if missing or not targets:
        raise InputError(
            f"has no part {missing[0]!r}" if missing else "no part was named",
            place=info.snapshot_id,
            cure=f"it has {', '.join(info.parts)}",
        )
    parts: dict[str, list[Node]] = {part: [] for part in targets}
    for node in read_nodes(shelf.manifest(info.snapshot_id)):
        if node.part in parts:
            parts[node.part].append(node)
    return info, parts


def _empty(target: Path) -> Path:
    """Return where a new thing may go. Raises `InputError` when something is there already."""
    place = Path(os.path.abspath(target))  # noqa: PTH100 - Path.absolute keeps `..` in it
    with storage_errors(target):
        taken = os.path.lexists(place) and not (
            place.is_dir() and not place.is_symlink() and not any(place.iterdir())
        )
    if taken:
        raise InputError("is there already", place=str(target), cure="name a folder that does not exist yet")
    return place


def _require_swappable(place: Path, apart: Iterable[Path]) -> None:
    settle(place)
    if place.exists() and not place.is_dir():
        raise InputError("is not a folder", place=str(place), cure="name the folder that was copied")
    for own in apart:
        if own.resolve().is_relative_to(place):
            raise InputError(
                f"contains {own}, which is Watchkeeper's own and would be carried off",
                place=str(place),
                cure="restore with --to into another folder, and copy from there",
            )
    require_replaceable(place)


def _require_space(parts: Mapping[str, Sequence[Node]], places: Mapping[str, Path]) -> None:
    needed: dict[int, tuple[Path, int]] = {}
    for part, nodes in parts.items():
        folder = places[part].parent
        with storage_errors(folder):
            disk = folder.stat().st_dev
        first, so_far = needed.get(disk, (folder, 0))
        needed[disk] = (first, so_far + needed_bytes(nodes))
    for folder, bytes_ in needed.values():
        require_space(folder, bytes_)


@contextlib.contextmanager
def _writer_lock(journal: Path) -> Iterator[WriterLock]:
    lock = WriterLock(os.fspath(journal))
    try:
        yield lock
    finally:
        lock.release()


def _safety(
    shelf: Shelf, places: Mapping[str, Path], apart: Sequence[Path], now_us: int
) -> SnapshotInfo | None:
    """Take a snapshot of what is there, if anything is."""
    present = {part: place for part, place in places.items() if place.exists()}
    journal = present.pop(JOURNAL, None)
    try:
        if present or journal is not None:
            return take(shelf, present, journal=journal, apart=apart, now_us=now_us)
    except JournalError:
        # That a journal is damaged is the best reason to put an older one back. The file itself is kept.
        if present:
            return take(shelf, present, journal=None, apart=apart, now_us=now_us)
    return None


# ---------------------------------------------------------------- the work


def _build(shelf: Shelf, info: SnapshotInfo, part: str, nodes: Sequence[Node], new: Path) -> None:
    if part != JOURNAL:
        write_tree(nodes, shelf.chunks, new)
        return
    [node] = nodes
    write_file(node, shelf.chunks, new)
    with storage_errors(new):
        if os.geteuid() == 0:
            os.chown(new, node.uid, node.gid)
        new.chmod(node.mode)
        check_whole(new, info.head)
        os.utime(new, ns=(node.mtime_ns, node.mtime_ns))
        handle = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _swap(new: Path, place: Path, *, held: Sequence[Node] | None, at_us: int) -> Path | None:
    """Swap a folder in; the old one goes, or is returned when it has something no snapshot holds.

    `held` is what the snapshot of the present has of it, `None` when that cannot be all.
    """
    there = place.exists()
    if there and held is None:
        aside = _put_aside(new, place, at_us)
        swap(aside, place)
        return aside
    swap(new, place)
    if not there:
        return None
    # Whoever wrote in it since that snapshot was taken has it nowhere else.
    since = changes(held or (), new)
    if since.changed or since.removed:
        return _put_aside(new, place, at_us)
    return None if remove_tree(new) else new


def _put_aside(folder: Path, place: Path, at_us: int) -> Path:
    """Give a folder the name under which something of a place is kept beside it."""
    aside = _kept_name(place, at_us)
    with storage_errors(aside):
        folder.rename(aside)
    return aside


def _held(shelf: Shelf, saved: SnapshotInfo, part: str) -> list[Node] | None:
    """Return all that a snapshot has of a part; `None` when something of it could not be taken."""
    nodes = [node for node in read_nodes(shelf.manifest(saved.snapshot_id)) if node.part == part]
    return None if any(node.torn or node.kind == "left_out" for node in nodes) else nodes


def _beside(target: Path, info: SnapshotInfo) -> Path:
    return target.with_name(f".{target.name}.restoring-{info.snapshot_id}-{os.getpid()}")


def _kept_name(target: Path, at_us: int) -> Path:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_us // 1_000_000))
    name = f"{target.stem}-before-{moment}"
    taken = 0
    while (path := target.with_name(f"{name}{f'-{taken}' if taken else ''}{target.suffix}")).exists():
        taken += 1
    return path


def _clear_leftovers(target: Path) -> None:
    """Delete what a restore that was killed left half written."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.restoring-*"):
        _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _restored(
    info: SnapshotInfo,
    parts: Mapping[str, Sequence[Node]],
    began: float,
    *,
    safety_id: str | None = None,
    kept: Mapping[str, Path] | None = None,
) -> Restored:
    files = [node for nodes in parts.values() for node in nodes if node.kind == "file"]
    return Restored(
        snapshot_id=info.snapshot_id,
        parts=tuple(parts),
        files=len(files),
        size_bytes=sum(node.size for node in files),
        journal_seq=info.journal_seq if JOURNAL in parts else 0,
        safety_id=safety_id,
        kept=dict(kept or {}),
        seconds=round(time.monotonic() - began, 3),
    )
