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
from watchkeeper.home import folder, shown

BUNDLED = Path(__file__).resolve().parent.parent / "simulator" / "demo.wkr"


@click.command()
@click.option("--headless", is_flag=True, help="Print the result and exit; open no browser.")
def demo(headless: bool) -> None:
    """Replay a bundled week of made-up history and open the report.

    The history comes from a small seeded generator (simulator/world/week.py): recorded histories of others
    may not be shipped with Watchkeeper, but can be imported.
    """
    report = folder("reports") / "demo.html"
    summary = run_replay(
        Recording(BUNDLED), [SHIPPED_POLICY], name=str(shown(BUNDLED)), score=True, report=report
    )
    click.echo(text(summary))
    click.echo(f"\nreport: {report}")
    if not headless:
        _open(report)
    click.echo(
        _NEXT.format(example=summary.example, recording=shown(BUNDLED), config=shown(SHIPPED_POLICY.parent))
    )


def _open(report: Path) -> None:
    """Open the report where there is a screen to open it on."""
    screen = (
        sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if not screen or not webbrowser.open(report.resolve().as_uri()):
        click.echo("there is no browser here: open the file above in one")


_NEXT = """
Try next:
  watchkeeper explain {example}
  watchkeeper replay {recording} --journal demo.db
  watchkeeper journal verify --journal demo.db
  cp -r {config} my-config                   change something in it, then
  watchkeeper replay {recording} --policy my-config/policies --against {config}/policies
  watchkeeper import --help                  bring a history of your own"""
