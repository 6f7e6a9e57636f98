"""One edited copy of the shipped policy for each test."""

import pytest

from tests.settings.policy_folder import PolicyFolder


@pytest.fixture
def folder(tmp_path) -> PolicyFolder:
    """The shipped policy, copied, to be edited."""
    return PolicyFolder(tmp_path)
