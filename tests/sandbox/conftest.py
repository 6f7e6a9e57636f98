"""Each backend on this machine, as a fixture."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.machines import Machine, made

# Containers take half a second each, and the engine some seconds to start and stop.
DOCKER = pytest.param("docker", marks=[pytest.mark.slow, pytest.mark.xdist_group("docker")])


@pytest.fixture(params=[DOCKER, "bubblewrap"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """Every real sandbox in turn."""
    machine = made(request.param, tmp_path, request)
    yield machine
    machine.sandbox.close()


@pytest.fixture(params=[DOCKER, "bubblewrap", "none"])
def any_machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """Every backend in turn, the one without a sandbox too."""
    machine = made(request.param, tmp_path, request)
    yield machine
    machine.sandbox.close()
