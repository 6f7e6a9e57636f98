"""`watchkeeper demo`: the main job in one command, on a bundled history."""

import os
import sys
import webbrowser
from pathlib import Path

import click

from engine.wiring import SHIPPED_POLICY
from simulator.recording import Recording
from simulator.summary_text import text
from watchkeeper.commands_replay import run_replay
from watchkeeper.home import folder

BUNDLED = Path(__file__).resolve().parent.parent / "simulator" / "demo.wkr"


@click.command()
@click.option("--headless", is_flag=True, help="Print the result and exit; open no browser.")
def demo(headless: bool) -> None:
    """Replay a bundled week of made-up history and open the report.

    The history comes from a small seeded generator (simulator/world.py): recorded histories of others may not
    be shipped with Watchkeeper, but can be imported.
    """
    report = folder("reports") / "demo.html"
    summary = run_replay(
        Recording(BUNDLED), [SHIPPED_POLICY], name=_shown(BUNDLED), score=True, report=report
    )
    click.echo(text(summary))
    click.echo(f"\nreport: {report}")
    if not headless:
        _open(report)
    click.echo(_NEXT)


def _open(report: Path) -> None:
    """Open the report where there is a screen to open it on."""
    screen = (
        sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if not screen or not webbrowser.open(report.resolve().as_uri()):
        click.echo("there is no browser here: open the file above in one")


def _shown(path: Path) -> str:
    """Write a path the shorter way."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


_NEXT = """
Try next:
  watchkeeper explain DECISION_ID            one decision with all its reasons
  watchkeeper replay simulator/demo.wkr --journal demo.db
  watchkeeper journal --help                 verify, read and query such a journal
  watchkeeper policy check                   the shipped policy: copy config/, change it, then
  watchkeeper replay simulator/demo.wkr --against MY/policies
  watchkeeper import --help                  bring a history of your own"""
