"""The undo log: a folder for each effect, with its record and what the record needs to be undone with.

The record names its blobs by their SHA-256, which is also what their files are called. A new record is put in
place last, in one step, when all its blobs are on disk, and only then are the old one's blobs let go. So a
crash at any point leaves the old record or the whole new one.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from engine.adapters.files import storage_errors
from engine.core.vocabulary.ids import EffectId
from engine.errors import StorageError, WatchkeeperError

_RECORD: Final = "record.json"
_NEW: Final = ".new-"
_GONE: Final = ".gone-"
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_HASHED: Final = "x-"
_CHUNK: Final = 1 << 20
# A folder without a record is a save under way, or what a crash left of one. No save takes an hour.
_ABANDONED_S: Final = 3600


class Kept(Struct, frozen=True, kw_only=True):
    """One record of the undo log, as a list of them shows it."""

    effect_id: EffectId
    saved_us: int
    """When it was saved, microseconds since 1970."""
    size_bytes: int
    """With its blobs."""


class _Blob(Struct, frozen=True, kw_only=True):
    """Where one blob of a record lies, and how to know it again."""

    sha256: str
    size: int


class _Stored(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file of a record."""

    effect_id: EffectId
    saved_us: int
    record: dict[str, Any]
    blobs: dict[str, _Blob]
    sha256: str = ""
    """Of all the above in canonical JSON."""

    def sealed(self) -> "_Stored":
        """Give it with its own SHA-256."""
        return msgspec.structs.replace(self, sha256=self._seal())

    @property
    def intact(self) -> bool:
        """Whether it is what was sealed."""
        return self.sha256 == self._seal()

    def _seal(self) -> str:
        bare = msgspec.structs.replace(self, sha256="")
        return hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()


