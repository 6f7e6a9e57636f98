"""Secrets that lie in the state folder, a file each, readable by their owner alone."""

from pathlib import Path

from engine.adapters.files import storage_errors
from engine.errors import InputError

_MOST_BYTES = 1 << 16


def read_secret(path: Path, *, guide: str) -> str:
    """Read a secret; `guide` is the page that says where to get it.

    Raises `InputError` when it is missing or empty, or others could read it.
    """
    with storage_errors(path):
        if not path.exists():
            cure = f"write it there, and chmod 600 it: {guide}"
            raise InputError("this token is missing", place=str(path), cure=cure)
        if path.stat().st_mode & 0o077:
            raise InputError("others may read it", place=str(path), cure=f"chmod 600 {path}")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > _MOST_BYTES:
        raise InputError("it holds no token", place=str(path), cure=f"write it there: {guide}")
    return text
