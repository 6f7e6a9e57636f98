"""Histories in several files: a folder of logs, each a document of JSON or JSON lines."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from engine.core.vocabulary.ids import Digest
from engine.errors import RecordingError
from simulator.importers.lenient_json import parse
from simulator.importers.source import Progress, Source, name_of
from simulator.recording import Origin

MOST_DOCUMENT_BYTES: Final = 512 << 20
"""A longer document of JSON, which is read whole, is refused; JSON lines have no such limit."""


class Files:
    """One file, or those of a folder and of the folders in it, in order of their paths."""

    def __init__(self, path: Path, *patterns: str, progress: Progress | None = None) -> None:
        """Find the files. A single file is taken whatever its name is.

        Raises `RecordingError` where there is none.
        """
        self.path = path
        self._progress = progress
        if path.is_dir():
            found = {each for pattern in patterns for each in path.rglob(pattern)}
            self.paths = sorted(each for each in found if each.is_file())
            if not self.paths:
                raise RecordingError(
                    f"no {' or '.join(patterns)} in this folder", place=str(path), cure="name another folder"
                )
        else:
            self.paths = [path]
        self.rows = 0
        """Rows read so far."""

    def origin(self) -> Origin:
        """Say what was read: of a folder, the hash of all names and contents."""
        if self.paths == [self.path]:
            with Source(self.path) as source:
                return Origin(name=name_of(self.path), sha256=source.sha256())
        digest = hashlib.sha256()
        for path in self.paths:
            with Source(path) as source:
                digest.update(os.fsencode(path.relative_to(self.path)) + f"\0{source.sha256()}\n".encode())
        return Origin(name=name_of(self.path), sha256=Digest(digest.hexdigest()))

    def __iter__(self) -> Iterator[Source]:
        """Open one after the other."""
        whole, before = max(1, sum(path.stat().st_size for path in self.paths if path.exists())), 0
        for path in self.paths:
            with Source(path, progress=self._share(path, before, whole)) as source:
                yield source
                self.rows += source.rows
                before += source.size

    def _share(self, path: Path, before: int, whole: int) -> Progress | None:
        told, rows = self._progress, self.rows
        if told is None:
            return None
        size = path.stat().st_size
        return lambda share, row: told(min(1.0, (before + share * size) / whole), rows + row)


def documents(source: Source, oddities: Counter[str]) -> Iterator[tuple[str, Any]]:
    """Yield each JSON value of a file with its place: of JSON lines each line, otherwise the one document.

    A list counts as its items. Lines that are no JSON, as a crash leaves them, are counted and left out.
    Raises `RecordingError` where nothing is JSON.
    """
    lines = source.lines()
    _, first = next(lines, (0, b""))
    if not first:
        return
    try:
        parse(first)
    except ValueError as error:
        document = _whole(source)
        if document is not None:
            yield from _items(document, source.name)
            return
        why, good = str(error), False
    else:
        why, good = "", True
    for number, line in source.lines():
        place = f"{source.name} line {number}"
        try:
            value = parse(line)
        except ValueError:
            oddities["lines that are not JSON, left out"] += 1
            continue
        good = True
        yield from _items(value, place)
    if not good:
        raise RecordingError(f"not JSON: {why}", place=source.name, cure="give JSON or JSON lines")


def _whole(source: Source) -> Any:
    """Read a file as one document; `None` when it is none. Raises `RecordingError` when it is too long."""
    with source.stream() as stream:
        text = stream.read(MOST_DOCUMENT_BYTES + 1)
    if len(text) > MOST_DOCUMENT_BYTES:
        raise RecordingError(
            f"one document of more than {MOST_DOCUMENT_BYTES >> 20:,} MiB",
            place=source.name,
            cure="export it as JSON lines, or in parts",
        )
    try:
        return parse(text.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None


def _items(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"{place} item {number}", item) for number, item in enumerate(value, 1))
    else:
        yield place, value
