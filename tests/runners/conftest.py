"""A workspace and an undo log for each test, and what some need beside them."""

import pytest

from tests.runners.effects import Bench
from tests.runners.http_server import http_server
from tests.runners.repositories import Repo


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
