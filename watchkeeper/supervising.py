"""The processes of one installation under a supervisor, as `up` and `demo` run them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.adapters.announcements import Announcements
from engine.adapters.fence_files import FileFence
from engine.adapters.sweep import end_all, end_left_behind
from engine.runtime.child import Pace
from engine.runtime.layout import Layout
from engine.runtime.pool import Supervisor

# Longer than a worker waits, past its own time, for its last reports to be taken.
_MARGIN_S = 10.0


def command_of(name: str, config: Path) -> list[str]:
    """Return the command line of one of our processes: `engine`, `front`, `pager`, `bots`, `worker-1`."""
    kind, _, number = name.partition("-")
    named = ["--name", name] if number else []
    return [sys.executable, "-m", "watchkeeper", kind, "--config", str(config), *named]


def supervisor_of(
    layout: Layout,
    config: Path,
    commands: Mapping[str, list[str]],
    *,
    drain_s: float,
    logs: Path | None = None,
) -> Supervisor:
    """Prepare the supervisor of these processes; workers take up to `drain_s` to come to their end.

    What they write goes where ours does, or to a file for each in `logs`.
    """
    # The children find the same folder, wherever they are started.
    os.environ["WATCHKEEPER_HOME"] = str(layout.home)

    def check_again() -> None:
        from engine.wiring.service import check, open_service
        from notifiers.pager_process import ladder_channels

        again = open_service(layout.home, config)
        check(again, ladder_channels(again))

    return Supervisor(
        layout,
        commands,
        fence=FileFence(layout.stops),
        sweep=lambda stops: end_all(layout.home, stops),
        end_left_behind=lambda: end_left_behind(layout.home),
        announcer=Announcements(layout.announcements, screen=sys.stderr),
        # The workers keep their own time; ours only catches one that does not come to its end.
        pace=Pace(drain_s=drain_s + _MARGIN_S),
        check=check_again,
        logs=logs,
    )
