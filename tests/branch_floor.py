"""Hold the measured branch coverage against its floors: `python -m tests.branch_floor CORE REST`.

`coverage report` mixes lines and branches into one figure, which flatters the branches. Our promise is
about branches alone, for the decision core and for everything else, so they are counted here.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import coverage

CORE = "engine/core/"


def branch_counts(report: dict[str, dict[str, dict[str, int]]], *, core: bool) -> tuple[int, int]:
    """Return (covered, all) branches of the core's files, or of all the others.

    >>> files = {"engine/core/a.py": {"summary": {"covered_branches": 3, "num_branches": 4}}}
    >>> branch_counts(files, core=True), branch_counts(files, core=False)
    ((3, 4), (0, 0))
    """
    summaries = [entry["summary"] for path, entry in report.items() if path.startswith(CORE) is core]
    return sum(s["covered_branches"] for s in summaries), sum(s["num_branches"] for s in summaries)


def main(core_floor: float, rest_floor: float) -> int:
    """Print both figures; return 1 when one is under its floor."""
    measured = coverage.Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(out))
        files = json.loads(out.read_text())["files"]
    status = 0
    for name, floor, core in (("engine/core", core_floor, True), ("the rest", rest_floor, False)):
        covered, total = branch_counts(files, core=core)
        percent = 100.0 * covered / total if total else 100.0
        fits = percent >= floor
        print(f"branches of {name}: {covered} of {total}, {percent:.1f} % (floor {floor:g} %)")
        if not fits:
            print(f"error: branch coverage of {name} is under its floor; the reports above name the lines")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), float(sys.argv[2])))
