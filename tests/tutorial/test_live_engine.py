"""The tutorial of the live engine, run as it stands on a fresh folder."""

import getpass
from pathlib import Path

import pytest

from tests.needs import need
from tests.tutorial.transcripts import commands_of, on_any_port, same, shell

pytestmark = pytest.mark.unmeasured

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "live-engine.md"


@pytest.mark.slow
def test_every_command_of_the_tutorial_prints_what_the_page_shows(tmp_path):
    need(Path("/bin/bash").exists(), "bash is not installed")
    wrong = []
    with shell(tmp_path) as terminal:
        for command, shown in commands_of(PAGE):
            said = terminal.run(command)
            if command == "watchkeeper policy init":
                on_any_port(tmp_path / "bridge" / ".watchkeeper")
            if same(said, person=getpass.getuser()) != same(shown, person="ann"):
                wrong.append(f"$ {command}\n{said}instead of\n{shown}")
    assert not wrong, "\n".join(wrong)


def test_the_page_has_commands_to_run():
    assert len(commands_of(PAGE)) > 12


def test_a_wrong_output_is_found():
    assert same("d_1  allow, done\n", person="ann") != same("d_1  deny, denied\n", person="ann")
    assert same("after 3 ms, ann stopped", person="ann") == same("after 40 ms, bob stopped", person="bob")
