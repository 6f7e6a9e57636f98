"""A history of your own, from CSV, TSV or JSON lines by a mapping: `docs/howto/bring-your-own-history.md`."""

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from engine.adapters.yaml_files import Document, read_yaml
from engine.core.vocabulary.actions import Action, BlastCaps, Parameter
from engine.core.vocabulary.facts import Fact, ProposalReceived, decode, encode
from engine.core.vocabulary.ids import ActionName
from engine.core.vocabulary.units import time_text
from engine.errors import InputError, RecordingError
from engine.settings.policy import ActionEntry
from simulator.importers.cells import EMPTY, ROW, Row, time_reader
from simulator.importers.emitters import emitters
from simulator.importers.infer import RegistryLearner
from simulator.importers.lenient_json import parse_object
from simulator.importers.mapping import Mapping, columns_in
from simulator.importers.source import Source, listed
from simulator.importers.summary import Summary, summarize
from simulator.recording import Header, Origin, RecordingWriter
from simulator.recording.spill import SortedSpill, time_key

FORMAT: Final = "generic"


def import_generic(source: Source, out: Path, mapping: Path | None) -> Summary:
    """Write the recording that a mapping makes of a table or of JSON lines.

    Raises `RecordingError` naming file, row and column, or the line of the mapping, and the cure.
    """
    if mapping is None:
        raise RecordingError(
            "the generic format needs a mapping",
            place=source.name,
            cure="give --mapping FILE: see docs/howto",
        )
    document = _read(mapping)
    checked = _checked(document)
    return _Import(source, document, checked).run(out)


class _Import:
    def __init__(self, source: Source, document: Document, mapping: Mapping) -> None:
        self._source = source
        self._document = document
        self._mapping = mapping
        self._emitters = emitters(mapping)
        self._time = time_reader(mapping.time)
        self._columns: dict[str, tuple[str | int, ...]] = {}
        for part in ("time", "emit"):
            for steps, column in columns_in(document.data.get(part), (part,)):
                if column != ROW:
                    self._columns.setdefault(column, steps)

    def run(self, out: Path) -> Summary:
        source, mapping = self._source, self._mapping
        infer = mapping.infer
        source.passes = 2 if infer else 1
        header = Header(
            source=mapping.source,
            origin=Origin(
                name=source.name,
                sha256=source.sha256(),
                mapping_sha256=hashlib.sha256(self._document.path.read_bytes()).hexdigest(),
            ),
            actions=self._inferred() if infer else _actions(mapping.actions),
            notes=(
                *mapping.notes,
                *(("the registry is inferred from the shape of the calls",) if infer else ()),
            ),
        )
        warnings: list[str] = []
        with RecordingWriter(out, header) as writer:
            (self._write_sorted if mapping.sort else self._write)(writer)
            writer.source_rows = source.rows
            if not writer.facts:
                warnings.append("no row made a fact: check the `when` of each block")
        return summarize(FORMAT, source.name, writer, warnings)

    def _inferred(self) -> tuple[Action, ...]:
        learner = RegistryLearner()
        for row in self._rows():
            for emit in self._emitters:
                made = emit(row, 0)
                if isinstance(made, ProposalReceived):
                    learner.see(made.proposal.action, made.proposal.args)
        return learner.actions()

    def _write(self, writer: RecordingWriter) -> None:
        last_us: int | None = None
        for row in self._rows():
            at_us = self._time(row)
            if last_us is not None and at_us < last_us:
                raise row.refuse(
                    self._mapping.time.column,
                    f"{time_text(at_us)} is earlier than the row before ({time_text(last_us)})",
                    "sort the rows by time, or say `sort: true` in the mapping",
                )
            last_us = at_us
            for emit in self._emitters:
                made = emit(row, at_us)
                if isinstance(made, Fact):
                    writer.write(made)
                elif made is not None:
                    writer.label(made)

    def _write_sorted(self, writer: RecordingWriter) -> None:
        with SortedSpill() as spill:
            for row in self._rows():
                at_us = self._time(row)
                for emit in self._emitters:
                    made = emit(row, at_us)
                    if isinstance(made, Fact):
                        spill.add(time_key(at_us), encode(made))
                    elif made is not None:
                        writer.label(made)
            for _, line in spill:
                writer.write(decode(line))

    def _rows(self) -> Iterator[Row]:
        mapping = self._mapping
        if mapping.format == "jsonl":
            yield from self._json_rows()
            return
        delimiter = "\t" if mapping.format == "tsv" else mapping.delimiter
        rows = self._source.table(delimiter=delimiter)
        first = next(rows, None)
        if first is None:
            return
        for column, steps in self._columns.items():
            if column not in first[1]:
                raise RecordingError(
                    f"no column {column!r} in {self._source.name}",
                    place=self._document.place(*steps),
                    cure=f"the columns there are: {listed(first[1])}",
                )
        for place, cells in chain([first], rows):
            yield Row(place, self._source.rows, cells)

    def _json_rows(self) -> Iterator[Row]:
        # A line of JSON need not have every name, so a wrong one shows only when no line ever had it.
        unseen = set(self._columns)
        names: dict[str, None] = {}
        for number, line in self._source.lines():
            place = f"{self._source.name} row {self._source.rows} (line {number})"
            row = Row(place, self._source.rows, parse_object(line, place))
            if unseen:
                unseen = {
                    column for column in unseen if row.cell(column) is EMPTY and column not in row.cells
                }
                if len(names) < _NAMES_KEPT:
                    names.update(dict.fromkeys(map(str, row.cells)))
            yield row
        if unseen and self._source.rows:
            column = min(unseen)
            raise RecordingError(
                f"no line of {self._source.name} has {column!r}",
                place=self._document.place(*self._columns[column]),
                cure=f"the names there are: {listed(names)}",
            )


_NAMES_KEPT: Final = 1_000


def _read(path: Path) -> Document:
    try:
        return read_yaml(path)
    except InputError as error:
        raise RecordingError(error.message, place=error.place, cure=error.cure) from error


def _checked(document: Document) -> Mapping:
    try:
        return document.checked(Mapping)
    except InputError as error:
        # Python has no field called `in`, and the hint lists Python's names.
        cure = error.cure.replace("one_of", "in") if error.cure else None
        raise RecordingError(error.message, place=error.place, cure=cure) from error


def _actions(entries: dict[str, ActionEntry]) -> tuple[Action, ...]:
    return tuple(
        Action(
            name=ActionName(name),
            kind=entry.kind,
            risk=entry.risk,
            parameters={key: Parameter(**value.model_dump()) for key, value in entry.parameters.items()},
            undo=entry.undo,
            blast=BlastCaps(**entry.blast.model_dump()) if entry.blast is not None else None,
            summary=entry.summary,
        )
        for name, entry in sorted(entries.items())
    )
