"""Anchors: a journal's head, written down where whoever could cut the journal short cannot reach it."""

import os
import re
from pathlib import Path

from msgspec import Struct

from engine.adapters.files import atomic_write, storage_errors
from engine.core.vocabulary.chain import Head
from engine.errors import InputError

_LINE = re.compile(r"(\d{1,19}):([0-9a-f]{64})(?: ([^\n]*))?\n?")
_LARGEST_BYTES = 4_096


class Anchor(Struct, frozen=True):
    """A head, and whose it is."""

    head: Head
    origin: str = ""
    """Free text for people, for example host and file; empty when nobody said."""


def write_anchor(path: str | os.PathLike[str], anchor: Anchor) -> None:
    """Write one line, `seq:hash origin`, in place of what was there. Raises as `storage_errors` does."""
    origin = " ".join(anchor.origin.split())
    with atomic_write(path) as file:
        file.write(f"{anchor.head} {origin}".rstrip().encode() + b"\n")


def read_anchor(path: str | os.PathLike[str]) -> Anchor:
    """Read an anchor. Raises `InputError` when there is none or it is not one line of the right form."""
    with storage_errors(path), Path(path).open("rb") as file:
        raw = file.read(_LARGEST_BYTES)
    found = _LINE.fullmatch(raw.decode(errors="replace"))
    if found is None:
        raise InputError("is not an anchor", place=str(path), cure="expected one line `seq:hash origin`")
    seq, digest, origin = found.groups()
    return Anchor(Head(int(seq), bytes.fromhex(digest)), origin or "")
