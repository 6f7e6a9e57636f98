"""The program's first lines. What a coding agent waits for is answered before anything that takes long is
imported; everything else is the command line.
"""

import gc
import os
import sys
from typing import Final

_AGENTS: Final = frozenset({"claude", "codex", "cursor", "gemini"})
_BLOCKED: Final = 2


def main() -> None:
    """Answer a hook, or run the command line."""
    words = sys.argv[1:]
    if len(words) > 1 and words[0] == "hook" and words[1] in _AGENTS and not {"-h", "--help"} & {*words}:
        _hook(words[1:])
    from watchkeeper.cli import main as command_line

    command_line(prog_name="watchkeeper")


def _hook(words: list[str]) -> None:
    """Answer, and leave at once: taking down an interpreter costs as much again as half the decision."""
    # A process of a tenth of a second makes no garbage worth collecting.
    gc.disable()
    status = _BLOCKED
    try:
        from bot.hooks.run import main as answered

        status = answered(words)
    except BaseException as wrong:  # noqa: BLE001 - an import that fails must block, too
        os.write(2, f"watchkeeper: blocked: the hook cannot start: {wrong!r}\n".encode(errors="replace"))
    finally:
        _leave(status)


def _leave(status: int) -> None:
    os._exit(status)
