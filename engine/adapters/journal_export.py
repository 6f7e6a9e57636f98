"""A journal for other eyes: as lines of JSON that prove themselves, as tables, and as a running tail."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from engine.adapters.files import atomic_write, storage_errors
from engine.adapters.journal_chain import Row, verify_rows
from engine.adapters.journal_tables import write_tables
from engine.core.vocabulary.chain import Head, Record
from engine.errors import InputError
from engine.ports import JournalReader

Format = Literal["jsonl", "sqlite"]
FORMATS: Final[tuple[Format, ...]] = ("jsonl", "sqlite")

_POLL_S: Final = 0.2


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of an export. The fact stays as it is written: its exact bytes are what was hashed."""

    seq: int
    key: str
    prev: str
    hash: str
    fact: msgspec.Raw


_LINES: Final = msgspec.json.Decoder(_Line)


def export(journal: JournalReader, out: str | os.PathLike[str], fmt: Format = "jsonl") -> Head:
    """Write the whole journal, as it is at the call, to a file that appears whole at the end.

    `jsonl` has one record a line and can be checked by `verify_export` alone; `sqlite` has flat tables for
    questions. Returns the head of what was written. Raises `StorageError` or `InputError` when the file
    cannot be written; then nothing is left behind.
    """
    head = journal.head()
    records = journal.read(until=head.seq)
    if fmt == "sqlite":
        write_tables(records, out)
        return head
    with atomic_write(out) as file:
        for record in records:
            file.write(export_line(record) + b"\n")
    return head


def export_line(record: Record) -> bytes:
    """Write one record as a line of an export, without its end of line."""
    head = msgspec.json.encode({
        "seq": record.seq, "key": record.key, "prev": record.prev.hex(), "hash": record.hash.hex(),
    })  # fmt: skip
    return b'%b,"fact":%b}' % (head[:-1], record.body)


def verify_export(path: str | os.PathLike[str], *, anchor: Head | None = None) -> Head:
    """Recompute the chain from an export in lines of JSON and return its head.

    Raises `InputError` naming the line that is no record, and `ChainBroken` naming the first record that
    does not fit, or a missing end when there is an anchor.
    """
    with storage_errors(path), Path(path).open("rb") as file:
        return verify_rows(_rows(file, os.fspath(path)), anchor=anchor, place=os.fspath(path))


def _rows(lines: Iterator[bytes], place: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        try:
            found = _LINES.decode(line)
            row = (
                found.seq,
                found.key,
                bytes(found.fact),
                bytes.fromhex(found.prev),
                bytes.fromhex(found.hash),
            )
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise InputError(
                f"not a record: {error}", place=f"{place}:{number}", cure="export the journal again"
            ) from None
        yield row


def tail(
    journal: JournalReader,
    n: int = 10,
    *,
    follow: bool = False,
    poll_s: float = _POLL_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Record]:
    """Yield the last `n` records; with `follow`, then every new one as it comes, without end."""
    last = journal.head().seq
    yield from journal.read(after=max(0, last - n), until=last)
    while follow:
        head = journal.head().seq
        if head == last:
            sleep(poll_s)
            continue
        yield from journal.read(after=last, until=head)
        last = head
