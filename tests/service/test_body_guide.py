"""The guide to bodies, run word for word on a fresh folder."""

import pytest

from tests.house.tree import ROOT
from tests.tutorial.transcripts import commands_of, on_any_port, same, shell

pytestmark = pytest.mark.long
PAGE = ROOT / "docs" / "howto" / "body.md"


def test_every_command_of_the_guide_prints_what_the_page_shows(tmp_path):
    wrong = []
    commands = commands_of(PAGE)
    assert len(commands) > 15
    with shell(tmp_path) as terminal:
        for command, shown in commands:
            said = terminal.run(command)
            if command == "watchkeeper policy init":
                on_any_port(tmp_path / "desk" / ".watchkeeper")
            if same(said, person="ann") != same(shown, person="ann"):
                wrong.append(f"$ {command}\n{said}instead of\n{shown}")
    assert not wrong, "\n".join(wrong)
