"""`watchkeeper journal`: check it, look at its end, ask it questions, hand it on."""

import csv
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Literal

import click
import msgspec

from engine.adapters import anchor as anchors
from engine.adapters import journal_export, journal_tables
from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.units import time_text
from engine.errors import ChainBroken
from watchkeeper.home import default_journal

_WIDEST_CELL: Final = 60
# A table needs the width of its cells before its first line: this many rows are measured, the rest follows.
_MEASURED_ROWS: Final = 1_000

Row = dict[str, Any]


_FILE = click.Path(path_type=Path)
_journal_option: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--journal",
    "path",
    type=_FILE,
    default=default_journal,
    show_default="journal.db in $WATCHKEEPER_HOME, or in .watchkeeper",
    help="The journal's file.",
)


@click.group()
def journal() -> None:
    """Check, read, ask and export the journal. Nothing here changes it; the engine may go on writing."""


@journal.command()
@_journal_option
@click.option("--anchor", type=_FILE, help="A head written down earlier: finds a journal cut short, too.")
@click.option("--write-anchor", type=_FILE, help="Write the head to this file if all is well.")
def verify(path: Path, anchor: Path | None, write_anchor: Path | None) -> None:
    """Recompute every hash. Exit status 1 when a record does not fit, naming the first."""
    earlier = anchors.read_anchor(anchor) if anchor else None
    try:
        with SqliteReader(path) as reader:
            head = reader.verify(anchor=earlier.head if earlier else None)
    except ChainBroken as broken:
        written = f"\nanchor: {anchor}, written for {earlier.origin or 'nobody named'}" if earlier else ""
        click.echo(f"BROKEN {broken}{written}", err=True)
        raise SystemExit(1) from None
    if write_anchor:
        origin = f"{socket.gethostname()}:{reader.place}"
        anchors.write_anchor(write_anchor, anchors.Anchor(head, origin))
    click.echo(f"ok {head.seq:,} records, head {head.seq}:{head.hash.hex()[:16]}…")


@journal.command()
@_journal_option
@click.option(
    "-n", "count", type=click.IntRange(min=0), default=10, show_default=True, help="How many records."
)
@click.option("--follow", is_flag=True, help="Go on with new records as they come, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Whole records, one a line, as `export` writes them.")
def tail(path: Path, count: int, follow: bool, as_json: bool) -> None:
    """Show the last records."""
    width = shutil.get_terminal_size((110, 24)).columns
    with SqliteReader(path) as reader:
        try:
            for record in journal_export.tail(reader, count, follow=follow):
                click.echo(journal_export.export_line(record) if as_json else _line(record, width))
        except KeyboardInterrupt:
            if not follow:
                raise


@journal.command()
@_journal_option
@click.argument("sql")
@click.option("--table", "form", flag_value="table", default=True, help="Aligned columns (the default).")
@click.option("--json", "form", flag_value="json", help="An array of objects.")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated, with a header.")
def query(path: Path, sql: str, form: Literal["table", "json", "csv"]) -> None:
    """Ask a question in SQL. Reads only.

    The table is journal(seq, key, fact, at_us, body, prev, hash), with body in JSON:

        watchkeeper journal query "SELECT fact, count(*) AS n FROM journal GROUP BY fact"
    """
    rows = _plain(journal_tables.query(path, sql))
    for line in {"table": _table, "json": _array, "csv": _csv}[form](rows):
        click.echo(line)


@journal.command()
@_journal_option
@click.option("-o", "--out", type=_FILE, required=True, help="Where to; an existing file is replaced.")
@click.option(
    "--format",
    "fmt",
    type=click.Choice(journal_export.FORMATS),
    default="jsonl",
    show_default=True,
    help="jsonl: a record a line, provable by itself; sqlite: flat tables for questions.",
)
def export(path: Path, out: Path, fmt: journal_export.Format) -> None:
    """Write the whole journal to a file for other tools."""
    with SqliteReader(path) as reader:
        head = journal_export.export(reader, out, fmt)
    click.echo(f"wrote {head.seq:,} records to {out}, head {head.seq}:{head.hash.hex()[:16]}…", err=True)


# ---------------------------------------------------------------- how things look


def _line(record: Record, width: int) -> str:
    """Write a record for a person: when, what, and as much of the rest as fits."""
    try:
        tree = msgspec.json.decode(record.body, type=dict[str, Any])
        when = time_text(tree.pop("at_us"))
    except (msgspec.DecodeError, KeyError, TypeError, OverflowError, RecursionError):
        tree, when = {"body": record.body.decode(errors="replace")}, "-"
    fact = tree.pop("fact", "-")
    rest = msgspec.json.encode(tree).decode()
    line = _printable(f"{record.seq:>7}  {when:<20}  {fact:<18}  {record.key}  {rest}")
    return line if len(line) <= width else line[: width - 1] + "…"


def _printable(text: str) -> str:
    """Keep text of agents from steering the terminal, and on its line."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _plain(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        yield {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


def _table(rows: Iterator[Row]) -> Iterator[str]:
    first = list(islice(rows, _MEASURED_ROWS))
    if not first:
        return
    names = list(first[0])
    widths = [max(len(name), *(len(_cell(row[name])) for row in first)) for name in names]
    right = [all(isinstance(row[name], int | float | None) for row in first) for name in names]
    yield _aligned([_printable(name) for name in names], widths, right)
    yield "  ".join("-" * width for width in widths)
    for row in chain(first, rows):
        yield _aligned([_cell(row[name]) for name in names], widths, right)


def _cell(value: object) -> str:
    text = "" if value is None else _printable(str(value))
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


def _aligned(cells: list[str], widths: list[int], right: list[bool]) -> str:
    columns = zip(cells, widths, right, strict=True)
    return "  ".join(
        cell.rjust(wide) if number else cell.ljust(wide) for cell, wide, number in columns
    ).rstrip()


def _array(rows: Iterator[Row]) -> Iterator[str]:
    opening = "["
    for row in rows:
        yield opening + msgspec.json.encode(row).decode()
        opening = ","
    yield "]" if opening == "," else "[]"


class _Lines:
    """Collects what the csv module writes, a line at a time."""

    def __init__(self) -> None:
        self.last = ""

    def write(self, text: str) -> None:
        """Keep one line."""
        self.last = text.rstrip("\r\n")


def _csv(rows: Iterator[Row]) -> Iterator[str]:
    lines = _Lines()
    writer = csv.writer(lines)
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
            yield lines.last
        writer.writerow(row.values())
        yield lines.last
