"""Run the study: `make study`, or `make study QUICK=1` for a small one that writes nothing."""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.study.cases import cases, run
from benchmarks.study.page import tables, write

SEED = 20_261_126
COUNT, PEER_COUNT = 20_000, 2_000


def main() -> None:
    """Answer every case, print the tables, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the canaries; writes nothing")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder with why/ and images/")
    chosen = parser.parse_args()
    smaller = 100 if chosen.quick else 1
    asked = cases(COUNT // smaller, PEER_COUNT // smaller)
    seeds = np.random.SeedSequence(chosen.seed).spawn(len(asked))
    began = time.monotonic()
    found: list[Any] = [None] * len(asked)
    with ProcessPoolExecutor(chosen.workers) as pool:
        # The longest come last in the list, and first out of the hat.
        order = reversed(range(len(asked)))
        waiting = {pool.submit(run, asked[number], seeds[number]): number for number in order}
        for done in as_completed(waiting):
            number = waiting[done]
            found[number] = done.result()
            print(f"{time.monotonic() - began:6.0f} s  {asked[number].name}", flush=True)
    told = {"seed": chosen.seed, "minutes": (time.monotonic() - began) / 60, "cases": found}
    print(tables(told))
    if not chosen.quick:
        write(chosen.out, told)
        (chosen.out / "why" / "earned-authority.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
