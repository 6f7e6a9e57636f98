"""`watchkeeper replay`: what would have been allowed, held and denied, decision by decision."""

from contextlib import closing
from pathlib import Path

import click

from engine.adapters.files import atomic_write
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.units import parse_time
from engine.errors import InputError, JournalBusy, JournalError
from engine.wiring import SHIPPED_POLICY, PolicySource, read_policy
from engine.wiring.kpis import read_kpis
from simulator.fail_if import FailIf, figures
from simulator.kpis import hash_of
from simulator.recording import Recording
from simulator.rederive import Rederived, rederive, rederive_recording
from simulator.replay.driver import Replay, ReplayEnd
from simulator.replay.journalled import replay_into
from simulator.replay.lanes import EVERYTHING, Span
from simulator.replay.results import Results, Run
from simulator.report import write_report
from simulator.score import add_episode_labels
from simulator.sources import open_source
from simulator.summary import Summary, summarise, to_json
from simulator.summary_text import text
from watchkeeper.home import folder, must_be_writable, must_differ, remember_replay, shown
from watchkeeper.progress import bar, stopped_by_ctrl_c

_FILE = click.Path(path_type=Path)
_STOPPED = 130


class _Speed(click.ParamType[float | None]):
    name = "N|max"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        if value == "max" or value is None:
            return None
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is not a speed: give recorded seconds in a real second, such as 60, or max")
        return speed


