"""One process under a supervisor: python part.py HOME NAME HOW. Says in HOME/diary what happens to it."""

import os
import signal
import sys
import time
from pathlib import Path

from engine.adapters.inflight import InFlight

HOME, NAME, HOW = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def write(what: str) -> None:
    """Add a line to the diary, in one piece."""
    handle = os.open(HOME / "diary", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{NAME} {what}\n".encode())
    os.close(handle)


def leave(number: int, frame: object) -> None:
    """Leave, later or sooner."""
    write("told")
    if HOW.startswith("slow"):
        time.sleep(float(HOW.partition(":")[2]))
    write("left")
    raise SystemExit(0)


if __name__ == "__main__":
    if HOW == "deaf":
        signal.signal(signal.SIGTERM, lambda *_: write("told"))
    else:
        signal.signal(signal.SIGTERM, leave)
    write(f"began {os.getpid()}")
    if HOW == "crash":
        raise SystemExit(3)
    if HOW.startswith("refuse"):
        sys.stderr.write("watchkeeper: the policy is wrong (mend it)\n")
        raise SystemExit(78)
    if HOW == "holds":
        InFlight(HOME / "inflight").begin("d_1", agent="coder-1", capability="restart@3", action="x")
        write("holds")
    while HOW == "spins":
        pass
    while True:
        time.sleep(1000)
