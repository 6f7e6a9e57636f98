"""The guide for MCP, run as it stands on a fresh folder, with the real server it names."""

import getpass
import re
import sys
from pathlib import Path

import pytest

from tests.needs import need
from tests.tool_servers.test_servers_of_others import NODE, program
from tests.tutorial.transcripts import commands_of, shell

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "mcp.md"
pytestmark = pytest.mark.long


def _same(text: str, folder: Path, person: str) -> str:
    text = text.replace(str(folder / "shop"), "SHOP")
    text = re.sub(rf"\b{re.escape(person)}(?= is captain| stopped)", "PERSON", text)
    text = re.sub(r"at \d{4}-\S+Z", "at TIME", text)
    text = re.sub(r"the token (?!in)\w+ in", "the token ID in", text)
    return re.sub(r"\bd_[0-9a-f]*", "d_", text)


def test_every_command_of_the_guide_prints_what_the_page_shows(tmp_path):
    need(Path("/bin/bash").exists(), "bash is not installed")
    program(NODE, "mcp-server-filesystem")
    wrong = []
    with shell(tmp_path) as terminal:
        terminal.run(f"export PATH={Path(sys.executable).parent}:{NODE}:$PATH")
        (agent,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "agent.py").write_text(agent)
        for command, shown in commands_of(PAGE):
            said = terminal.run(command)
            if _same(said, tmp_path, getpass.getuser()) != _same(shown, tmp_path, "ann"):
                wrong.append(f"$ {command}\n{said}instead of\n{shown}")
    assert not wrong, "\n".join(wrong)
