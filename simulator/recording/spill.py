"""Sorting more than fits in memory: sorted runs in one unnamed temporary file, merged when read."""

import heapq
import struct
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Final, Self

from engine.errors import StorageError

RUN_BYTES: Final = 16 * 1024 * 1024
"""A run this large sorts in well under a second, and a hundred million items still make a few hundred
runs."""
_READ_BYTES: Final = 32 * 1024
_SIZES: Final = struct.Struct("<II")
# What Python itself keeps for one pair of bytes objects in a list, roughly.
_ITEM_BYTES: Final = 150
_SIGN: Final = 1 << 63


def time_key(at_us: int) -> bytes:
    """Return a key for a time whose bytes sort as the number does, also before 1970."""
    return (at_us + _SIGN).to_bytes(8)


class SortedSpill:
    """Pairs of bytes that come back in order of their keys, and in the order they were added where keys tie.

    Memory stays flat however many there are. Raises `StorageError` when the temporary folder is full.
    """

    def __init__(self, *, run_bytes: int = RUN_BYTES) -> None:
        """Start empty; nothing touches the disk before the first run is full."""
        self._limit = run_bytes
        self._items: list[tuple[bytes, bytes]] = []
        self._held = 0
        self._file: IO[bytes] | None = None
        self._runs: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the temporary file go."""
        self.close()

    def close(self) -> None:
        """Let the temporary file go. Closing twice is harmless."""
        self._items = []
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(self, key: bytes, value: bytes) -> None:
        """Take one pair."""
        self._items.append((key, value))
        self._held += len(key) + len(value) + _ITEM_BYTES
        if self._held >= self._limit:
            self._spill()

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Give all pairs back, sorted by key. The sort is stable, over the whole."""
        self._items.sort(key=_key)
        return heapq.merge(*(self._read(*run) for run in self._runs), iter(self._items), key=_key)

    def _spill(self) -> None:
        self._items.sort(key=_key)
        try:
            if self._file is None:
                # Unnamed, so that not even `kill -9` leaves it behind. It lives as long as this object.
                self._file = tempfile.TemporaryFile(prefix="watchkeeper-")  # noqa: SIM115 - see above
            start = self._file.seek(0, 2)
            for key, value in self._items:
                self._file.write(_SIZES.pack(len(key), len(value)) + key + value)
            self._file.flush()
            self._runs.append((start, self._file.tell()))
        except OSError as error:
            raise StorageError(
                f"cannot sort on disk: {error.strerror or error}",
                place=tempfile.gettempdir(),
                cure="free some space there, or set TMPDIR to a folder that has it",
            ) from error
        self._items = []
        self._held = 0

    def _read(self, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
        assert self._file is not None  # noqa: S101 - a run exists only in a file
        held, at = b"", start
        while True:
            place = 0
            while len(held) - place >= _SIZES.size:
                key_size, value_size = _SIZES.unpack_from(held, place)
                key_at = place + _SIZES.size
                if len(held) - key_at < key_size + value_size:
                    break
                value_at = key_at + key_size
                place = value_at + value_size
                yield held[key_at:value_at], held[value_at:place]
            if at >= end:
                return
            self._file.seek(at)
            more = self._file.read(min(_READ_BYTES, end - at))
            at += len(more)
            held = held[place:] + more


def _key(item: tuple[bytes, bytes]) -> bytes:
    return item[0]
