"""What tests of notifiers share with those of the API: a state folder on which the real engine runs."""

from __future__ import annotations

import pytest

from engine.adapters.token_file import TokenFile
from tests.http.placing import Place


@pytest.fixture
def place(tmp_path):
    """A state folder. Nothing runs yet."""
    made = Place(tmp_path, TokenFile(tmp_path / "tokens.json"))
    yield made
    made.close()
