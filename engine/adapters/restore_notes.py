"""What was restored while no engine was there to journal it: `restored.json` in the state folder."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from engine.adapters.files import atomic_write, storage_errors
from engine.core.vocabulary.facts import SnapshotRestored
from engine.errors import StorageError

FILE: Final = "restored.json"


class RestoreNote(Struct, frozen=True, kw_only=True):
    """One restore on its way into the journal."""

    key: str
    """Its idempotency key: journalling it twice is journalling it once."""
    fact: SnapshotRestored


_NOTES: Final = msgspec.json.Decoder(list[RestoreNote])


def note_of(fact: SnapshotRestored) -> RestoreNote:
    """Give a restore its key."""
    return RestoreNote(key=f"restored:{fact.snapshot_id}:{fact.at_us}", fact=fact)


def read_notes(home: Path) -> list[RestoreNote]:
    """Return what still has to be journalled, oldest first. Raises `StorageError`."""
    path = home / FILE
    if not path.exists():
        return []
    with storage_errors(path):
        raw = path.read_bytes()
    try:
        return _NOTES.decode(raw)
    except msgspec.DecodeError as error:
        raise StorageError(
            f"is not a list of restores: {error}", place=str(path), cure="read it, then delete it"
        ) from error


def leave_note(home: Path, note: RestoreNote) -> None:
    """Add a restore, on disk when this returns. Raises `StorageError`."""
    _write(home, [*read_notes(home), note])


def clear_notes(home: Path, keys: frozenset[str]) -> None:
    """Take out those that are in the journal now. Raises `StorageError`."""
    _write(home, [note for note in read_notes(home) if note.key not in keys])


def _write(home: Path, notes: list[RestoreNote]) -> None:
    path = home / FILE
    if notes:
        with atomic_write(path) as file:
            file.write(msgspec.json.encode(notes))
    else:
        with storage_errors(path):
            path.unlink(missing_ok=True)
