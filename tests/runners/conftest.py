"""The surroundings of a program runner, in each sandbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runners.programs import Workshop, workshop

DOCKER = pytest.param("docker", marks=[pytest.mark.slow, pytest.mark.xdist_group("docker")])


@pytest.fixture(params=[DOCKER, "bubblewrap", "none"])
def everywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    """A workshop in each sandbox in turn, and in none."""
    made = workshop(request.param, tmp_path, request)
    yield made
    made.sandboxes.close()


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    """A workshop in bubblewrap."""
    made = workshop("bubblewrap", tmp_path, request)
    yield made
    made.sandboxes.close()
