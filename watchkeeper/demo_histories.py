"""`watchkeeper demo --headless`: the main job on a bundled history, and the story, as text and a report."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
import sqlite_utils

from engine.adapters.journal_sqlite import SqliteJournal
from engine.wiring import SHIPPED_CONFIG, SHIPPED_POLICY, read_policy
from engine.wiring.kpis import read_kpis
from simulator import story
from simulator.bundled import BUNDLED
from simulator.recording import Recording
from simulator.report import write_report
from simulator.summary_text import text
from simulator.world.stories import BOTH_STORY
from watchkeeper.commands_replay import run_replay
from watchkeeper.home import folder, home, last_replay, shown
from watchkeeper.progress import bar

_DEMO: Final = BUNDLED["demo"]


def print_histories(seed: int, *, quick: bool) -> None:
    """Replay the bundled week, live through the made-up weeks, and write the report of both."""
    report, journal = folder("reports") / "demo.html", home() / "demo-rollouts.db"
    summary = run_replay(Recording(_DEMO), [SHIPPED_POLICY], name=str(shown(_DEMO)), score=True, kpis=True)
    click.echo(text(summary))
    told = None if quick else _tell(seed, journal)
    if told is not None:
        click.echo(f"\n{story.text(told)}")
    results = last_replay()
    if results is not None:
        with closing(sqlite_utils.Database(results)) as db:
            write_report(report, db, summary, told)
    click.echo(f"\nreport: {report}")
    click.echo(
        _NEXT.format(
            example=summary.example,
            recording=shown(_DEMO),
            config=shown(SHIPPED_POLICY.parent),
            history="" if told is None else _HISTORY.format(journal=shown(journal)),
        )
    )


def _tell(seed: int, journal: Path) -> story.Told:
    """Live through the story on a journal that stays, for whoever wants to look at it."""
    for tail in ("", "-wal", "-shm", ".lock"):
        Path(f"{journal}{tail}").unlink(missing_ok=True)
    with (
        TemporaryDirectory(prefix="watchkeeper-demo-") as work,
        bar("story", "facts") as advance,
        closing(SqliteJournal(journal)) as kept,
    ):
        policy = read_policy(SHIPPED_POLICY)
        return story.tell(
            BOTH_STORY,
            seed,
            policy,
            journal=kept,
            folder=Path(work),
            kpis=read_kpis(SHIPPED_CONFIG),
            progress=advance,
        )


_NEXT = """
Try next:
  watchkeeper explain {example}
{history}  watchkeeper replay {recording} --journal demo.db
  watchkeeper journal verify --journal demo.db
  cp -r {config} my-config                   change something in it, then
  watchkeeper replay {recording} --policy my-config/policies --against {config}/policies
  watchkeeper import --help                  bring a history of your own"""

_HISTORY = "  watchkeeper canary history scale-busy --journal {journal}\n"
