"""A campaign of interleavings: people, agents, stops, clocks and crashes around what waits, in any order.

    python -m tests.faults.interleavings --count 100000 [--seed 7] [--jobs 2]
    python -m tests.faults.interleavings --seed 7 --only 4711

Each is a world of its own: a live engine and a desk on a journal in memory, people with accounts on three
platforms, agents, and a worker. Its number and the seed bring back all of it, to the last record. What must
not happen is judged by an oracle (tests/faults/people/oracle.py) that knows what people said and no rule of
the engine's.
"""

import argparse
import contextlib
import functools
import logging
import os
import random
import sys
import time
from collections import Counter
from typing import Final

from engine.commands import desk
from tests.faults.people.oracle import Broken
from tests.faults.people.parts import SteadyLoop
from tests.faults.people.play import play
from tests.faults.seeds import in_chunks

_CHUNK: Final = 200
_PROGRESS_S: Final = 30.0
_SHOWN: Final = (
    "propose", "mutate", "repeat", "approve", "deny", "vote", "agent_votes", "veto", "allow", "stale",
    "redeliver", "kill", "resume", "wait", "tick", "restart", "restart_front", "died", "vanish", "zombie",
    "at_once",
)  # fmt: skip


def chunk(seed: str, first: int, after: int) -> tuple[Counter[str], list[str]]:
    """Play some interleavings, and return what happened how often, and what went wrong with all its steps."""
    counts, broken = Counter[str](), list[str]()
    with contextlib.closing(SteadyLoop()) as loop:
        for number in range(first, after):
            try:
                counts += play(f"{seed}:{number}", loop).counts
            except Broken as wrong:
                broken.append(str(wrong))
            counts["interleavings"] += 1
    counts["broken"] = len(broken)
    return counts, broken


def summary(counts: Counter[str], took_s: float) -> str:
    """Say what a campaign came to.

    >>> print(summary(Counter({"interleavings": 10, "died": 3, "ran two": 2, "end done": 2}), 5.0))
    10 interleavings in 5 s (2 a second)
      0 ran without what was demanded, 0 twice, 0 after a veto or a denial, 0 behind a stop
      0 ended unexplained
      steps: died 3
      ran: two 2
      ends: done 2
    """
    total = counts["interleavings"]
    lines = [
        f"{total:,} interleavings in {took_s:.0f} s ({total / max(took_s, 1e-9):.0f} a second)",
        "  0 ran without what was demanded, 0 twice, 0 after a veto or a denial, 0 behind a stop\n"
        "  0 ended unexplained"
        if not counts["broken"]
        else f"  {counts['broken']:,} WENT WRONG: see above",
    ]
    groups = {"steps": [(name, counts[name]) for name in _SHOWN if counts[name]]}
    for title, prefix in (("counted", "counted "), ("ran", "ran "), ("ends", "end ")):
        found = [(name.removeprefix(prefix), counts[name]) for name in counts if name.startswith(prefix)]
        groups[title] = sorted(found, key=lambda item: (-item[1], item[0]))
    for title, found in groups.items():
        if found:
            lines.append(f"  {title}: " + ", ".join(f"{name} {number:,}" for name, number in found))
    return "\n".join(lines)


def _prepare() -> None:
    # An engine that dies in the middle of things says so each time.
    logging.disable(logging.CRITICAL)
    # Looking for secrets takes a quarter of the time, and the same few texts come again and again.
    desk.redact = functools.lru_cache(maxsize=100_000)(desk.redact)


def main() -> int:
    """Run one campaign and print what it comes to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.interleavings", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--count", type=int, default=100_000, help="how many (default 100000)")
    parser.add_argument("--seed", default=None, help="what to draw from (default: a new one, printed)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one a core)")
    parser.add_argument("--only", type=int, default=None, help="play this one alone and show its steps")
    arguments = parser.parse_args()
    seed = arguments.seed or str(random.SystemRandom().randrange(10**6))
    print(f"seed {seed}", flush=True)
    _prepare()
    try:
        if arguments.only is not None:
            with contextlib.closing(SteadyLoop()) as loop:
                print("\n".join(play(f"{seed}:{arguments.only}", loop).steps))
            return 0
        return _campaign(seed, arguments.count, arguments.jobs)
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1


def _campaign(seed: str, count: int, jobs: int) -> int:
    began_s, counts = time.monotonic(), Counter[str]()
    said_s = began_s
    played = in_chunks(chunk, _prepare, seed=seed, count=count, jobs=jobs, size=_CHUNK)
    for more, broken in played:
        counts += more
        for wrong in broken:
            print(wrong, file=sys.stderr, flush=True)
        if time.monotonic() - said_s >= _PROGRESS_S:
            said_s = time.monotonic()
            done = f"{counts['interleavings']:,} of {count:,} interleavings, {counts['died']:,} crashes"
            print(f"{done}, {said_s - began_s:.0f} s", flush=True)
    print(summary(counts, time.monotonic() - began_s))
    return 1 if counts["broken"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
