"""Replaying a whole history once for all tests, also where several processes run them."""

from __future__ import annotations

import csv
import fcntl
import gzip
import json
import lzma
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.cli.running import PROGRAM, environment, hashes


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One replay: the folder with what it wrote, and what it printed."""

    folder: Path
    printed: str

    @property
    def summary(self) -> dict[str, Any]:
        """The summary as JSON."""
        return json.loads((self.folder / "out.json").read_text())

    @property
    def hashes(self) -> list[str]:
        """Journal and state hash."""
        return hashes(self.printed)

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Ask the results."""
        with closing(sqlite3.connect(self.folder / "r.sqlite")) as connection:
            return connection.execute(question).fetchall()


def replay(folder: Path, source: str, *words: str) -> Outcome:
    """Run the installed program in a folder, with a data folder within."""
    folder.mkdir(exist_ok=True)
    # Every line of this is covered by smaller tests; measuring it here would take three times as long.
    plain = {name: value for name, value in environment().items() if not name.startswith("COV")}
    done = subprocess.run(
        [*PROGRAM, "replay", source, *words, "--json", "out.json", "--results", "r.sqlite"],
        cwd=folder,
        env=plain | {"WATCHKEEPER_HOME": str(folder.parent / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Outcome(folder=folder, printed=done.stdout)


def once(factory: Any, source: str, *words: str) -> Outcome:
    """Replay, unless another worker of this test run has done so already."""
    base = factory.getbasetemp()
    # Workers of pytest-xdist have folders of their own in a common one.
    common = base.parent if base.name.startswith("popen-") else base
    folder = common / f"whole-{sha256(repr((source, words)).encode()).hexdigest()[:12]}"
    with (common / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        printed = folder / "printed.txt"
        if not printed.exists():
            printed.write_text(replay(folder, source, *words).printed)
    return Outcome(folder=folder, printed=printed.read_text())


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    """Read a compressed table, with nothing of ours."""
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def runs_of(path: Path) -> Iterator[dict[str, Any]]:
    """Read compressed JSON lines, with nothing of ours."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
