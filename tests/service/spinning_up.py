"""`watchkeeper up`, but with an engine that SIGUSR2 makes spin for ever: python spinning_up.py up ..."""

import signal
import sys
from pathlib import Path

from watchkeeper import cli, supervising


def spin(*_signal: object) -> None:
    """Keep the engine's one thread busy, and never give it back."""
    while True:
        pass


def main() -> None:
    """Run the command line; the engine's command is this file again."""
    if sys.argv[1] == "engine":
        signal.signal(signal.SIGUSR2, spin)
    ordinary = supervising.command_of

    def command(name: str, config: Path) -> list[str]:
        words = ordinary(name, config)
        return [sys.executable, str(Path(__file__)), *words[3:]] if name == "engine" else words

    supervising.command_of = command
    cli.main()


if __name__ == "__main__":
    main()
