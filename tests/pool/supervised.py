"""A supervisor over made-up processes: python supervised.py HOME COMMANDS PACE, the last two in JSON."""

import json
import sys
from pathlib import Path

from engine.adapters.announcements import Announcements
from engine.adapters.fence_files import FileFence
from engine.adapters.sweep import end_all, end_left_behind
from engine.errors import InputError, WatchkeeperError
from engine.runtime.child import Pace
from engine.runtime.layout import Layout
from engine.runtime.pool import Supervisor


def check(home: Path) -> None:
    """Refuse the configuration while this file is there."""
    if (home / "wrong").exists():
        raise InputError("no such key", place="watchkeeper.yaml:3")


def main() -> int:
    """Run until told to stop."""
    home, commands, pace = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
    logs = home / "log" if pace.pop("logs", True) else None
    supervisor = Supervisor(
        Layout(home),
        commands,
        fence=FileFence(home / "stops"),
        sweep=lambda stops: end_all(home, stops, grace_s=0.2),
        end_left_behind=lambda: end_left_behind(home),
        announcer=Announcements(home / "announcements.jsonl", screen=sys.stderr),
        check=lambda: check(home),
        logs=logs,
        pace=Pace(**pace),
    )
    try:
        return supervisor.run()
    except WatchkeeperError as refused:
        sys.stderr.write(f"watchkeeper: {refused}\n")
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
