"""`watchkeeper kpi`: the figures people judge autonomy by, counted from a journal."""

import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from engine.core.vocabulary.units import time_text
from watchkeeper.home import CONFIG_VARIABLE, home

if TYPE_CHECKING:
    from engine.adapters.kpi_view import KpisSeen
    from engine.core.kpis.standing import KpiStanding

_COLOURS: Final = {"met": "green", "missed": "red", "unknown": "yellow"}


@click.command()
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Journal to count. [default: journal.db in the data folder]",
)
@click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with kpis.yaml. [default: the one in force]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def kpi(journal: Path | None, config: Path | None, as_json: bool) -> None:
    """Say how the KPIs of autonomy stand: met, missed or unknown, on how much, and why.

    They are counted from the journal up to its last record, with the engine running or not. Ends with
    status 0 whatever they say.
    """
    seen = count(config, journal=journal, must_exist=True)
    if seen is None:
        return
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(seen), indent=2))
        return
    if not seen.seq:
        click.echo("the journal is empty: nothing is known yet")
        return
    click.echo(f"at {time_text(max((each.until_us for each in seen.kpis), default=0))}, record {seen.seq:,}")
    for line in shown_lines(seen.kpis):
        click.echo(line)


def shown_lines(kpis: "Iterable[KpiStanding]") -> list[str]:
    """Write each KPI in a line. Colours only say once more what the words say."""
    from simulator.kpi_text import lines

    return [f"{click.style(f'{word:<8}', fg=_COLOURS[word])} {line}" for word, line in lines(kpis)]


def count(
    config: Path | None, *, journal: Path | None = None, most: int | None = None, must_exist: bool = False
) -> "KpisSeen | None":
    """Count the KPIs of a journal, at most so many records on; `None` where there is no journal.

    Of the state folder's own journal, what others counted is gone on from. Raises `InputError` and, for one
    that cannot be read, `JournalError`.
    """
    from engine.adapters.journal_reader import SqliteReader
    from engine.adapters.kpi_view import KpiView
    from engine.runtime.layout import Layout
    from engine.wiring import config_folder
    from engine.wiring.kpis import read_kpis

    layout = Layout(home().resolve())
    kpis = read_kpis(config_folder(layout.home, config))
    path = journal or layout.journal
    if not must_exist and not path.exists():
        return None
    with closing(SqliteReader(path)) as reader:
        return KpiView(kpis, lambda: reader, None if journal else layout.kpis, keeps=False).look(most)
