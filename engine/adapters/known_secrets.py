"""The values this installation itself knows to be secret: its files of secrets, and its environment."""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.adapters.leaks import SHORTEST

VARIABLE: Final = "WATCHKEEPER_SECRET_"
_MOST_BYTES: Final = 1 << 16
_LOOK_EVERY_S: Final = 2.0


class KnownSecrets:
    """Reads them, and reads them again when a file came, went or changed."""

    def __init__(self, places: Iterable[Path], environment: Mapping[str, str] | None = None) -> None:
        """Look in these folders, in files only, and at these files."""
        self._places = tuple(map(str, places))
        given = os.environ if environment is None else environment
        self._given = tuple(value for name, value in sorted(given.items()) if name.startswith(VARIABLE))
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._values: tuple[str, ...] = ()
        self._looked_s = float("-inf")
        self._changed: tuple[int, ...] = ()

    def __call__(self) -> tuple[str, ...]:
        """Return the values; the same object as long as nothing changed.

        A file that comes or goes is seen at once, what is written into one within two seconds.
        """
        now_s, changed = time.monotonic(), tuple(map(_changed_ns, self._places))
        if changed != self._changed or now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s, self._changed = now_s, changed
            files = sorted(self._files())
            seen = tuple((str(path), status.st_mtime_ns, status.st_size) for path, status in files)
            if seen != self._seen:
                values = {*self._given, *(value for path, _ in files for value in _values_in(path))}
                self._values, self._seen = tuple(sorted(values)), seen
        return self._values

    def _files(self) -> Iterable[tuple[Path, os.stat_result]]:
        for place in map(Path, self._places):
            with suppress(OSError):
                found = [place] if place.is_file() else [path for path in place.iterdir() if path.is_file()]
                for path in found:
                    with suppress(OSError):
                        yield path, path.stat()


def _changed_ns(place: str) -> int:
    try:
        return os.stat(place).st_mtime_ns  # noqa: PTH116 - half the time, and this is asked for every fact
    except OSError:
        return 0


def _values_in(path: Path) -> Iterable[str]:
    """Return what a file holds, whole and line by line, where that is long enough to be looked for."""
    with suppress(OSError, UnicodeDecodeError):
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode().strip()
        if len(text) >= SHORTEST:
            yield text
