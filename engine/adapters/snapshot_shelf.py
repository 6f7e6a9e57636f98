"""Where snapshots lie: chunks, manifests, the lock over both, and how room is made.

A snapshot counts once its manifest is there, which is written after all its chunks are on disk. Only one
process writes at a time. While it does, a mark says so: a mark without its process means that one was
killed, or the power went, and then chunks that no manifest names are worth nothing and may not even be whole.
They are deleted before anything else is written.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine.adapters.files import storage_errors
from engine.adapters.kernel_calls import sync_folder
from engine.adapters.snapshot_chunks import Chunks, store_lock
from engine.adapters.snapshot_manifest import SUFFIX, SnapshotInfo, read_chunks, read_info
from engine.errors import InputError, StorageError

LATEST = "latest"


class Shelf:
    """The folder of all snapshots."""

    def __init__(self, folder: Path, *, wait_s: float) -> None:
        """Name the folder, and how long to wait for another process that uses it, in seconds."""
        self.folder = folder
        self.chunks = Chunks(folder / "chunks")
        self.manifests = folder / "manifests"
        self.staging = folder / "staging"
        self._mark = folder / "unfinished"
        self._wait_s = wait_s

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep others from deleting meanwhile. Raises `StorageError` when one is at it for too long."""
        with store_lock(self.folder, alone=False, wait_s=self._wait_s):
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Have the folder alone, made if missing, and tidied up after whoever was killed in here.

        Raises `StorageError` when others hold it for too long or the disk refuses.
        """
        with storage_errors(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with store_lock(self.folder, alone=True, wait_s=self._wait_s):
            with storage_errors(self.folder):
                self.manifests.mkdir(mode=0o700, exist_ok=True)
                self.staging.mkdir(mode=0o700, exist_ok=True)
                for left in (*self.staging.iterdir(), *self.manifests.glob(".watchkeeper-*")):
                    left.unlink()
            self.chunks.prepare()
            if self._mark.exists():
                self.sweep()
            yield

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[None]:
        """Mark the store for as long as chunks are there that no manifest names yet.

        When the block fails, the chunks it added are deleted again: a full disk should not stay full.
        """
        with storage_errors(self._mark):
            self._mark.touch(mode=0o600)
            sync_folder(self.folder)
        try:
            yield
        except BaseException:
            with contextlib.suppress(StorageError):
                self.chunks.delete(list(self.chunks.added))
                self.chunks.clear_incoming()
            self._unmark()
            raise
        self._unmark()

    def infos(self) -> list[SnapshotInfo]:
        """Return what is there, oldest first; manifests that are damaged are passed over."""
        found = []
        for path in self._paths():
            with contextlib.suppress(StorageError, InputError):
                found.append(read_info(path))
        return sorted(found, key=lambda info: (info.created_us, info.snapshot_id))

    def find(self, name: str) -> SnapshotInfo:
        """Return the snapshot of this id, of the only id that begins so, or the `latest`.

        Raises `InputError` when there is none or more than one, and `StorageError` when it is damaged.
        """
        if name == LATEST and (there := self.infos()):
            return there[-1]
        fitting = [path for path in self._paths() if name and path.name.startswith(name)]
        if len(fitting) == 1:
            return read_info(fitting[0])
        raise InputError(
            f"{len(fitting)} snapshots begin with {name!r}" if fitting else f"no snapshot {name!r}",
            place=str(self.folder),
            cure="`watchkeeper snapshot list` shows what there is",
        )

    def manifest(self, snapshot_id: str) -> Path:
        """Return where a snapshot's manifest lies."""
        return self.manifests / f"{snapshot_id}{SUFFIX}"

    def damaged_manifests(self) -> list[Path]:
        """Return the manifests whose bytes are not what their names promise."""
        found = []
        for path in self._paths():
            try:
                for _ in read_chunks(path):
                    pass
            except (StorageError, InputError):
                found.append(path)
        return found

    def references(self) -> dict[str, set[str]]:
        """Return the chunks that each snapshot names. Raises `StorageError` when a manifest is damaged."""
        try:
            return {path.name.removesuffix(SUFFIX): set(read_chunks(path)) for path in self._paths()}
        except StorageError as error:
            raise StorageError(
                "nothing is deleted while a manifest cannot be read",
                place=error.place,
                cure="`watchkeeper snapshot verify` sets damaged ones aside",
            ) from error

    def drop(self, snapshot_ids: list[str]) -> None:
        """Forget snapshots: from here on they are not there, though their chunks still are."""
        with storage_errors(self.manifests):
            for snapshot_id in snapshot_ids:
                self.manifest(snapshot_id).unlink(missing_ok=True)
            # A power cut must not leave a manifest and take its chunks.
            sync_folder(self.manifests)

    def sweep(self) -> int:
        """Delete every chunk that no manifest names, and what was set aside; returns the bytes freed."""
        named: set[str] = set().union(*self.references().values())
        loose = {name: size for name, size in self.chunks.sizes().items() if name not in named}
        self.chunks.delete(loose)
        self.chunks.clear_incoming()
        self._unmark()
        return sum(loose.values())

    def surplus(self, keep: int, most_bytes: int) -> list[str]:
        """Return the oldest snapshots beyond a count, and beyond a total size; never the newest."""
        infos, references, sizes = self.infos(), self.references(), self.chunks.sizes()
        users = Counter(digest for named in references.values() for digest in named)
        total = sum(sizes.get(digest, 0) for digest in users)
        total += sum(self.manifest(info.snapshot_id).stat().st_size for info in infos)
        out = []
        for position, info in enumerate(infos[:-1]):
            if len(infos) - position <= keep and total <= most_bytes:
                break
            out.append(info.snapshot_id)
            total -= self.manifest(info.snapshot_id).stat().st_size
            for digest in references[info.snapshot_id]:
                users[digest] -= 1
                if not users[digest]:
                    total -= sizes.get(digest, 0)
        return out

    def _paths(self) -> list[Path]:
        if not self.manifests.is_dir():
            return []
        with storage_errors(self.manifests):
            return sorted(path for path in self.manifests.iterdir() if path.name.endswith(SUFFIX))

    def _unmark(self) -> None:
        with storage_errors(self._mark):
            self._mark.unlink(missing_ok=True)


def used_bytes(folder: Path) -> int:
    """Return what a store takes on disk, in bytes."""
    return sum(
        os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - a hundred thousand Paths are slow
        for place, _, names in os.walk(folder)
        for name in names
    )
