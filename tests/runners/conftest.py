"""The surroundings of runners: a workshop in each sandbox for programs, a bench for everything else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runners.effects import Bench
from tests.runners.http_server import http_server
from tests.runners.programs import Workshop, workshop
from tests.runners.repositories import Repo

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


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def full(bench):
    """A workspace with a text, a binary file with a mode of its own, and a link."""
    (bench.workspace / "a.txt").write_text("one\nmore\n")
    (bench.workspace / "sub").mkdir()
    (bench.workspace / "sub/b.bin").write_bytes(bytes(range(256)))
    (bench.workspace / "sub/b.bin").chmod(0o751)
    (bench.workspace / "link").symlink_to("a.txt")
    return bench


@pytest.fixture
def repo(bench):
    return Repo(bench)


@pytest.fixture
def server():
    with http_server() as running:
        yield running
