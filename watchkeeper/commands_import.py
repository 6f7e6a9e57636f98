"""`watchkeeper import` and `watchkeeper recording`: histories in, and a look into what they became."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from simulator.importers import Summary
    from simulator.recording import Recording


@click.command("import")
@click.argument("format_name", metavar="FORMAT")
@click.argument("src", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    metavar="REC",
    type=click.Path(path_type=Path),
    help="The recording to write.",
)
@click.option(
    "--mapping",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="How rows become facts; for the generic format.",
)
def import_(format_name: str, src: Path, out: Path, mapping: Path | None) -> None:
    """Turn the history SRC into the recording REC.

    FORMAT is journal, agentdojo, govuk, generic, claude-code, codex, openai-agents, otel, langsmith,
    langfuse, alertmanager, github or git. The recording appears when it is complete, or not at all.
    """
    from simulator.importers import import_source
    from watchkeeper.progress import bar

    with bar(f"importing {src.name}", "rows") as advance:
        summary = import_source(format_name, src, out, mapping=mapping, progress=advance)
    for warning in summary.warnings:
        click.echo(f"note: {warning}", err=True)
    click.echo(_sentence(summary))


@click.group("recording")
def recording() -> None:
    """Look into a recording."""


@recording.command("info")
@click.argument("rec", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Read every frame, and compare what it says with the index.")
def info(rec: Path, *, verify: bool) -> None:
    """Say what REC holds: origin, span of time, facts by kind, lanes and sizes."""
    from simulator.recording import Recording

    opened = Recording(rec)
    if verify:
        opened.verify()
    for name, value in _about(opened):
        click.echo(f"{name:<12} {value}")
    if verify:
        click.echo(f"{'verified':<12} every frame is as the index says")


@recording.command("show")
@click.argument("rec", type=click.Path(path_type=Path))
@click.option("--from-seq", default=1, show_default=True, metavar="N", help="The first fact to show.")
@click.option("-n", "--count", type=click.IntRange(min=0), metavar="N", help="How many; all when left out.")
def show(rec: Path, from_seq: int, count: int | None) -> None:
    """Write the facts of REC as JSON lines, in order. Labels are not among them."""
    from itertools import islice

    from engine.core.vocabulary.facts import encode
    from simulator.recording import Recording

    facts = Recording(rec).facts(after_seq=max(0, from_seq - 1))
    for seq, fact in islice(facts, count):
        click.echo(b'{"seq":%d,' % seq + encode(fact)[1:])


def _sentence(summary: "Summary") -> str:
    labels = sum(summary.label_kinds.values())
    parts = [
        f"{summary.path}: {summary.facts:,} facts from {summary.rows:,} rows",
        f"{summary.kinds.get('proposal_received', 0):,} proposals",
        f"{labels:,} labels",
        f"content {summary.content_sha256[:16]}",
    ]
    return ", ".join(parts)


def _about(opened: "Recording") -> Iterator[tuple[str, str]]:
    from engine.core.vocabulary.units import time_text
    from simulator.recording import LANES

    header, footer = opened.header, opened.footer
    yield "recording", f"{opened.path}, {opened.size:,} bytes, format {header.watchkeeper_recording}"
    origin = header.origin
    yield (
        "source",
        f"{header.source}: {origin.name}" + (f" (sha256 {origin.sha256})" if origin.sha256 else ""),
    )
    for policy_hash in origin.policy_hashes:
        yield "decided by", f"policy {policy_hash}"
    for note in header.notes:
        yield "note", note
    yield "actions", f"{len(header.actions)} in its registry" if header.actions else "the policy folder's own"
    rows = "" if footer.source_rows is None else f" from {footer.source_rows:,} rows of the source"
    yield "facts", f"{footer.facts:,}{rows}" + ("" if footer.in_time_order else ", not all in order of time")
    for kind, count in sorted(footer.kinds.items(), key=lambda item: -item[1]):
        yield "", f"{count:>12,} {kind}"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in footer.label_kinds.items())
    yield "labels", kinds or "none"
    if footer.first_at_us is not None and footer.last_at_us is not None:
        yield "span", f"{time_text(footer.first_at_us)} to {time_text(footer.last_at_us)}"
    yield "groups", f"{len(footer.group_sizes):,}, in {len(opened.frames):,} frames"
    for lane in range(LANES):
        frames = [frame for frame in opened.frames if frame.lane == lane]
        facts, packed = sum(f.count for f in frames), sum(f.length for f in frames)
        yield (
            f"lane {lane}",
            f"{facts:>12,} facts in {packed:,} bytes ({sum(f.size for f in frames):,} unpacked)",
        )
    yield "content", footer.content_sha256
