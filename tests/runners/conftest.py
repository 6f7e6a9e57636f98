"""A workspace and an undo log for each test."""

import pytest

from tests.runners.effects import Bench


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)
