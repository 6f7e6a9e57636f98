"""A state folder for each test."""

import pytest

from engine.adapters.fence_files import FileFence


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def fence(home):
    return FileFence(home / "stops")
