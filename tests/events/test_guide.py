"""The guide for events, run as it stands on a fresh folder."""

import re
from pathlib import Path

import pytest

from tests.needs import need
from tests.tutorial.transcripts import commands_of, shell

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "events.md"
pytestmark = pytest.mark.long


def test_every_command_of_the_guide_prints_what_the_page_shows(tmp_path):
    need(Path("/bin/bash").exists(), "bash is not installed")
    need(Path("/usr/bin/openssl").exists(), "openssl is not installed")
    first, second = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    wrong = []
    with shell(tmp_path) as terminal:
        terminal.run(f"export WATCHKEEPER_HOME={tmp_path}/home; watchkeeper policy init")
        config = tmp_path / "home" / "config" / "events.yaml"
        config.write_text(first.replace("queries: {}\n", second))
        listed = terminal.run("watchkeeper events list")
        assert "errors" in listed, listed
        config.write_text(first)
        for command, shown in commands_of(PAGE):
            said = terminal.run(command)
            if said != shown:
                wrong.append(f"$ {command}\n{said}instead of\n{shown}")
    assert not wrong, "\n".join(wrong)


def test_the_page_has_the_whole_rule():
    assert PAGE.read_text().count("```yaml") == 2
