"""Sources: what people name on the command line, turned into recordings that can be replayed."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from engine.adapters.files import storage_errors
from engine.errors import InputError, RecordingError
from simulator.importers import FORMATS, Importer, Progress, import_source
from simulator.recording import EXTENSION, Recording

_CHUNK_BYTES = 1 << 20


def open_source(
    name: str, cache: Path, *, mapping: Path | None = None, progress: Progress | None = None
) -> Recording:
    """Open a recording, or import `FORMAT:SRC` into the cache folder first.

    An import is kept under the hash of everything it was made from, so the same history is imported once.
    Raises `InputError` or `RecordingError`.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        # Every report says what it is of, for others to run it again.
        raise InputError(
            "its name is no text that could be written down",
            place=os.fsencode(name).decode(errors="replace"),
            cure="rename it, or name the folder it is in",
        ) from None
    format_name, colon, rest = name.partition(":")
    if not colon or format_name not in FORMATS:
        path = Path(name)
        if not path.exists():
            known = ", ".join(f"{kind}:" for kind in FORMATS)
            raise InputError(
                "no such recording",
                place=name,
                cure=f"give a file made by watchkeeper import, or {known} and a source",
            )
        return Recording(path)
    source = Path(rest).expanduser()
    fingerprint = _fingerprint(FORMATS[format_name], source, mapping)
    cached = cache / f"{format_name}-{fingerprint}{EXTENSION}"
    if cached.exists():
        # A damaged copy is nothing to complain about while its source is at hand.
        with suppress(RecordingError):
            return Recording(cached)
    import_source(format_name, source, cached, mapping=mapping, progress=progress)
    return Recording(cached)


def _fingerprint(importer: Importer, source: Path, mapping: Path | None) -> str:
    """Hash what an import reads: the source, files that lie beside it, and the importers themselves."""
    if not (source.is_file() or (importer.identity is not None and source.is_dir())):
        kind = "file" if importer.identity is None else "file or folder"
        raise InputError(f"no such {kind}", place=str(source), cure="check the path after the colon")
    importers = sorted(Path(__file__).parent.glob("importers/*.py"))
    digest = hashlib.sha256()
    if importer.identity is not None:
        digest.update(importer.identity(source).encode())
        read = []
    else:
        beside = [*sorted(source.parent.glob("*actions.csv*")), source.with_name(source.name + "-wal")]
        read = [source, *(path for path in beside if path.is_file())]
    for path in (*read, *([mapping] if mapping else []), *importers):
        with storage_errors(path), path.open("rb") as file:
            # Names and sizes too: an empty file beside a source is not the same as none.
            digest.update(os.fsencode(path.name) + f" {path.stat().st_size}\n".encode())
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()[:16]
