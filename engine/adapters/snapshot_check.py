"""Checking snapshots: every chunk, every manifest, and the journal record by record."""

import os
import tempfile
from pathlib import Path

from msgspec import Struct

from engine.adapters.files import storage_errors
from engine.adapters.snapshot_journal import check_whole
from engine.adapters.snapshot_manifest import JOURNAL, Node, SnapshotInfo, read_nodes
from engine.adapters.snapshot_restore import require_space, write_file
from engine.adapters.snapshot_shelf import Shelf
from engine.errors import ChainBroken, StorageError


class Damage(Struct, frozen=True, kw_only=True):
    """One thing in one snapshot that cannot be restored."""

    snapshot_id: str
    place: str
    """The file within it, or the manifest."""
    what: str


class Verified(Struct, frozen=True, kw_only=True):
    """What was checked, and what was found."""

    snapshots: int
    chunks: int
    journal_seq: int
    """The last record of the journal that was recomputed; 0 when there was none."""
    damage: tuple[Damage, ...]


def verify(shelf: Shelf, name: str | None) -> Verified:
    """Check one snapshot or all; see `SnapshotStore.verify`."""
    damage: list[Damage] = []
    bad: dict[str, str] = {}
    good: set[str] = set()
    seq = 0
    with shelf.reading():
        broken = shelf.damaged_manifests() if name is None else []
        damage += [
            Damage(snapshot_id=path.name.partition(".")[0], place="manifest", what="is damaged")
            for path in broken
        ]
        infos = shelf.infos() if name is None else [shelf.find(name)]
        names = {path.name for path in broken}
        infos = [info for info in infos if shelf.manifest(info.snapshot_id).name not in names]
        with_journal = [info for info in infos if info.head is not None][-1:]
        for info in infos:
            nodes = read_nodes(shelf.manifest(info.snapshot_id))
            found = [damaged for node in nodes for damaged in _damage_of(shelf, info, node, good, bad)]
            damage += found
            journal = next((node for node in nodes if node.part == JOURNAL), None)
            if info in with_journal and journal is not None and not found:
                seq = info.journal_seq
                damage += _walk(shelf, info, journal)
    if bad or broken:
        with shelf.writing(), storage_errors(shelf.folder):
            for digest in bad:
                shelf.chunks.set_aside(digest)
            for path in broken:
                path.rename(path.with_suffix(".damaged"))
    return Verified(
        snapshots=len(infos) + len(broken), chunks=len(good) + len(bad), journal_seq=seq, damage=tuple(damage)
    )


def _damage_of(
    shelf: Shelf, info: SnapshotInfo, node: Node, good: set[str], bad: dict[str, str]
) -> list[Damage]:
    for digest in node.chunks:
        if digest not in good and digest not in bad:
            try:
                shelf.chunks.get(digest)
                good.add(digest)
            except StorageError as error:
                bad[digest] = error.message
    first = next((digest for digest in node.chunks if digest in bad), None)
    if first is None:
        return []
    return [Damage(snapshot_id=info.snapshot_id, place=node.place, what=bad[first])]


def _walk(shelf: Shelf, info: SnapshotInfo, node: Node) -> list[Damage]:
    with storage_errors(shelf.staging):
        handle, name = tempfile.mkstemp(dir=shelf.staging)
        os.close(handle)
    path = Path(name)
    path.unlink()
    try:
        require_space(shelf.staging, node.size)
        write_file(node, shelf.chunks, path)
        check_whole(path, info.head)
    except ChainBroken as error:
        return [Damage(snapshot_id=info.snapshot_id, place=node.place, what=error.message)]
    finally:
        path.unlink(missing_ok=True)
    return []
