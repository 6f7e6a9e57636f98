"""Where Watchkeeper keeps what it makes unless it is told otherwise: `.watchkeeper` by default."""

import os
from collections.abc import Iterable
from pathlib import Path

from engine.adapters.files import atomic_write, private_folder, storage_errors
from engine.errors import InputError

_VARIABLE = "WATCHKEEPER_HOME"
CONFIG_VARIABLE = "WATCHKEEPER_CONFIG"
"""Names the configuration's folder for every command that has `--config`."""
_LAST = "last-replay"


def home() -> Path:
    """Return the data folder: `$WATCHKEEPER_HOME`, or `.watchkeeper` here. It need not exist."""
    return Path(os.environ.get(_VARIABLE) or ".watchkeeper")


def default_journal() -> Path:
    """Say where the journal is when nobody does: `journal.db` in the data folder."""
    return home() / "journal.db"


def folder(name: str) -> Path:
    """Return a folder within the data folder, made if missing. Raises `StorageError` when it cannot be."""
    path = home() / name
    private_folder(home())
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def remember_replay(results: Path) -> None:
    """Let later commands find the results of this replay without being told."""
    folder("")
    with atomic_write(home() / _LAST) as file:
        file.write(os.fsencode(results.resolve()) + b"\n")


def last_replay() -> Path | None:
    """Return the results file of the last replay, or `None` if there was none or it is gone."""
    pointer = home() / _LAST
    if not pointer.exists():
        return None
    with storage_errors(pointer):
        path = Path(os.fsdecode(pointer.read_bytes().strip()))
    return path if path.exists() else None


def shown(path: Path) -> Path:
    """Return a path the shorter way, relative to the current folder where it lies in it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def must_differ(source: str, outputs: Iterable[Path | None]) -> None:
    """Refuse outputs that would replace what is read, or each other. Raises `InputError`."""
    taken = {Path(name).resolve() for name in (source, source.partition(":")[2]) if name}
    for path in outputs:
        if path is None or (path.exists() and not path.is_file()):
            continue
        if path.resolve() in taken:
            raise InputError("is named twice", place=str(path), cure="give every file a name of its own")
        taken.add(path.resolve())


def must_be_writable(path: Path | None) -> None:
    """Refuse an output path before work begins that would fail at the end. Raises `InputError`."""
    if path is None:
        return
    parent = path.resolve().parent
    if path.is_dir():
        raise InputError("is a folder", place=str(path), cure="name a file in it")
    if not parent.is_dir():
        raise InputError("its folder does not exist", place=str(path), cure=f"make {parent} first")
    if not os.access(parent, os.W_OK):
        raise InputError("its folder cannot be written", place=str(path), cure="choose another, or allow it")
