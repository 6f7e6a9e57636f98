"""The guide for coding agents, run as it stands on a fresh folder."""

import contextlib
import getpass
import re
from pathlib import Path

import pytest

from tests.hooks.models import Model, heard
from tests.hooks.real_agents import REAL, put_on_path
from tests.hooks.test_real_agents import shell as shell_use
from tests.needs import need
from tests.tutorial.transcripts import commands_of, shell

pytestmark = pytest.mark.unmeasured

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "coding-agents.md"


def _same(text: str, folder: Path, person: str) -> str:
    text = text.replace(str(folder / "shop"), "SHOP")
    text = re.sub(rf"\b{re.escape(person)}(?= is captain)", "PERSON", text)
    text = re.sub(r"the token (?!in)\w+ in", "the token ID in", text)
    return re.sub(r"\bd_[0-9a-f]*", "d_", text)


def _wrong(terminal, folder, commands):
    wrong = []
    for command, shown in commands:
        said = terminal.run(command)
        if _same(said, folder, getpass.getuser()) != _same(shown, folder, "ann"):
            wrong.append(f"$ {command}\n{said}instead of\n{shown}")
    return "\n".join(wrong)


def _by_agent(command):
    """Whether an agent itself is started."""
    return command.split()[0] in REAL


@pytest.mark.slow
def test_every_command_of_the_guide_prints_what_the_page_shows(tmp_path):
    need(Path("/bin/bash").exists(), "bash is not installed")
    with shell(tmp_path) as terminal:
        commands = [each for each in commands_of(PAGE) if not _by_agent(each[0])]
        assert not (wrong := _wrong(terminal, tmp_path, commands)), wrong


@pytest.mark.slow
def test_with_the_agents_themselves_it_prints_that_too(tmp_path):
    """Their model is told to repeat what it hears; everything else is theirs. Cursor cannot be had."""
    commands = commands_of(PAGE)
    assert {command.split()[0] for command, _ in commands if _by_agent(command)} == {*REAL}
    bin_, project = tmp_path / "bin", tmp_path / "shop"
    bin_.mkdir()
    with contextlib.ExitStack() as models, shell(tmp_path) as terminal:
        for agent in REAL:
            model = models.enter_context(Model([[shell_use(agent, "rm -rf ~")], heard]))
            put_on_path(agent, bin_, project, model, tmp_path / f"home-{agent}")
        terminal.run(f"PATH={bin_}:$PATH")
        assert not (wrong := _wrong(terminal, tmp_path, commands)), wrong


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
