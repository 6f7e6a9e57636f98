"""The bytes of all snapshots: chunks named by their SHA-256, each kept once, compressed."""

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import zstandard

from engine.adapters.files import storage_errors
from engine.adapters.kernel_calls import sync_file_system
from engine.errors import StorageError

CHUNK_BYTES: Final = 4 << 20
"""A file up to this size is one chunk; a larger one is cut at its multiples. A file that only grows, such as
a log, therefore shares all its chunks but the last with the copy before."""

# Level 1 compresses 400 MB/s and level 3 half of that, for a twentieth of the space less.
_LEVEL: Final = 1
_POLL_S: Final = 0.05
_DIGITS: Final = 64


class Chunks:
    """A folder of chunks. Whoever writes or deletes in it holds the store's lock alone."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; `prepare` makes it."""
        self._folder = folder
        self._incoming = folder / "incoming"
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False)
        self._decompressor = zstandard.ZstdDecompressor()
        self._known: set[str] = set()
        self.added: dict[str, int] = {}
        """What was put since `prepare` and was not there yet, with the bytes each takes on disk."""

    def prepare(self) -> None:
        """Make the folders if missing, and look up what is there. Raises `StorageError`."""
        with storage_errors(self._folder):
            # Copies of files that only their owner may read lie here: nobody else gets in.
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._known = set(self.sizes())
        self.added = {}

    def has(self, digests: Iterable[str]) -> bool:
        """Whether all of these are there."""
        return self._known.issuperset(digests)

    def put(self, data: bytes) -> str:
        """Keep bytes, not yet synced, and return their SHA-256. Raises `StorageError`."""
        digest = hashlib.sha256(data).hexdigest()
        if digest in self._known:
            return digest
        packed = self._compressor.compress(data)
        temporary = self._incoming / digest
        with storage_errors(self._folder):
            try:
                handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                try:
                    _write_all(handle, packed)
                finally:
                    os.close(handle)
                path = self.path(digest)
                try:
                    temporary.rename(path)
                except FileNotFoundError:
                    path.parent.mkdir(mode=0o700, exist_ok=True)
                    temporary.rename(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        self._known.add(digest)
        self.added[digest] = len(packed)
        return digest

    def get(self, digest: str) -> bytes:
        """Return a chunk's bytes. Raises `StorageError` when they are missing, damaged or unreadable."""
        path = self.path(digest)
        cure = "restore another snapshot; `watchkeeper snapshot verify` names all that is damaged"
        try:
            packed = path.read_bytes()
            # A damaged header may promise any size.
            size = zstandard.frame_content_size(packed)
            data = self._decompressor.decompress(packed) if 0 <= size <= CHUNK_BYTES else b""
        except FileNotFoundError:
            raise StorageError(f"chunk {digest[:16]}… is missing", place=str(path), cure=cure) from None
        except zstandard.ZstdError:
            data = b""
        except OSError as error:
            raise StorageError(
                f"chunk {digest[:16]}… cannot be read: {error.strerror}", place=str(path), cure=cure
            ) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise StorageError(f"chunk {digest[:16]}… is damaged", place=str(path), cure=cure)
        return data

    def path(self, digest: str) -> Path:
        """Return where a chunk lies."""
        return self._folder / digest[:2] / digest

    def sync(self) -> None:
        """Have the disk keep all that was put. Raises `StorageError`."""
        if self.added:
            with storage_errors(self._folder):
                sync_file_system(self._folder)

    def sizes(self) -> dict[str, int]:
        """Return every chunk that is there, and the bytes it takes on disk."""
        found = {}
        with storage_errors(self._folder):
            for folder in self._folder.glob("??"):
                with os.scandir(folder) as names:
                    for entry in names:
                        if len(entry.name) == _DIGITS:
                            found[entry.name] = entry.stat().st_size
        return found

    def delete(self, digests: Iterable[str]) -> None:
        """Delete chunks that no manifest names any more. Raises `StorageError`."""
        with storage_errors(self._folder):
            for digest in digests:
                self.path(digest).unlink(missing_ok=True)
                self._known.discard(digest)

    def set_aside(self, digest: str) -> None:
        """Take a damaged chunk out of the way: the next snapshot that still has its bytes heals it."""
        path = self.path(digest)
        with contextlib.suppress(OSError):
            path.rename(path.with_name(f"{digest}.damaged"))

    def clear_incoming(self) -> None:
        """Delete what a process that was killed left half written, and chunks that were set aside."""
        with storage_errors(self._folder):
            for left in (*self._incoming.glob("*"), *self._folder.glob("??/*.damaged")):
                left.unlink(missing_ok=True)


@contextlib.contextmanager
def store_lock(folder: Path, *, alone: bool, wait_s: float) -> Iterator[None]:
    """Hold a store: alone to write or delete, or with others to read.

    The system takes the lock back from a process that dies. Raises `StorageError` when others hold it for
    longer than `wait_s` seconds.
    """
    handle = _lock_file(folder / "lock")
    if handle is None:
        yield  # on a disk that cannot be written nothing is going to be deleted either
        return
    try:
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    message = "another process is taking, restoring or checking a snapshot"
                    raise StorageError(message, place=str(folder), cure="wait for it, or stop it") from None
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


def _lock_file(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise StorageError(
            "there are no snapshots here",
            place=str(path.parent),
            cure="`watchkeeper snapshot create` makes one",
        ) from None
    except OSError:
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
