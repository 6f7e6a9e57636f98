"""Whether a service answers: its front listens before its engine does."""

import contextlib
from pathlib import Path

import httpx

from bot.http_api.address import read_address
from engine.runtime.layout import Layout


def answers(home: Path) -> bool:
    """Whether front and engine of a state folder's service answer."""
    with contextlib.suppress(httpx.HTTPError):
        address = read_address(Layout(home).address)
        if address is not None:
            return httpx.get(f"{address.url}/v1/health", trust_env=False, timeout=10).status_code == 200
    return False
