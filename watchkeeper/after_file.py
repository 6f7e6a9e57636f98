"""Become a program once a file is there: `python -P after_file.py FILE PROGRAM ARGUMENT...`

For what may start a little later, so that a small machine has its cores for what somebody waits for.
"""

import os
import sys
import time

_LOOK_S = 0.05


def main(words: list[str]) -> None:
    """Wait, and become it."""
    path, *command = words
    while not os.path.exists(path):  # noqa: PTH110 - importing pathlib takes longer than all the rest
        time.sleep(_LOOK_S)
    os.execvp(command[0], command)  # noqa: S606 - the supervisor says which


if __name__ == "__main__":
    main(sys.argv[1:])
