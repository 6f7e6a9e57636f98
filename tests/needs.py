"""What a test needs of the machine. Missing, it is skipped with a reason; where it was promised, it fails."""

import os

import pytest


def need(there: object, why_not: str) -> None:
    """Go on if something is there. Otherwise skip, or fail where `WATCHKEEPER_CI=1` promises that it is."""
    if there:
        return
    if os.environ.get("WATCHKEEPER_CI") == "1":
        pytest.fail(f"this machine should have it: {why_not}")
    pytest.skip(why_not)
