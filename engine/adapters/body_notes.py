"""The notes of a body: one small file for each effect that the engine has not heard the end of.

What may have touched the world is on disk as begun before it could, and how it ended before it is told. So
whoever comes after a crash knows of each effect whether nothing was touched, nobody knows, or how it ended.
"""

import contextlib
import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from engine.adapters.files import atomic_path, private_folder, storage_errors
from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.ids import EffectId
from engine.ports import Unfinished

_TAIL: Final = ".json"
_LONGEST_NAME: Final = 200
DEADLINES: Final = "deadlines.json"
"""Effect → until when its lease surely holds, seconds of the clock that counts sleep, too."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Unfinished).decode
_decode_deadlines: Final = msgspec.json.Decoder(dict[EffectId, float]).decode


class FolderNotes:
    """Notes in one folder of a body. Safe from many threads; one process writes it."""

    def __init__(self, folder: Path) -> None:
        """Use this folder; it is made when missing."""
        self._folder = folder
        self._turn = threading.Lock()
        private_folder(folder)

    def ask(self, effect_id: EffectId, token: int) -> None:
        """Note that the engine is about to be asked whether it may begin.

        Not synced: without it nothing worse is said than that nobody knows.
        """
        path = self._path(effect_id)
        with self._turn, storage_errors(path):
            path.write_bytes(_encode(Unfinished(effect_id=effect_id, token=token, stage="asked")))

    def begin(self, effect_id: EffectId, token: int) -> None:
        """Note, on disk, that the world may be touched now."""
        self._write(Unfinished(effect_id=effect_id, token=token, stage="begun"))

    def end(self, effect_id: EffectId, token: int, status: EffectStatus, result: Result) -> None:
        """Note, on disk, how it ended."""
        self._write(Unfinished(effect_id=effect_id, token=token, stage="ended", status=status, result=result))

    def forget(self, effect_id: EffectId, token: int) -> None:
        """Let go of one that the engine knows the end of. What is noted under a newer lease stays."""
        path = self._path(effect_id)
        with self._turn, storage_errors(path):
            if path.exists() and _token(path.read_bytes()) <= token:
                path.unlink()

    def unfinished(self) -> list[Unfinished]:
        """Return all that was not let go of. What a crash left half-written touched nothing yet.

        Others may ask while a body works: what it lets go of meanwhile is left out.
        """
        found = []
        with storage_errors(self._folder):
            for path in sorted(self._folder.iterdir()):
                if path.suffix == _TAIL and path.name != DEADLINES:
                    with contextlib.suppress(msgspec.DecodeError, FileNotFoundError):
                        found.append(_decode(path.read_bytes()))
        return found

    def deadlines(self, by_effect: Mapping[EffectId, float]) -> None:
        """Note until when each lease surely holds. Not synced: a power cut ends what is under way, too."""
        path = self._folder / DEADLINES
        temporary = path.with_suffix(".tmp")
        with self._turn, storage_errors(path):
            temporary.write_bytes(_encode(by_effect))
            temporary.replace(path)

    def _write(self, entry: Unfinished) -> None:
        path = self._path(entry.effect_id)
        with self._turn, atomic_path(path) as temporary:
            temporary.write_bytes(_encode(entry))

    def _path(self, effect_id: EffectId) -> Path:
        name = quote(effect_id, safe="")
        if len(name) > _LONGEST_NAME:
            name = hashlib.sha256(effect_id.encode()).hexdigest()
        return self._folder / (name + _TAIL)


def _token(body: bytes) -> int:
    try:
        return _decode(body).token
    except msgspec.DecodeError:
        return 0


def read_deadlines(folder: Path) -> dict[EffectId, float]:
    """Return what `deadlines` last wrote; nothing when that cannot be read."""
    try:
        return _decode_deadlines((folder / DEADLINES).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
