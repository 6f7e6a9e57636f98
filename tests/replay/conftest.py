"""A recording that the tests of replay share, in a dozen groups."""

from __future__ import annotations

import pytest

from tests.determinism import histories


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """Every kind of fact, with labels."""
    return histories.record(tmp_path_factory.mktemp("replay") / "made.wkr", known=histories.labels())
