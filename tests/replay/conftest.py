"""A recording that the tests of replay share, in a dozen groups."""

from __future__ import annotations

import pytest

from tests.determinism import histories
from tests.report.replays import another_policy


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """Every kind of fact, with labels."""
    return histories.record(tmp_path_factory.mktemp("replay") / "made.wkr", known=histories.labels())


@pytest.fixture
def other(tmp_path):
    """A configuration of one's own, with its policies; each test may change it."""
    change = ("thresholds.yaml", "below_confidence: 0.7", "below_confidence: 0.96")
    return another_policy(tmp_path / "config", change)
