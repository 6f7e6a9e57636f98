"""The guide for coding agents, run as it stands on a fresh folder."""

import getpass
import re
from pathlib import Path

import pytest

from tests.needs import need
from tests.tutorial.transcripts import commands_of, shell

pytestmark = pytest.mark.unmeasured

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "coding-agents.md"


def _same(text: str, folder: Path, person: str) -> str:
    text = text.replace(str(folder / "shop"), "SHOP")
    text = re.sub(rf"\b{re.escape(person)}(?= is captain)", "PERSON", text)
    text = re.sub(r"the token (?!in)\w+ in", "the token ID in", text)
    return re.sub(r"\bd_[0-9a-f]*", "d_", text)


@pytest.mark.slow
def test_every_command_of_the_guide_prints_what_the_page_shows(tmp_path):
    need(Path("/bin/bash").exists(), "bash is not installed")
    wrong = []
    with shell(tmp_path) as terminal:
        for command, shown in commands_of(PAGE):
            said = terminal.run(command)
            if _same(said, tmp_path, getpass.getuser()) != _same(shown, tmp_path, "ann"):
                wrong.append(f"$ {command}\n{said}instead of\n{shown}")
    assert not wrong, "\n".join(wrong)


def test_each_agent_has_its_section():
    said = PAGE.read_text()
    for name, agent in {
        "Claude Code": "claude",
        "Codex": "codex",
        "Cursor": "cursor",
        "Gemini CLI": "gemini",
    }.items():
        _, _, section = said.partition(f"\n## {name}\n")
        assert f"$ watchkeeper hook install {agent} " in section.partition("\n## ")[0]
