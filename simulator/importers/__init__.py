"""Importers: histories of other systems, and our own journal, as recordings."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.errors import InputError, RecordingError
from simulator.importers import alertmanager, claude_code, codex, github, spans, tools
from simulator.importers.agentdojo import import_agentdojo
from simulator.importers.alertmanager import import_alertmanager
from simulator.importers.claude_code import import_claude_code
from simulator.importers.codex import import_codex
from simulator.importers.files import Files
from simulator.importers.generic import import_generic
from simulator.importers.git_history import head_of, import_git
from simulator.importers.github import import_github
from simulator.importers.govuk import import_govuk
from simulator.importers.journal import import_journal
from simulator.importers.source import Progress, Source
from simulator.importers.spans import import_langfuse, import_langsmith, import_openai_agents, import_otel
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
    identity: Callable[[Path], str] | None = None
    """Tells two sources apart that may be folders; `None`: the source is one file, and its bytes do."""


def _agentdojo(src: Path, out: Path, _: Path | None, progress: Progress | None) -> Summary:
    with Source(src, progress=progress) as source:
        return import_agentdojo(source, out)


def _govuk(src: Path, out: Path, _: Path | None, progress: Progress | None) -> Summary:
    with Source(src, progress=progress) as source:
        return import_govuk(source, out)


def _generic(src: Path, out: Path, mapping: Path | None, progress: Progress | None) -> Summary:
    with Source(src, progress=progress) as source:
        return import_generic(source, out, mapping)


def _of_files(
    name: str,
    summary: str,
    read: Callable[[Path, Path, Progress | None], Summary],
    patterns: tuple[str, ...],
    *,
    beside: tuple[Path, ...] = (),
) -> Importer:
    """Make the importer of a format whose histories are one file, or a folder of such.

    `beside`: other files that what comes of it depends on.
    """
    return Importer(
        name=name,
        summary=summary,
        run=lambda src, out, _, progress: read(src, out, progress),
        identity=lambda src: " ".join(
            [Files(src, *patterns).origin().sha256, *(Files(each).origin().sha256 for each in beside)]
        ),
    )


def _git(src: Path, out: Path, _: Path | None, progress: Progress | None) -> Summary:
    return import_git(src, out, progress)


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
        _of_files(
            "claude-code",
            "Claude Code transcripts (~/.claude/projects, or one file)",
            import_claude_code,
            claude_code.PATTERNS,
            beside=tools.FILES,
        ),
        _of_files(
            "codex",
            "Codex sessions (~/.codex/sessions, or one file)",
            import_codex,
            codex.PATTERNS,
            beside=tools.FILES,
        ),
        _of_files(
            "openai-agents",
            "OpenAI Agents SDK traces (exported spans as JSON)",
            import_openai_agents,
            spans.PATTERNS,
        ),
        _of_files("otel", "OpenTelemetry GenAI spans (OTLP as JSON)", import_otel, spans.PATTERNS),
        _of_files("langsmith", "LangSmith runs (JSON or JSON lines)", import_langsmith, spans.PATTERNS),
        _of_files("langfuse", "Langfuse observations (JSON or JSON lines)", import_langfuse, spans.PATTERNS),
        _of_files(
            "alertmanager",
            "Alertmanager alerts (webhook bodies, or what /api/v2/alerts lists)",
            import_alertmanager,
            alertmanager.PATTERNS,
        ),
        _of_files(
            "github",
            "GitHub deployments and workflow runs (of its REST API or webhooks)",
            import_github,
            github.PATTERNS,
        ),
        Importer(
            name="git", summary="the history of a git repository (its folder)", run=_git, identity=head_of
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
    source, target = Path(src).expanduser(), Path(out)
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
