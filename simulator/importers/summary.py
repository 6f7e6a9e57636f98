"""What an import says about itself when it is done."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from engine.core.vocabulary.facts import decode
from engine.core.vocabulary.ids import Digest
from simulator.recording import Header, RecordingWriter
from simulator.recording.spill import SortedSpill


class Summary(Struct, frozen=True, kw_only=True):
    """One finished import."""

    format: str
    source: str
    """The name of the source file."""
    path: Path
    """The recording that was written."""
    rows: int
    """Rows, lines or records of the source that were read."""
    facts: int
    label_kinds: dict[str, int]
    """How many labels there are of each kind; empty when the source has none."""
    kinds: dict[str, int]
    """How many facts there are of each kind."""
    content_sha256: Digest
    warnings: tuple[str, ...] = ()
    """What was strange in the source and how it was taken; each is one sentence."""


def noted(oddities: Counter[str]) -> list[str]:
    """Write what was counted as sentences, in a stable order."""
    return [f"{what}: {'once' if n == 1 else f'{n:,} times'}" for what, n in sorted(oddities.items())]


def write_sorted(
    out: Path,
    header: Header,
    facts: SortedSpill,
    *,
    rows: int,
    oddities: Counter[str],
    label: Callable[[RecordingWriter], None] | None = None,
) -> Summary:
    """Write facts that were collected under their times, and sum them up. `label` adds the labels, if any.

    Raises `RecordingError` and `StorageError`.
    """
    with RecordingWriter(out, header) as writer:
        for _, line in facts:
            writer.write(decode(line))
        if label is not None:
            label(writer)
        writer.source_rows = rows
    warnings = noted(oddities)
    if not writer.facts:
        warnings.append("nothing in it that we know: check that it is the right format")
    return summarize(header.source, header.origin.name, writer, warnings)


def summarize(format_name: str, source: str, writer: RecordingWriter, warnings: list[str]) -> Summary:
    """Sum up a recording whose writer has finished."""
    footer = writer.footer
    if footer is None:
        raise ValueError("the recording is not finished")
    return Summary(
        format=format_name,
        source=source,
        path=writer.path,
        rows=footer.source_rows or 0,
        facts=footer.facts,
        label_kinds=footer.label_kinds,
        kinds=footer.kinds,
        content_sha256=footer.content_sha256,
        warnings=tuple(warnings),
    )
