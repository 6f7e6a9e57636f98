"""Snapshots: copies of journal, configuration and workspace that share what did not change.

Everything here blocks: call it in a thread, or better in a process of its own. It works beside a running
engine, which it never keeps waiting: the journal is copied through a read-only connection.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from engine.adapters import snapshot_recovery
from engine.adapters.snapshot_check import Verified, verify
from engine.adapters.snapshot_manifest import SnapshotInfo, read_nodes
from engine.adapters.snapshot_recovery import Restored
from engine.adapters.snapshot_restore import Changes, changes
from engine.adapters.snapshot_shelf import Shelf
from engine.adapters.snapshot_take import take


class Trimmed(Struct, frozen=True, kw_only=True):
    """What was deleted."""

    snapshot_ids: tuple[str, ...]
    freed_bytes: int


class SnapshotStore:
    """A folder of snapshots. Any number of these may stand for one folder, in any number of processes."""

    def __init__(self, folder: Path, *, wait_s: float = 60.0) -> None:
        """Name the folder, made when the first snapshot is taken.

        `wait_s` is how long any method waits for another process that is using it.
        """
        self._shelf = Shelf(folder, wait_s=wait_s)

    def create(
        self,
        roots: Mapping[str, Path],
        *,
        journal: Path | None = None,
        exclude: Sequence[str] = (),
        apart: Sequence[Path] = (),
        now_us: int,
    ) -> SnapshotInfo:
        """Take a snapshot of folders, by part, and of a journal; it is on disk when this returns.

        `exclude` reads as a `.gitignore` does. `apart` names what is Watchkeeper's own and never goes in,
        such as its state folder where the workspace contains that; this store's folder is always apart.

        The journal is copied last, so that it knows of everything the copied workspace may show, and its
        chain is recomputed from where the snapshot before ended. In full it is checked by `verify`.

        Raises `InputError` for a wrong root or pattern, `ChainBroken` when the journal does not verify,
        `StorageError` when the disk refuses. Then there is no new snapshot, and what it wrote is gone again.
        """
        with self._shelf.writing():
            return take(self._shelf, roots, journal=journal, exclude=exclude, apart=apart, now_us=now_us)

    def list(self) -> list[SnapshotInfo]:
        """Return all snapshots, oldest first; damaged ones are passed over, and named by `verify`."""
        return self._shelf.infos()

    def find(self, name: str) -> SnapshotInfo:
        """Return the snapshot of this id, of the only id that begins so, or the `latest`.

        Raises `InputError` when there is none, or more than one.
        """
        return self._shelf.find(name)

    def changes(self, snapshot_id: str, part: str, target: Path) -> Changes:
        """Say what `replace` would do to a folder. Raises `InputError`, `StorageError`."""
        with self._shelf.reading():
            info = self._shelf.find(snapshot_id)
            nodes = [node for node in read_nodes(self._shelf.manifest(info.snapshot_id)) if node.part == part]
            return changes(nodes, target)

    def restore(self, snapshot_id: str, targets: Mapping[str, Path]) -> Restored:
        """Write parts of a snapshot to where nothing is yet: a folder for each, a file for the journal.

        All of them or none. Raises `InputError` when something is there already, `StorageError` when a chunk
        is damaged, naming the file, or the disk refuses, and `ChainBroken` when the journal does not verify.
        """
        return snapshot_recovery.restore(self._shelf, snapshot_id, targets)

    def replace(
        self, snapshot_id: str, targets: Mapping[str, Path], *, apart: Sequence[Path] = (), now_us: int
    ) -> Restored:
        """Put parts of a snapshot in the place of what is there, after taking a snapshot of that.

        Every part is written in full beside its target and checked first; then each takes its place in one
        step, so that a crash leaves the old or the new. The present journal is kept beside the restored one.

        Raises as `restore` does, and `JournalBusy` when an engine is running and the journal is asked for.
        """
        return snapshot_recovery.replace(self._shelf, snapshot_id, targets, apart=apart, now_us=now_us)

    def verify(self, snapshot_id: str | None = None) -> Verified:
        """Read every chunk of one snapshot, or of all, and recompute the journal's whole chain.

        Of all snapshots only the newest journal is walked record by record: the others were when they were
        taken, and their bytes are checked like any others. Chunks and manifests that are damaged are set
        aside, so that the next snapshot stores them anew if their bytes are still to be had. Raises
        `InputError` when there is no such snapshot.
        """
        return verify(self._shelf, snapshot_id)

    def trim(self, keep: int, most_bytes: int) -> Trimmed:
        """Delete the oldest snapshots until at most `keep` are left and they take at most `most_bytes`.

        The newest always stays. Raises `StorageError` when a manifest is damaged: then nothing is deleted.
        """
        with self._shelf.writing():
            surplus = self._shelf.surplus(max(keep, 1), most_bytes)
            if not surplus:
                return Trimmed(snapshot_ids=(), freed_bytes=0)
            self._shelf.drop(surplus)
            return Trimmed(snapshot_ids=tuple(surplus), freed_bytes=self._shelf.sweep())
