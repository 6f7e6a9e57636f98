"""Ending what is still running of ours when whoever started it is gone or does not answer."""

import os
import signal
import time
from pathlib import Path
from typing import Final

from engine.adapters.marks import home_id
from engine.adapters.sandbox_docker import end_containers
from engine.adapters.sandbox_processes import marked_processes
from engine.errors import StorageError

_VANISH_S: Final = 5.0


def end_leftovers(
    home: Path, *, effect_id: str | None = None, docker_url: str | None = None
) -> tuple[str, ...]:
    """Kill all programs of one effect, or with `None` of the whole state folder, and see that they are gone.

    Needs nothing but the state folder's name: no engine, no journal, no file. Returns what was killed, as
    `process 123` and `container watchkeeper-…`. Raises `StorageError` when something would not end, after it
    has tried everything.
    """
    ended: dict[str, None] = {}
    until, pause_s = time.monotonic() + _VANISH_S, 0.001
    mark = home_id(home)
    while alive := marked_processes(mark, effect_id).keys() - {os.getpid()}:
        for pid in alive:
            ended[f"process {pid}"] = None
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except PermissionError:
                continue  # another person's; said below if it stays
        if time.monotonic() > until:
            break
        time.sleep(pause_s)
        pause_s = min(0.05, pause_s * 2)
    ended |= dict.fromkeys(f"container {name}" for name in end_containers(home, effect_id, docker_url))
    if alive:
        raise StorageError(
            f"processes do not end: {', '.join(map(str, sorted(alive)))}",
            place=str(home),
            cure="end them as the person they run as, or as root",
        )
    return tuple(ended)
