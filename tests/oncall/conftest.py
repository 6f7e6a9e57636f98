"""A configuration folder for each test that asks for one."""

import pytest

from tests.oncall.waking_folder import WakingFolder


@pytest.fixture
def folder(tmp_path) -> WakingFolder:
    """People, schedules and ladders that work."""
    return WakingFolder(tmp_path)
