"""Campaigns of seeds: many small worlds in several processes, a chunk at a time."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Protocol

Came = tuple[Counter[str], list[str]]
"""What a chunk came to: what happened how often, and what went wrong with all its steps."""


class Chunk(Protocol):
    """Plays the worlds of a seed from one number up to another."""

    def __call__(self, seed: str, first: int, after: int) -> Came:
        """Play them."""


def in_chunks(
    play: Chunk, prepare: Callable[[], None], *, seed: str, count: int, jobs: int, size: int
) -> Iterator[Came]:
    """Play so many in so many processes, and give what each chunk came to as it is done."""
    starts = iter(range(0, count, size))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=prepare) as pool:
        under_way: set[Future[Came]] = set()
        try:
            while True:
                for first in starts:
                    under_way.add(pool.submit(play, seed, first, min(first + size, count)))
                    if len(under_way) >= 2 * jobs:
                        break
                if not under_way:
                    return
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
