"""Tables for people: lines and colours on a terminal; elsewhere plain text, the same whatever the width."""

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final

import click
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_STYLES: Final = {"MISS": "bold red", "PAUSED": "bold yellow", "WARNING:": "bold yellow"}
_WIDE: Final = 10_000
"""Characters in a line where nobody looks at it: what is piped is searched, so no row may be broken."""

Part = str | Table
"""A sentence, or a table."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()) -> Table:
    """Make a table of text; the columns named in `numbers` stand to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return made


def show(parts: Iterable[Part]) -> None:
    """Print sentences and tables, as whoever looks at them can read them."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        click.echo(plain(parts), nl=False)
        return
    for part in parts:
        if isinstance(part, Table):
            part.box = box.SIMPLE_HEAD
            console.print(Padding(part, (0, 0, 0, 2)))
        else:
            first = part.split(maxsplit=1)[:1]
            console.print(part, style=_STYLES.get(first[0] if first else ""))


def plain(parts: Iterable[Part]) -> str:
    """Write sentences and tables as plain text: the same bytes everywhere, a row a line, nothing cut."""
    out = StringIO()
    console = Console(file=out, width=_WIDE, color_system=None, force_terminal=False, highlight=False)
    for part in parts:
        if isinstance(part, Table):
            console.print(Padding(part, (0, 0, 0, 2)))
        else:
            out.write(part + "\n")
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
