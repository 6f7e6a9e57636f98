"""Sets one stop and lifts it, for ever, to be killed at any moment: python setter.py HOME."""

import os
import sys
from pathlib import Path

from engine.adapters.fence_files import FileFence
from engine.core.vocabulary.facts import Scope
from tests.fence.stopping import AGENT, stop

if __name__ == "__main__":
    fence = FileFence(Path(sys.argv[1]) / "stops")
    mine = stop(Scope("agent", AGENT), reason="x" * 3_000)
    os.write(1, b"begins\n")
    while True:
        fence.set(mine)
        fence.clear(mine.scope)
