"""`watchkeeper value`: what a candidate is worth, from a history in which it decided little or nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from msgspec import Struct

from engine.adapters.files import atomic_write
from engine.core.vocabulary.ids import CapabilityId, capability_version
from engine.errors import InputError
from engine.wiring import SHIPPED_POLICY, config_folder, read_policy
from watchkeeper.commands_replay import open_with_progress
from watchkeeper.home import home, must_be_writable, must_differ
from watchkeeper.progress import bar

if TYPE_CHECKING:
    from simulator.off_policy import Row

_FILE: Final = click.Path(path_type=Path)
_JOURNAL: Final = "journal:"
_TABLE: Final = "table:"


@click.command()
@click.argument("source")
@click.option("--capability", metavar="NAME@V", help="The candidate, with its version.")
@click.option("--policy", type=_FILE, help="Policy folder of that time. [default: the one in force]")
@click.option("--mapping", type=_FILE, help="Mapping file for generic: sources.")
@click.option(
    "--columns", metavar="PARTS", help="For table: sources, such as choice=item,chance=p,reward=click."
)
@click.option(
    "--candidate", type=_FILE, help="For table: sources, a table whose choices are the candidate's."
)
@click.option(
    "--episodes-min", type=click.IntRange(2), default=100, show_default=True, help="Episodes to say anything."
)
@click.option(
    "--effective-min",
    type=click.FloatRange(1),
    default=100.0,
    show_default=True,
    help="Effective episodes to say anything.",
)
@click.option(
    "--support-min",
    type=click.FloatRange(0, 1),
    default=0.99,
    show_default=True,
    help="Share of its choices that must have been tried.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "json_out", type=_FILE, help="Write the value as JSON.")
def value(  # noqa: PLR0917 - click passes every option by name
    source: str,
    capability: str | None,
    policy: Path | None,
    mapping: Path | None,
    columns: str | None,
    candidate: Path | None,
    episodes_min: int,
    effective_min: float,
    support_min: float,
    seed: int,
    json_out: Path | None,
) -> None:
    """Estimate what a candidate is worth beside its incumbent, from SOURCE.

    SOURCE is journal:FILE, read as it was decided; a recording, or FORMAT:FILE to import first, which is
    decided again; or table:FILE, the log of another system with the probability of each choice. Nothing is
    said where the history does not carry it, and why is. Ends with status 0 either way.
    """
    from simulator.off_policy import Floors, columns_of, text, to_json, value_of

    must_be_writable(json_out)
    for read in (source, *([str(candidate)] if candidate else [])):
        must_differ(read, (json_out,))
    floors = Floors(episodes=episodes_min, effective=effective_min, support=support_min)
    if source.startswith(_TABLE):
        given = _of_table(Path(source.removeprefix(_TABLE)), columns, candidate)
    else:
        given = _of_history(source, capability, policy, mapping)
    units: dict[str, int] = {}
    found = value_of(
        columns_of(given.candidate, units),
        columns_of(given.incumbent, units),
        candidate_name=given.candidate_name,
        incumbent_name=given.incumbent_name,
        logged=given.logged,
        floors=floors,
        seed=seed,
        notes=given.notes,
    )
    click.echo(text(found), nl=False)
    if json_out is not None:
        with atomic_write(json_out) as file:
            file.write(to_json(found))


class _Given(Struct, frozen=True, kw_only=True):
    candidate: "list[Row]"
    incumbent: "list[Row]"
    candidate_name: str
    incumbent_name: str
    logged: float | None = None
    notes: tuple[str, ...] = ()


def _of_table(path: Path, columns: str | None, candidate: Path | None) -> _Given:
    from simulator.off_policy.table import both_sides, frequencies, parse_layout

    if columns is None or candidate is None:
        missing = "--columns" if columns is None else "--candidate"
        raise InputError(f"a table needs {missing}", place=str(path), cure="see watchkeeper value --help")
    layout = parse_layout(columns)
    with bar(f"reading {candidate.name}", "rows") as advance:
        wanted = frequencies(candidate, layout, advance)
    with bar(f"reading {path.name}", "rows") as advance:
        theirs, logged = both_sides(path, layout, wanted, advance)
    return _Given(candidate=theirs, incumbent=logged, candidate_name=candidate.name, incumbent_name=path.name)


def _of_history(source: str, named: str | None, policy: Path | None, mapping: Path | None) -> _Given:
    from simulator.off_policy.reading import told_by_journal, told_by_recording

    if named is None or not capability_version(CapabilityId(named)):
        raise InputError(
            "no --capability with a version", cure="name the candidate, such as --capability heal@2"
        )
    capability = CapabilityId(named)
    if source.startswith(_JOURNAL):
        with bar("reading", "facts") as advance:
            told = told_by_journal(Path(source.removeprefix(_JOURNAL)), capability, advance)
    else:
        recording = open_with_progress(source, mapping)
        chosen = policy or config_folder(home().resolve()) / "policies"
        read = read_policy(chosen if chosen.exists() else SHIPPED_POLICY)
        with bar("deciding", "facts") as advance:
            told = told_by_recording(recording, read, capability, advance)
    return _Given(
        candidate=told.candidate,
        incumbent=told.incumbent,
        candidate_name=named,
        incumbent_name=told.incumbent_name,
        logged=told.logged,
        notes=told.notes,
    )
