"""What the tests of the console share: a bridge that runs, and a browser."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.console.bridge import ARGUMENTS, CHROMIUM, Bridge


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    """Engine and front run."""
    made = Bridge(tmp_path)
    with made.up():
        yield made
    made.close()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium without a screen."""
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_browser() -> AsyncIterator[Browser]:
    """The same, for a whole module."""
    async with chromium() as found:
        yield found


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start it, or skip the test where it is not installed."""
    if not CHROMIUM.exists():
        if os.environ.get("WATCHKEEPER_CI"):
            pytest.fail(f"{CHROMIUM} is missing: .ci/run installs it")
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        await found.close()
