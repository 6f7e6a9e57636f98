"""Reading a source file: plain, gzip, xz or zstd, with errors that name the place, flat in memory."""

import contextlib
import csv
import gzip
import hashlib
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Protocol, Self, cast

import zstandard

from engine.errors import RecordingError

Progress = Callable[[float, int], None]
"""Called now and then with the share of the work that is done, 0 to 1, and the rows read in this pass."""

MOST_LINE_BYTES: Final = 64 * 1024 * 1024
"""One longer line is no row but a file of another kind, or one made to exhaust memory."""
_CHUNK: Final = 256 * 1024
# All that comes out of one such chunk is in memory at once, and zstd can pack a megabyte into some 60 bytes.
_ZSTD_CHUNK: Final = 16 * 1024
_COLUMNS_SHOWN: Final = 40
_ROWS_BETWEEN_TICKS: Final = 1_000


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def name_of(path: Path) -> str:
    """Return the name of a file as text that can be written: names on disk need not be UTF-8."""
    return os.fsencode(path.name).decode(errors="replace")


class Source:
    """One file that is to become a recording. It may be read several times; each time counts as a pass.

    Raises `RecordingError` when the file is missing or cannot be read, when it opens and while it is read.
    """

    def __init__(self, path: Path, *, progress: Progress | None = None) -> None:
        """Look whether the file is there."""
        self.path = path
        self.name = name_of(path)
        self.passes = 1
        """How many times it will be read in all; an importer that reads twice says so before the first."""
        self.rows = 0
        """Rows read in this pass."""
        self._progress = progress
        self._before = 0
        self._raw: IO[bytes] | None = None
        try:
            self.size = path.stat().st_size
            if not path.is_file():
                raise RecordingError("not a file", place=str(path), cure="name the file itself")
        except OSError as error:
            raise _unreadable(path, error) from error

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file: an importer that failed has left it open in the middle."""
        if self._raw is not None:
            self._raw.close()

    def sha256(self) -> str:
        """Hash the bytes of the file as they lie on disk."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(self.path, error) from error

    @contextlib.contextmanager
    def stream(self) -> Iterator[io.BufferedReader]:
        """Open the decompressed bytes for one pass. The compression is told by the content, not the name."""
        self.rows = 0
        try:
            raw = self.path.open("rb")
        except OSError as error:
            raise _unreadable(self.path, error) from error
        with raw:
            self._raw = raw
            try:
                yield io.BufferedReader(_Checked(_decompressed(raw), self.path), _CHUNK)
            finally:
                self._before += self.size
                self._raw = None

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield `(line number, line)` for each line that is not blank, for one pass."""
        with self.stream() as stream:
            number = 0
            while line := stream.readline(MOST_LINE_BYTES + 1):
                number += 1
                if len(line) > MOST_LINE_BYTES:
                    raise RecordingError(
                        f"longer than {MOST_LINE_BYTES:,} bytes",
                        place=f"{self.name} line {number}",
                        cure="give JSON lines: one object on each line",
                    )
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                line = line.strip()
                if line:
                    self.tick()
                    yield number, line

    def table(
        self, *, delimiter: str = ",", needs: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield `(place, row)` of a table with a line of column names, for one pass.

        Raises `RecordingError` when one of the columns it `needs` is missing, or when a row has more or fewer
        cells than there are columns.
        """
        csv.field_size_limit(MOST_LINE_BYTES)
        with self.stream() as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            place = self.name
            try:
                columns = next(reader, [])
                if not columns:
                    raise RecordingError("the file is empty", place=place, cure="give column names and rows")
                if missing := [name for name in needs if name not in columns]:
                    raise RecordingError(
                        f"no column {missing[0]!r}",
                        place=place,
                        cure=f"the columns there are: {listed(columns)}",
                    )
                if len(set(columns)) != len(columns):
                    twice = next(name for name in columns if columns.count(name) > 1)
                    raise RecordingError(f"two columns are called {twice!r}", place=place, cure="rename one")
                for cells in reader:
                    if not cells:
                        continue
                    self.tick()
                    place = f"{self.name} row {self.rows} (line {reader.line_num})"
                    if len(cells) != len(columns):
                        raise RecordingError(
                            f"{len(cells)} cells where there are {len(columns)} columns",
                            place=place,
                            cure="quote cells that hold the delimiter, and check that the file is complete",
                        )
                    yield place, dict(zip(columns, cells, strict=True))
            except csv.Error as error:
                raise RecordingError(
                    f"not a table: {error}",
                    place=f"{self.name} line {reader.line_num}",
                    cure="check quotes and delimiter, and that the file is complete",
                ) from error
            except UnicodeDecodeError as error:
                raise RecordingError(
                    f"not UTF-8 text: {error.reason}",
                    place=f"{place} or just behind",
                    cure="save it as UTF-8",
                ) from error

    def tick(self) -> None:
        """Count a row, and say now and then how far we are."""
        self.rows += 1
        if self._progress is not None and self.rows % _ROWS_BETWEEN_TICKS == 0 and self._raw is not None:
            whole = self.size * self.passes
            self._progress(min(1.0, (self._before + self._raw.tell()) / whole), self.rows)


class _Checked(io.RawIOBase):
    """Turns what a decompressor or a disk complains about into one line with a cure."""

    def __init__(self, inner: _Readable, path: Path) -> None:
        self._inner = inner
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except OSError as error:
            if isinstance(error, gzip.BadGzipFile):
                raise self._damaged(error) from error
            raise _unreadable(self._path, error) from error
        except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise self._damaged(error) from error
        buffer[: len(data)] = data
        return len(data)

    def _damaged(self, error: Exception) -> RecordingError:
        return RecordingError(
            f"cut short or damaged: {error}", place=name_of(self._path), cure="fetch the file again"
        )


class _Zstd:
    """Reads zstd frames one after another. The library's own reader takes a cut file for a short one."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._stream = zstandard.ZstdDecompressor().decompressobj()
        self._held = b""

    def read(self, size: int, /) -> bytes:
        while not self._held:
            packed = self._stream.unused_data if self._stream.eof else b""
            packed = packed or self._raw.read(_ZSTD_CHUNK)
            if not packed:
                if not self._stream.eof:
                    raise EOFError("the last frame is not complete")
                return b""
            if self._stream.eof:
                self._stream = zstandard.ZstdDecompressor().decompressobj()
            self._held = self._stream.decompress(packed)
        given, self._held = self._held[:size], self._held[size:]
        return given


def listed(columns: Iterable[object]) -> str:
    """List the columns there are for a message; of very many, the first."""
    names = [str(column) for column in columns]
    shown = names[:_COLUMNS_SHOWN]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _decompressed(raw: IO[bytes]) -> _Readable:
    start = raw.read(6)
    raw.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return cast(_Readable, gzip.GzipFile(fileobj=raw, mode="rb"))
    if start == b"\xfd7zXZ\x00":
        return cast(_Readable, lzma.LZMAFile(raw))
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return _Zstd(raw)
    return raw


def _unreadable(path: Path, error: OSError) -> RecordingError:
    return RecordingError(
        f"cannot be read: {(error.strerror or str(error)).lower()}",
        place=str(path),
        cure="check the path and its permissions",
    )
