"""What the gate's tests share: one recording, and what its plain replay comes to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.determinism import gate, histories
from tests.house.tree import ROOT
from tests.patience import PATIENCE_S


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """Every kind of fact, in a dozen groups, with labels."""
    return histories.record(tmp_path_factory.mktemp("gate") / "made.wkr", known=histories.labels())


@pytest.fixture(scope="session")
def plain(recording):
    """The print of a replay in one go, in one process."""
    return gate.prints(recording, ["1 shard"])["1 shard"]


@pytest.fixture(scope="session")
def run_gate():
    """Run the gate in a process of its own, with this Python unless another is given."""

    def run(
        *words: object, python: Path | str = sys.executable, **more: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"} | more
        return subprocess.run(
            [str(python), "-m", "tests.determinism.gate", *map(str, words)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    return run
