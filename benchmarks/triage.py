"""Triage: a thousand open approvals, listed and put in order at the desk, and the question for one group.

    python -m benchmarks.triage [--waits N] [--rounds N] [--json OUT]

A live engine on a journal on disk, asked over its socket as front-ends ask it, and a desk; all in this
process. Every third wait is riskier than the others. Percentiles are in milliseconds; aim: a thousand listed
and triaged in 200 ms.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.live import percentiles
from engine.commands.desk import Desk
from engine.commands.model import Reply
from engine.runtime import wire
from tests.commands.desks import Given, tools_on
from tests.live.engines import asked, engine, performing

_AIM_MS: Final = 200.0
_AT_ONCE: Final = 100
"""How many proposals are under way at once while the waits are made."""


async def fill(client: Any, waits: int) -> None:
    """Have so many decisions wait."""
    for first in range(0, waits, _AT_ONCE):
        wishes = [
            asked(number, action="file.write", args={"path": f"a{number}", "content": "b"}, confidence=0.1)
            if number % 3
            else asked(
                number, action="service.scale", args={"service": "web", "replicas": number}, confidence=0.1
            )
            for number in range(first, min(first + _AT_ONCE, waits))
        ]
        await asyncio.gather(*(client.ask(wire.Propose(proposal=wish)) for wish in wishes))


async def timed(rounds: int, say: Callable[[], Awaitable[Reply]]) -> list[float]:
    """Say it again and again, and return how long each answer took."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        await say()
        took.append(time.perf_counter() - began)
    return took


async def measure(folder: Path, waits: int, rounds: int) -> dict[str, dict[str, float]]:
    """Fill a desk, and measure what whoever comes to it waits for."""
    async with engine(folder, performing()) as running:
        tools, close = tools_on(folder, running.client, running.fence)
        given = Given(Desk(tools), running)
        try:
            await fill(running.client, waits)
            shown = await given.say("ray", "decisions")
            if shown.title != f"{waits:,} decisions waiting for people":
                raise AssertionError(shown.title)
            return {
                "listed": percentiles(await timed(rounds, lambda: given.say("ray", "decisions"))),
                "question": percentiles(await timed(rounds, lambda: given.say("ray", shown.buttons[0].line))),
            }
        finally:
            await given.desk.close()
            for each in close:
                each.close()


def main() -> None:
    """Measure, print, and write JSON if asked."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--waits", type=int, default=1_000)
    options.add_argument("--rounds", type=int, default=50)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-triage-") as folder:
        found = asyncio.run(measure(Path(folder), given.waits, given.rounds))
    print(f"{given.waits:,} approvals that are open, at the desk")
    print(f"  {'':<36}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}")
    for name, said in (("listed", "listed and put in order"), ("question", "the question for one group")):
        row = found[name]
        aim = f"   aim: {_AIM_MS:.0f} ms" if name == "listed" else ""
        print(f"  {said:<36}{row['p50_ms']:>9.3f}{row['p99_ms']:>9.3f}{row['worst_ms']:>10.2f}{aim}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