class FolderUndoLog:
    """An undo log in one folder. Many processes may use it, as long as no two save the same effect at once.

    What it keeps are contents of people's files: folders and files are for their owner alone.
    """

    def __init__(self, folder: Path) -> None:
        """Use this folder; it is made when the first record is saved."""
        self._folder = folder

    def save(self, effect_id: EffectId, record: Mapping[str, Any], blobs: Mapping[str, bytes | Path]) -> None:
        """Keep a record and its blobs, on disk before this returns. Saving again replaces it.

        A path among the blobs is copied. Raises `StorageError` when the disk refuses: then the effect must
        not begin.
        """
        place = self._place(effect_id)
        with _refusals(place):
            made = [folder for folder in (place, *place.parents) if not folder.exists()]
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in made:
                _sync(folder.parent)
            kept = {name: _keep(blob, place) for name, blob in blobs.items()}
            if kept:
                _sync(place)
            stored = _Stored(
                effect_id=effect_id,
                saved_us=time.time_ns() // 1000,
                record=dict(record),
                blobs=kept,
            ).sealed()
            with _new_file(place) as (temporary, file):
                file.write(msgspec.json.encode(stored, order="sorted"))
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(place / _RECORD)
            _sync(place)
            self._let_go_of_others(place, {blob.sha256 for blob in kept.values()})

    def load(self, effect_id: EffectId) -> dict[str, Any] | None:
        """Return a record, or `None` when there is none or it was let go to make room.

        Every blob is read and compared. Raises `StorageError` when the record or a blob of it is damaged, or
        cannot be read: nothing must be restored from it.
        """
        stored = self._stored(effect_id)
        if stored is None:
            return None
        for name, blob in stored.blobs.items():
            path = self._place(effect_id) / blob.sha256
            try:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except FileNotFoundError:
                raise _damaged(path, f"{name!r} of the undo record for {effect_id} is missing") from None
            except OSError as error:
                raise _unreadable(path, error) from error
            if found != blob.sha256:
                raise _damaged(path, f"{name!r} of the undo record for {effect_id} is damaged")
        return stored.record

    def blob(self, effect_id: EffectId, name: str) -> Path:
        """Return where one blob of a record lies. Raises `StorageError` when there is no such blob."""
        stored = self._stored(effect_id)
        if stored is None or name not in stored.blobs:
            raise StorageError(
                f"the undo record for {effect_id} has no {name!r}",
                place=str(self._place(effect_id)),
                cure="it cannot be undone from here: take the contents from a snapshot",
            )
        return self._place(effect_id) / stored.blobs[name].sha256

    def list(self) -> tuple[Kept, ...]:
        """Return what is kept, oldest first. A damaged record is in it too, under the name of its folder."""
        return tuple(sorted((self._seen(place) for place in self._places()), key=_age))

    def trim(self, *, keep: int, most_bytes: int, in_use: Collection[EffectId]) -> tuple[EffectId, ...]:
        """Let the oldest go until at most `keep` records of at most `most_bytes` together stay.

        Returns which went. Those `in_use` (of effects that are under way, or that an undo under way goes by)
        stay, whatever they take. Raises `StorageError` when the disk refuses.
        """
        with _refusals(self._folder):
            self._sweep({self._place(effect_id).name for effect_id in in_use})
            kept = self.list()
            number, size = len(kept), sum(one.size_bytes for one in kept)
            gone = []
            for one in kept:
                if number <= keep and size <= most_bytes:
                    break
                if one.effect_id in in_use:
                    continue
                self._remove(self._place(one.effect_id))
                number, size = number - 1, size - one.size_bytes
                gone.append(one.effect_id)
            return tuple(gone)

    def _place(self, effect_id: EffectId) -> Path:
        """Give the folder of an effect. An id that is no plain name gives a hash of it, so none leads out."""
        if _PLAIN_NAME.fullmatch(effect_id) and not effect_id.startswith(_HASHED):
            return self._folder / effect_id
        return self._folder / (_HASHED + hashlib.sha256(effect_id.encode()).hexdigest())

    def _places(self) -> Iterator[Path]:
        try:
            found = [place for place in self._folder.iterdir() if not place.name.startswith(".")]
        except FileNotFoundError:
            return
        yield from (place for place in found if (place / _RECORD).exists())

    def _stored(self, effect_id: EffectId) -> _Stored | None:
        path = self._place(effect_id) / _RECORD
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        except msgspec.MsgspecError as error:
            raise _damaged(path, f"the undo record for {effect_id} is damaged") from error
        if not stored.intact or stored.effect_id != effect_id:
            raise _damaged(path, f"the undo record for {effect_id} is damaged")
        return stored

    def _seen(self, place: Path) -> Kept:
        size, saved_us = 0, 0
        with contextlib.suppress(FileNotFoundError):  # another process may be letting it go
            for path in place.iterdir():
                status = path.stat()
                size += status.st_size
                if path.name == _RECORD:
                    saved_us = status.st_mtime_ns // 1000
        try:
            stored = msgspec.json.decode((place / _RECORD).read_bytes(), type=_Stored)
        except (OSError, msgspec.MsgspecError):
            return Kept(effect_id=EffectId(place.name), saved_us=saved_us, size_bytes=size)
        # The time it says itself: that of the file is another one after a restore from a copy.
        return Kept(effect_id=stored.effect_id, saved_us=stored.saved_us, size_bytes=size)

    def _remove(self, place: Path) -> None:
        # Out of sight in one step, so that nobody ever finds half a record.
        gone = self._folder / f"{_GONE}{secrets.token_hex(6)}"
        with contextlib.suppress(FileNotFoundError):
            place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _sweep(self, in_use: Collection[str]) -> None:
        """Remove what crashes left: folders half gone, and saves that never came to a record."""
        if not self._folder.exists():
            return
        for place in self._folder.iterdir():
            if place.name.startswith(_GONE):
                shutil.rmtree(place, ignore_errors=True)
            elif place.name not in in_use and not (place / _RECORD).exists():
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - place.stat().st_mtime > _ABANDONED_S:
                        self._remove(place)

    @staticmethod
    def _let_go_of_others(place: Path, needed: Collection[str]) -> None:
        for path in place.iterdir():
            if path.name not in needed and path.name != _RECORD:
                path.unlink(missing_ok=True)


def _age(kept: Kept) -> tuple[int, str]:
    return kept.saved_us, kept.effect_id


def _keep(blob: bytes | Path, place: Path) -> _Blob:
    """Copy a blob into a record's folder, under its hash, and onto the disk."""
    digest, size = hashlib.sha256(), 0
    with _new_file(place) as (temporary, file):
        for piece in _pieces(blob):
            digest.update(piece)
            size += len(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
        temporary.replace(place / digest.hexdigest())
    return _Blob(sha256=digest.hexdigest(), size=size)


def _pieces(blob: bytes | Path) -> Iterator[bytes]:
    if isinstance(blob, bytes):
        yield blob
        return
    with blob.open("rb") as source:
        while piece := source.read(_CHUNK):
            yield piece


@contextlib.contextmanager
def _new_file(place: Path) -> Iterator[tuple[Path, Any]]:
    """Open a file under a name of its own, for its owner alone; it is gone afterwards unless renamed."""
    temporary = place / f"{_NEW}{secrets.token_hex(6)}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _refusals(place: Path) -> Iterator[None]:
    """Turn every refusal of the system into a `StorageError`: no path here was asked for by anyone."""
    try:
        with storage_errors(place):
            yield
    except StorageError:
        raise
    except WatchkeeperError as error:
        raise StorageError(error.message, place=error.place, cure=error.cure) from error


def _damaged(path: Path, message: str) -> StorageError:
    return StorageError(
        message, place=str(path), cure="nothing was restored from it: take the contents from a snapshot"
    )


def _unreadable(path: Path, error: OSError) -> StorageError:
    said = (error.strerror or str(error)).lower()
    return StorageError(f"cannot be read: {said}", place=str(path), cure="mend that, then try again")