class _Moment(click.ParamType[int]):
    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_time(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time: write 2026-03-02 or 2026-03-02T14:00:00Z")


@click.command()
@click.argument("source")
@click.option(
    "--policy", type=_FILE, default=SHIPPED_POLICY, help="Policy folder. [default: the shipped one]"
)
@click.option(
    "--against",
    type=_FILE,
    help="Another policy folder to compare with, such as the one in force: which decisions differ.",
)
@click.option("--mapping", type=_FILE, help="Mapping file for generic: sources.")
@click.option("--score", is_flag=True, help="Score against the labels the recording carries.")
@click.option("--kpis", is_flag=True, help="Count the KPIs of kpis.yaml beside the policy folder, too.")
@click.option(
    "--from", "from_us", type=_Moment(), help="Report from this time on; earlier facts build up state."
)
@click.option("--until", "until_us", type=_Moment(), help="Stop before this time.")
@click.option(
    "--speed", type=_Speed(), default="max", show_default=True, help="Recorded seconds a second, or max."
)
@click.option(
    "--shards", type=click.IntRange(1, 8), default=1, show_default=True, help="Processes to decide in."
)
@click.option("--results", type=_FILE, help="SQLite file of every decision. [default: in the data folder]")
@click.option("--resume", is_flag=True, help="Go on with a replay that was stopped.")
@click.option("--json", "json_out", type=_FILE, help="Write the summary as JSON.")
@click.option("--report", type=_FILE, help="Write a report page (HTML, opens offline).")
@click.option("--journal", type=_FILE, help="Also write facts and verdicts to a new journal.")
@click.option("--fail-if", help="Exit with status 1 if this holds, such as 'denied > 10'.")
def replay(  # noqa: PLR0917 - click passes every option by name
    source: str,
    policy: Path,
    against: Path | None,
    mapping: Path | None,
    score: bool,
    kpis: bool,
    from_us: int | None,
    until_us: int | None,
    speed: float | None,
    shards: int,
    results: Path | None,
    resume: bool,
    json_out: Path | None,
    report: Path | None,
    journal: Path | None,
    fail_if: str | None,
) -> None:
    """Replay SOURCE through the decision core: a recording, or FORMAT:FILE to import first.

    Of a journal, and of a recording made from one, every step of its rollouts is worked out again from the
    facts before it.

    Ends with status 0, with 1 if --fail-if holds or a step of a rollout was not what followed, 2 on wrong
    input, and 130 when stopped by Ctrl-C.
    """
    condition = FailIf(fail_if) if fail_if is not None else None
    for path in (results, json_out, report, journal):
        must_be_writable(path)
    must_differ(source, (results, json_out, report, journal))
    if journal is not None and journal.exists():
        raise InputError(
            "there is a journal already", place=str(journal), cure="a journal is never overwritten"
        )
    if from_us is not None and until_us is not None and from_us >= until_us:
        raise InputError("--from is not before --until", cure="exchange them")
    recording = open_with_progress(source, mapping)
    summary = run_replay(
        recording,
        [policy, *([against] if against else [])],
        name=source,
        mapping=mapping,
        results=results,
        resume=resume,
        span=Span(from_us, until_us),
        shards=shards,
        speed=speed,
        score=score,
        kpis=kpis,
        report=report,
        journal=journal,
    )
    click.echo(text(summary))
    again = _steps_again(source, recording)
    if again is not None:
        click.echo(again)
    if score and summary.score is None and summary.finished:
        click.echo("score: this recording carries no labels")
    if json_out is not None:
        with atomic_write(json_out) as file:
            file.write(to_json(summary))
    for path, what in ((report, "report"), (journal if summary.finished else None, "journal")):
        if path is not None:
            click.echo(f"{what}: {path}")
    if not summary.finished:
        click.echo("stopped: the same command with --resume goes on from here", err=True)
        raise SystemExit(_STOPPED)
    if again is not None and again.difference:
        raise SystemExit(1)
    if condition is not None and condition.holds(figures(summary)):
        click.echo(f"failed: {condition.condition}", err=True)
        raise SystemExit(1)


def _steps_again(source: str, recording: Recording) -> Rederived | None:
    """Work out every step of every rollout again, where the source is or was a journal that holds any."""
    kind, _, path = source.partition(":")
    if kind == "journal":
        with SqliteReader(path) as journal:
            again = rederive(journal)
    elif recording.has_steps:
        again = rederive_recording(recording)
    else:
        return None
    return again if again.recorded or again.difference else None


def run_replay(
    recording: Recording,
    policies: list[Path],
    *,
    name: str,
    mapping: Path | None = None,
    results: Path | None = None,
    resume: bool = False,
    span: Span = EVERYTHING,
    shards: int = 1,
    speed: float | None = None,
    score: bool = False,
    kpis: bool = False,
    report: Path | None = None,
    journal: Path | None = None,
) -> Summary:
    """Replay, keep the results where `explain` finds them, and sum them up."""
    sources = [read_policy(shown(path)).with_recorded(recording.header.actions) for path in policies]
    # Those of the configuration that the policy in question belongs to.
    counted = read_kpis(shown(policies[0]).parent) if kpis else ()
    path = results or folder("replays") / f"{recording.path.stem}.sqlite"
    run = Run(
        recording=name,
        mapping=str(mapping) if mapping is not None else None,
        content_sha256=recording.footer.content_sha256,
        source=recording.header.source,
        policies=[source.place for source in sources],
        policy_hashes=[source.policy_hash for source in sources],
        from_us=span.from_us,
        until_us=span.until_us,
        kpis=hash_of(counted) if kpis else "",
    )
    kept = Results(path, run, resume=resume)
    try:
        driver = Replay(recording, sources, results=kept, span=span, shards=shards, speed=speed, kpis=counted)
        with stopped_by_ctrl_c(driver.stop), bar("replay", "facts") as advance:
            end = driver.run(lambda progress: advance(progress.facts / progress.of, progress.facts))
        summary = _sum_up(kept, run, end, recording, score=score, report=report)
    except KeyboardInterrupt:
        # A second Ctrl-C: what was committed is still good to go on from.
        kept.close()
        raise
    except BaseException:
        kept.discard()
        raise
    kept.close()
    remember_replay(kept.place)
    if end.finished and journal is not None:
        _write_journal(journal, recording, sources[0], span, end)
    return summary


def _sum_up(
    kept: Results, run: Run, end: ReplayEnd, recording: Recording, *, score: bool, report: Path | None
) -> Summary:
    if end.finished:
        if score or recording.header.source == "journal":
            kept.add_labels(recording.labels())
        for position, track in enumerate(end.tracks):
            if track.kpis is not None:
                kept.add_kpis(position, track.kpis)
        kept.finish()
        if score:
            add_episode_labels(kept.db, recording.episode_labels())
    summary = summarise(kept.db, run, end, recording.footer.source_rows, notes=recording.header.notes)
    if report is not None:
        write_report(report, kept.db, summary)
    return summary


def open_with_progress(source: str, mapping: Path | None = None) -> Recording:
    """Open a recording; where it must be imported first, show how far that is."""
    with bar("import", "rows") as advance:
        return open_source(source, folder("recordings"), mapping=mapping, progress=advance)


def _write_journal(
    path: Path, recording: Recording, source: PolicySource, span: Span, end: ReplayEnd
) -> None:
    """Replay once more through the live loop, and refuse to call it a journal if the two disagree."""
    total = recording.footer.facts
    try:
        with bar("journal", "facts") as advance, closing(SqliteJournal(path)) as journal:
            state = replay_into(journal, recording, source, span, lambda seq: advance(seq / total, seq))
    except JournalBusy:
        raise
    except BaseException:
        # Half a journal would be taken for a whole one: nothing in it says that facts are missing.
        for tail in ("", "-wal", "-shm", ".lock"):
            Path(f"{path}{tail}").unlink(missing_ok=True)
        raise
    if state != end.tracks[0].state_hash:
        raise JournalError(
            f"the live loop came to state {state}, the replay to {end.tracks[0].state_hash}",
            place=str(path),
            cure="this is a defect in Watchkeeper: please report it with the recording",
        )
