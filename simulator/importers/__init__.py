"""Importers: histories of other systems, and our own journal, as recordings."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.errors import InputError, RecordingError
from simulator.importers.agentdojo import import_agentdojo
from simulator.importers.generic import import_generic
from simulator.importers.govuk import import_govuk
from simulator.importers.journal import import_journal
from simulator.importers.source import Progress, Source
from simulator.importers.summary import Summary

__all__ = ["FORMATS", "Importer", "Progress", "Summary", "import_source"]


class Importer(Struct, frozen=True, kw_only=True):
    """One kind of history we can read."""

    name: str
    summary: str
    """What it reads, in a line for the list of formats."""
    run: Callable[[Path, Path, Path | None, Progress | None], Summary]
    """Takes source, recording to write, mapping and progress."""
    takes_mapping: bool = False


def _agentdojo(src: Path, out: Path, _: Path | None, progress: Progress | None) -> Summary:
    with Source(src, progress=progress) as source:
        return import_agentdojo(source, out)


def _govuk(src: Path, out: Path, _: Path | None, progress: Progress | None) -> Summary:
    with Source(src, progress=progress) as source:
        return import_govuk(source, out)


def _generic(src: Path, out: Path, mapping: Path | None, progress: Progress | None) -> Summary:
    with Source(src, progress=progress) as source:
        return import_generic(source, out, mapping)


def _journal(src: Path, out: Path, _: Path | None, progress: Progress | None) -> Summary:
    return import_journal(src, out, progress)


FORMATS: Final[dict[str, Importer]] = {
    importer.name: importer
    for importer in (
        Importer(name="journal", summary="a journal of our own", run=_journal),
        Importer(
            name="agentdojo",
            summary="AgentDojo runs (JSON lines; labels from agentdojo_actions.csv.gz beside them)",
            run=_agentdojo,
        ),
        Importer(name="govuk", summary="GOV.UK deployments (deployments.csv.gz)", run=_govuk),
        Importer(
            name="generic",
            summary="CSV, TSV or JSON lines of your own, by a mapping",
            run=_generic,
            takes_mapping=True,
        ),
    )
}


def import_source(
    format_name: str,
    src: Path | str,
    out: Path | str,
    *,
    mapping: Path | str | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Turn a history into a recording, completely or not at all.

    `mapping` is for the generic format only. `progress` is called now and then; `None` for never.

    Raises `RecordingError`, or another `InputError`, naming the place and the cure.
    """
    importer = FORMATS.get(format_name)
    if importer is None:
        raise InputError(f"no format {format_name!r}", cure=f"the formats are: {', '.join(FORMATS)}")
    source, target = Path(src), Path(out)
    if mapping is not None and not importer.takes_mapping:
        raise InputError(
            f"the format {format_name} takes no mapping", place=str(mapping), cure="leave it out"
        )
    for given in (source, None if mapping is None else Path(mapping)):
        if given is not None and target.exists() and given.exists() and target.samefile(given):
            raise RecordingError(
                "the recording would replace its own source", place=str(target), cure="choose another name"
            )
    return importer.run(source, target, None if mapping is None else Path(mapping), progress)
