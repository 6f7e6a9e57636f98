"""A campaign of nights: needs, ladders, people who sleep, providers that fail, and crashes, in any order.

    python -m tests.faults.wakeup_nights --count 1000000 [--seed 7] [--jobs 2]
    python -m tests.faults.wakeup_nights --seed 7 --only 4711

Each night is a world of its own, in virtual time: the keeper of escalations and the pager of the product on a
journal in memory, with a dozen or so escalations. Its number and the seed bring back all of it, to the last
record. What must not happen is judged by an oracle (tests/faults/wakeups/oracle.py) of its own.
"""

import argparse
import contextlib
import gc
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

from tests.faults.seeds import in_chunks
from tests.faults.wakeups.book import Broken
from tests.faults.wakeups.play import play
from tests.faults.wakeups.virtual import VirtualLoop

_CHUNK: Final = 50
_PROGRESS_S: Final = 30.0
EACH: Final = 14
"""How many escalations a night has at least, on average: so many nights are played for a count of them."""
_HAPPENED: Final = (
    "crashes",
    "rungs",
    "tried",
    "pages",
    "acknowledged",
    "joined",
    "postponed",
    "on the wire",
)


def chunk(seed: str, first: int, after: int) -> tuple[Counter[str], list[str]]:
    """Play some nights, and return what happened how often, and what went wrong with all its steps."""
    counts, broken = Counter[str](), list[str]()
    with contextlib.closing(VirtualLoop()) as loop, _untidy():
        for number in range(first, after):
            try:
                counts += play(f"{seed}:{number}", loop).counts
            except Broken as wrong:
                broken.append(str(wrong))
            counts["nights"] += 1
    counts["broken"] = len(broken)
    return counts, broken


@contextlib.contextmanager
def _untidy() -> Iterator[None]:
    """Look for garbage seldom: a night leaves little behind, and looking takes a tenth of the time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def summary(counts: Counter[str], took_s: float) -> str:
    """Say what a campaign came to.

    >>> print(
    ...     summary(
    ...         Counter(
    ...             {
    ...                 "nights": 2,
    ...                 "escalations": 30,
    ...                 "crashes": 3,
    ...                 "pages": 60,
    ...                 "end resolved": 30,
    ...                 "extra pages": 3,
    ...                 "extra pages by crashes": 1,
    ...                 "said pass": 1,
    ...             }
    ...         ),
    ...         0.1,
    ...     )
    ... )
    30 escalations in 2 nights, in 0 s (300 a second)
      0 lost wake-ups, 0 rung after somebody had it, 0 ends unexplained
      3 extra pages in 60: 1 by 3 crashes, the others where a provider's answer was lost
      crashes 3, pages 60
      said: pass 1
      ends: resolved 30
    """
    total = counts["escalations"]
    by_crash = counts["extra pages by crashes"]
    rate = total / max(took_s, 1e-9)
    fine = "0 lost wake-ups, 0 rung after somebody had it, 0 ends unexplained"
    extra = f"{counts['extra pages']:,} extra pages in {counts['pages']:,}: {by_crash:,} by "
    extra += f"{counts['crashes']:,} crashes, the others where a provider's answer was lost"
    happened = ", ".join(f"{name} {counts[name]:,}" for name in _HAPPENED if counts[name])
    lines = [
        f"{total:,} escalations in {counts['nights']:,} nights, in {took_s:.0f} s ({rate:.0f} a second)",
        f"  {counts['broken']:,} NIGHTS WENT WRONG: see above" if counts["broken"] else f"  {fine}",
        f"  {extra}",
        f"  {happened}",
    ]
    for title, prefix in (("said", "said "), ("reported", "reported "), ("ends", "end ")):
        found = [(name.removeprefix(prefix), counts[name]) for name in counts if name.startswith(prefix)]
        if found:
            found.sort(key=lambda item: (-item[1], item[0]))
            lines.append(f"  {title}: " + ", ".join(f"{name} {number:,}" for name, number in found))
    return "\n".join(lines)


def prepare() -> None:
    """Set a process up for many nights."""
    # An engine that dies in the middle of things says so each time.
    logging.disable(logging.CRITICAL)


def main() -> int:
    """Run one campaign and print what it comes to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.wakeup_nights", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--count", type=int, default=20_000, help="escalations, at least (default 20000)")
    parser.add_argument("--seed", default=None, help="what to draw from (default: a new one, printed)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one a core)")
    parser.add_argument("--only", type=int, default=None, help="play this night alone and show what happened")
    arguments = parser.parse_args()
    seed = arguments.seed or str(random.SystemRandom().randrange(10**6))
    print(f"seed {seed}", flush=True)
    prepare()
    try:
        if arguments.only is not None:
            with contextlib.closing(VirtualLoop()) as loop:
                print("\n".join(play(f"{seed}:{arguments.only}", loop).story))
            return 0
        return _campaign(seed, arguments.count, arguments.jobs)
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1


def _campaign(seed: str, count: int, jobs: int) -> int:
    began_s, counts = time.monotonic(), Counter[str]()
    said_s = began_s
    nights = -(-count // EACH)
    for more, broken in in_chunks(chunk, prepare, seed=seed, count=nights, jobs=jobs, size=_CHUNK):
        counts += more
        for wrong in broken:
            print(wrong, file=sys.stderr, flush=True)
        if time.monotonic() - said_s >= _PROGRESS_S:
            said_s = time.monotonic()
            done = f"{counts['nights']:,} of {nights:,} nights, {counts['escalations']:,} escalations"
            print(f"{done}, {said_s - began_s:.0f} s", flush=True)
    print(summary(counts, time.monotonic() - began_s))
    return 1 if counts["broken"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
