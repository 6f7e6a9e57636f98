"""What the tests of the command line share: a place to work in, recordings, and one finished replay."""

from __future__ import annotations

import json

import pytest

from tests.cli.running import DEMO, here
from tests.determinism import histories
from tests.report.replays import another_policy


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in, with a data folder of its own."""
    for name in ("WATCHKEEPER_HOME", "FORCE_COLOR", "NO_COLOR", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A recording of many groups, with labels."""
    return histories.record(tmp_path_factory.mktemp("cli") / "made.wkr", known=histories.labels())


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A recording of the first few facts, whose results and journal are small."""
    return histories.record(tmp_path_factory.mktemp("tiny") / "tiny.wkr", histories.facts()[:40])


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """A policy that asks people more often."""
    changes = ("thresholds.yaml", "below_confidence: 0.7", "below_confidence: 0.96")
    return another_policy(tmp_path_factory.mktemp("policy") / "config", changes)


@pytest.fixture
def replayed(place):
    """The demo's recording, replayed here, and its summary."""
    assert here("replay", DEMO, "--score", "--json", "out.json").exit_code == 0
    return json.loads((place / "out.json").read_text())
