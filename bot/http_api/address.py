"""Where the API listens: one small file, read by commands that need nothing else of the API."""

from pathlib import Path

import msgspec

from engine.adapters.files import storage_errors
from engine.errors import InputError


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where the API listens, as `http.json` says it."""

    url: str
    host: str
    port: int
    pid: int


def read_address(path: Path) -> Address | None:
    """Return the address in a file, or `None` when nothing serves. Raises `InputError` when it is garbled."""
    try:
        with storage_errors(path):
            return msgspec.json.decode(path.read_bytes(), type=Address)
    except msgspec.DecodeError as wrong:
        raise InputError(
            f"is not an address: {wrong}", place=str(path), cure="remove it, and start the front again"
        ) from wrong
    except InputError:
        return None
