"""The agents of `watchkeeper demo` as a process: clients of the demo's own service, like anybody's agents."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Final

from bot.http_api.address import read_address
from engine.adapters.token_file import TokenFile
from engine.errors import WatchkeeperError
from engine.runtime import tied
from engine.runtime.layout import Layout
from engine.wiring.service import told_to_end
from simulator.living.running import CAPABILITIES, LivingWorld

_GENTLE: Final = 5


def main(home: Path, seed: int, *, histories: bool) -> None:
    """Live in the workspace of this state folder until SIGTERM.

    With `histories` another process replays what was recorded, as well.
    """
    # What decides and what people look at goes first.
    os.nice(_GENTLE)
    layout = Layout(home)
    asyncio.run(_live(layout, _tokens(layout), seed, histories=histories))


def _tokens(layout: Layout) -> dict[str, str]:
    """Make a token for each agent, in place of those of a process before this one."""
    file = TokenFile(layout.tokens)
    for entry in file.entries():
        if entry.kind == "agent" and entry.name in CAPABILITIES:
            file.revoke(entry.id)
    return {
        name: file.create(kind="agent", name=name, capabilities=capabilities)[1]
        for name, capabilities in CAPABILITIES.items()
    }


async def _live(layout: Layout, tokens: dict[str, str], seed: int, *, histories: bool) -> None:
    def address() -> str | None:
        with contextlib.suppress(WatchkeeperError):
            found = read_address(layout.address)
            return found.url if found is not None else None
        return None

    end = asyncio.Event()
    with told_to_end(end):
        world = LivingWorld(layout.workspace, tokens, seed=seed, address=address)
        living = asyncio.create_task(world.live())
        ending = asyncio.create_task(end.wait())
        if histories:
            # It ends with us, and when it is done.
            told = [sys.executable, "-m", "watchkeeper.histories_process", str(layout.home), str(seed)]
            await asyncio.create_subprocess_exec(
                sys.executable, "-P", tied.__file__, str(os.getpid()), *told, stdin=asyncio.subprocess.DEVNULL
            )
        await asyncio.wait([living, ending], return_when=asyncio.FIRST_COMPLETED)
        if living.done():
            living.result()
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), histories="histories" in sys.argv[3:])
