"""axe-core, the judge of accessibility: from npm, once, and checked against its hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page

VERSION: Final = "4.14.1"
SHA256: Final = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
GRAVE: Final = frozenset({"serious", "critical"})


def axe_source(cache: Path) -> str:
    """Return the script; skip the test where npm or its registry is not there."""
    kept = cache / f"axe-{VERSION}.min.js"
    if not kept.exists():
        fetched = _fetched(cache)
        if fetched is None:
            if os.environ.get("WATCHKEEPER_CI"):
                pytest.fail("axe-core could not be fetched with npm")
            pytest.skip("axe-core is not here, and npm could not fetch it")
        shutil.copy(fetched, kept)
    source = kept.read_bytes()
    assert hashlib.sha256(source).hexdigest() == SHA256, f"{kept} is another axe-core than the one we know"
    return source.decode()


def _fetched(cache: Path) -> Path | None:
    npm = shutil.which("npm")
    if npm is None:
        return None
    folder = cache / "node"
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
    done = subprocess.run([*command, f"axe-core@{VERSION}"], capture_output=True, timeout=300, check=False)
    found = folder / "node_modules" / "axe-core" / "axe.min.js"
    return found if done.returncode == 0 and found.exists() else None


async def findings(page: Page, source: str) -> list[str]:
    """Return what axe finds wrong with a page, and how bad it is."""
    await page.evaluate(source)
    result: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['impact']}: {each['id']}: {node['html'][:200]}: {node['failureSummary'][:300]}"
        for each in result["violations"]
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
