"""Taking a snapshot: folders first, the journal last, the manifest when all of it is on disk."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.adapters.files import storage_errors
from engine.adapters.snapshot_journal import beside, check_copy, copy_journal
from engine.adapters.snapshot_manifest import (
    JOURNAL,
    Node,
    SnapshotInfo,
    Summary,
    quoted,
    read_nodes,
    write_manifest,
)
from engine.adapters.snapshot_shelf import Shelf
from engine.adapters.snapshot_tree import TreeReader, identities
from engine.core.vocabulary.chain import Head
from engine.errors import ChainBroken, InputError, StorageError


def take(
    shelf: Shelf,
    roots: Mapping[str, Path],
    *,
    journal: Path | None,
    exclude: Sequence[str] = (),
    apart: Sequence[Path] = (),
    now_us: int,
) -> SnapshotInfo:
    """Take a snapshot; the caller has the shelf alone. See `SnapshotStore.create`."""
    began = time.monotonic()
    if JOURNAL in roots:
        raise InputError(f"the part {JOURNAL!r} is a file of its own", cure="give it as the journal")
    earlier = shelf.infos()
    reader = TreeReader(
        shelf.chunks,
        last=_last(shelf, earlier, tuple(roots)),
        exclude=exclude,
        apart=[*apart, shelf.folder],
        untouched=identities(beside(journal)) if journal is not None else frozenset(),
    )
    with shelf.unfinished():
        nodes: list[Node] = []
        for part, root in roots.items():
            nodes.extend(reader.read(part, root))
        head, continues = Head(), True
        if journal is not None:
            node, head, continues = _journal(shelf, reader, journal, earlier)
            nodes.append(node)
        places = dict(roots) | ({JOURNAL: journal} if journal is not None else {})
        files = [node for node in nodes if node.kind == "file"]
        shelf.chunks.sync()
        summary = Summary(
            created_us=now_us,
            roots={part: quoted(str(place.resolve())) for part, place in places.items()},
            files=len(files),
            size_bytes=sum(node.size for node in files),
            stored_bytes=sum(shelf.chunks.added.values()),
            left_out=sum(node.kind == "left_out" for node in nodes),
            torn=sum(node.torn for node in files),
            journal_seq=head.seq,
            journal_hash=head.hash.hex() if journal is not None else "",
            journal_continues=continues,
            seconds=round(time.monotonic() - began, 3),
        )
        return write_manifest(shelf.manifests, summary, nodes)


def _journal(
    shelf: Shelf, reader: TreeReader, journal: Path, earlier: Sequence[SnapshotInfo]
) -> tuple[Node, Head, bool]:
    copy = shelf.staging / journal.name
    since = next((info.head for info in reversed(earlier) if info.head is not None), None)
    try:
        copy_journal(journal, copy)
        try:
            head, continues = check_copy(copy, since=since)
        except ChainBroken as broken:
            raise ChainBroken(broken.message, place=str(journal), cure=broken.cure) from broken
        with storage_errors(journal):
            like = journal.stat()
        return reader.read_file(JOURNAL, copy, like), head, continues
    finally:
        for left in beside(copy):
            left.unlink(missing_ok=True)


def _last(
    shelf: Shelf, earlier: Sequence[SnapshotInfo], parts: tuple[str, ...]
) -> dict[tuple[str, str], Node]:
    """Return the files of the newest snapshot that has each part: one before a restore may have only some."""
    found: dict[tuple[str, str], Node] = {}
    missing = set(parts)
    for info in reversed(earlier):
        here = missing & set(info.parts)
        if here:
            # One that is damaged is no help, and no hindrance either: every file is read again.
            with contextlib.suppress(StorageError):
                for node in read_nodes(shelf.manifest(info.snapshot_id)):
                    if node.kind == "file" and node.part in here:
                        found[node.part, node.path] = node
            missing -= here
    return found
