"""Begins effects over and over and says when: python starter.py HOME AGENT THREADS|stay|slowly.

Each line on its output is a moment, by the steady clock in nanoseconds, at which an effect had just begun.
With `stay` it begins one, says so, and never gets any further; with `slowly` it takes half a second to start
a process, and ends when somebody has ended that.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from engine.adapters.fence_files import FileFence
from engine.adapters.inflight import EffectWatch, InFlight
from engine.errors import Stopped


def begin_for_ever(home: Path, agent: str, name: str) -> None:
    """Begin effects as fast as the fence lets us."""
    fence = FileFence(home / "stops")
    underway = InFlight(home / "inflight").begin(
        f"{agent}-{name}", agent=agent, capability="restart@3", action="service.restart"
    )
    watch = EffectWatch(fence, underway)
    while True:
        try:
            with watch.starting():
                os.write(1, b"%d\n" % time.monotonic_ns())
        except Stopped:
            time.sleep(0.000_2)


def stay(home: Path, agent: str) -> None:
    """Begin one effect, and stay in the middle of it."""
    underway = InFlight(home / "inflight").begin(
        f"{agent}-stays", agent=agent, capability="restart@3", action="service.restart"
    )
    with EffectWatch(FileFence(home / "stops"), underway).starting():
        os.write(1, b"in\n")
        time.sleep(1000)
    os.write(1, b"out\n")


def slowly(home: Path, agent: str) -> None:
    """Take a while to begin an effect, and let go of it when it was ended."""
    underway = InFlight(home / "inflight").begin(
        f"{agent}-slow", agent=agent, capability="restart@3", action="service.restart"
    )
    watch = EffectWatch(FileFence(home / "stops"), underway)
    with watch.starting():
        os.write(1, b"in\n")
        time.sleep(0.5)
        process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        watch.process(process.pid)
    process.wait()
    underway.end()


if __name__ == "__main__":
    place, who, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    if how == "stay":
        stay(place, who)
    if how == "slowly":
        slowly(place, who)
    for number in range(int(how) if how.isdecimal() else 0):
        threading.Thread(target=begin_for_ever, args=(place, who, f"{os.getpid()}-{number}")).start()
