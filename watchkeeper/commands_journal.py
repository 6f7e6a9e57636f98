"""`watchkeeper journal`: check it, look at its end, ask it questions, hand it on."""

import csv
import io
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from engine.adapters.anchor import Anchor, read_anchor, write_anchor
from engine.adapters.journal_export import FORMATS, Format, export, export_line, tail
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_tables import query
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.units import time_text
from engine.errors import ChainBroken

_WIDEST_CELL: Final = 60
_WIDEST_LINE: Final = 110
# A table needs the width of every cell before its first line; this many rows are measured and the rest follow.
_MEASURED_ROWS: Final = 1_000


def default_journal() -> Path:
    """Say where the journal is when nobody does: `journal.db` in `$WATCHKEEPER_HOME`, or in `.watchkeeper`."""
    return Path(os.environ.get("WATCHKEEPER_HOME") or ".watchkeeper") / "journal.db"


def _journal_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--journal",
        "path",
        type=click.Path(path_type=Path),
        help="The journal's file. Default: journal.db in $WATCHKEEPER_HOME, or in .watchkeeper.",
    )(command)


@click.group()
def journal() -> None:
    """Check, read, ask and export the journal. Nothing here changes it; the engine may go on writing."""


@journal.command()
@_journal_option
@click.option("--anchor", type=click.Path(path_type=Path), help="A head written down earlier, to check against.")
@click.option("--write-anchor", type=click.Path(path_type=Path), help="Write the head down here, if all is well.")
def verify(path: Path | None, anchor: Path | None, write_anchor_to: Path | None = None, **more: Any) -> None:
    """Recompute every hash. Exit status 1 when a record does not fit, naming the first."""
    write_anchor_to = more.get("write_anchor", write_anchor_to)
    earlier = read_anchor(anchor) if anchor else None
    with closing(SqliteReader(path or default_journal())) as reader:
        try:
            head = reader.verify(anchor=earlier.head if earlier else None)
        except ChainBroken as broken:
            click.echo(f"BROKEN {broken}", err=True)
            raise SystemExit(1) from None
        if write_anchor_to:
            write_anchor(write_anchor_to, Anchor(head, f"{socket.gethostname()} {reader.place}"))
    click.echo(f"ok {head.seq:,} records, head {head.seq}:{head.hash.hex()[:16]}…")
