"""Atomic Red Team's commands: each is held for a person, whichever shell it is for."""

import pytest

from benchmarks.shell_risk import DATA, readers, rows
from tests.house.tree import ROOT

pytestmark = pytest.mark.unmeasured


def test_no_command_of_an_attacker_is_found_harmless(monkeypatch):
    monkeypatch.chdir(ROOT)
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not here: it comes with the project's shared data")
    attacks = [row["command"] for row in rows("atomic_red_team")]
    reader = readers()["as shipped"]
    assert len(attacks) > 600
    assert [text for text in attacks if reader.look(text).word not in {"unsure", "hit"}] == []
