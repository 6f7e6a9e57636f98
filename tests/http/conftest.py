"""What the tests of the API share: the live engine on its socket, the API in front of it, and tokens."""

from __future__ import annotations

import pytest

from engine.adapters.token_file import TokenFile
from tests.http.placing import Place


@pytest.fixture
def place(tmp_path):
    """A state folder with tokens for everybody. Nothing runs yet."""
    tokens = TokenFile(tmp_path / "tokens.json")
    made = Place(tmp_path, tokens)
    for agent, patterns in (("coder-1", ("heal", "edit@*")), ("coder-2", ("*",))):
        made.token[agent] = tokens.create(kind="agent", name=agent, capabilities=patterns)[1]
    for person, role in (("vic", "viewer"), ("ray", "responder"), ("cat", "captain")):
        made.token[person] = tokens.create(kind="person", name=person, role=role)[1]
    yield made
    made.close()
