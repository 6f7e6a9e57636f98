"""Run the study.

    make study             20,000 canaries in every case; writes the page, its charts and its figures
    make study QUICK=1     200 in every case, less than a minute; writes nothing

    python -m benchmarks.study [--quick] [--seed N] [--workers N] [--only KIND ...] [--out FOLDER] [--redraw]

The same seed gives the same figures, however many processes share the work.
"""

import argparse
import json
import platform
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.study import page
from benchmarks.study.answers import Arrays, block, told
from benchmarks.study.cases import Case, cases

SEED = 20_261_126
COUNT, TWICE, ROLLOUTS = 20_000, 90, 75
"""Canaries in a case; in each world of `exact`; in each world of `machine`."""


def study(asked: list[Case], root: int, workers: int) -> list[dict[str, Any]]:
    """Answer every case, and say when each is done."""
    began = time.monotonic()
    parts: dict[str, dict[int, Arrays]] = {case.name: {} for case in asked}
    found: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor(workers) as pool:
        waiting: dict[Future[Arrays], tuple[Case, int, int]] = {}
        for case in asked:
            blocks = case.blocks(root)
            for number, (size, seed) in enumerate(blocks):
                waiting[pool.submit(block, case, size, seed)] = case, number, len(blocks)
        for done in as_completed(waiting):
            case, number, of = waiting.pop(done)
            parts[case.name][number] = done.result()
            if len(parts[case.name]) == of:
                blocks_found = parts.pop(case.name)
                found[case.name] = told(case, [blocks_found[each] for each in range(of)], root)
                print(
                    f"{time.monotonic() - began:6.0f} s  {len(found):3} of {len(asked)}  {case.name}",
                    flush=True,
                )
    return [found[case.name] for case in asked]


def main() -> int:
    """Answer, print, and write the page; fail when the arrays and the product differ."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a hundredth of the canaries; writes nothing")
    parser.add_argument("--seed", type=int, default=SEED, help="another study of the same worlds")
    parser.add_argument("--workers", type=int, default=2, help="processes that share the work")
    parser.add_argument(
        "--only", nargs="+", metavar="KIND", help="cases of these kinds alone; writes nothing"
    )
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder with why/ and images/")
    parser.add_argument(
        "--redraw", action="store_true", help="only write page and charts anew, from the figures"
    )
    chosen = parser.parse_args()
    if chosen.redraw:
        page.write(chosen.out, json.loads((chosen.out / page.FIGURES).read_text()))
        return 0
    asked = cases(COUNT // 100, 2, 1) if chosen.quick else cases(COUNT, TWICE, ROLLOUTS)
    asked = [case for case in asked if not chosen.only or case.kind in chosen.only]
    began = time.monotonic()
    found = study(asked, chosen.seed, chosen.workers)
    figures = {
        "command": "make study",
        "seed": chosen.seed,
        "minutes": round((time.monotonic() - began) / 60),
        "workers": chosen.workers,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cases": found,
    }
    print("\n\n".join(page.tables(figures).values()))
    if not chosen.quick and not chosen.only:
        page.write(chosen.out, figures)
        print(f"\nwritten: {chosen.out / 'why' / 'earned-authority.md'}")
    same = all(case["complete"] for case in found if "complete" in case)
    if not same:
        print("error: what was judged in arrays is not what the product judges; see `exact` and `machine`")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
