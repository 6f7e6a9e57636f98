"""Start a program that does not outlive whoever started it: `python tied.py PARENT PROGRAM ARGUMENT...`

Linux sends a signal of the child's choice when its parent dies, and keeps the choice across `exec`. The child
has to ask for that itself. Doing it here, in a program of its own, spares the supervisor from running Python
between `fork` and `exec`, which is not safe while it has threads.
"""

import ctypes
import os
import signal
import sys

REFUSED = 78
"""The exit status for a refusal that starting again does not mend (EX_CONFIG of sysexits.h)."""

_SET_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36


def tie_to_parent(parent: int) -> bool:
    """Ask for SIGTERM when the parent dies; whether that parent still lives, for nobody else would tell."""
    _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
    return os.getppid() == parent


def adopt_orphans() -> None:
    """Become the parent of what children of ours leave behind, so that none stays a zombie."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl is refused")


def main(words: list[str]) -> None:
    """Tie this process to its parent and become the program."""
    parent, *command = words
    if not tie_to_parent(int(parent)):
        raise SystemExit(128 + signal.SIGTERM)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the supervisor says which
    except OSError as error:
        sys.stderr.write(f"watchkeeper: {command[0]} cannot be started: {error.strerror}\n")
        raise SystemExit(REFUSED) from None


if __name__ == "__main__":
    main(sys.argv[1:])
