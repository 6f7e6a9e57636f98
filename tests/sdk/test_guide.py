"""The guide of the SDK, run word for word on a fresh folder."""

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from tests.needs import need
from tests.tutorial.transcripts import on_any_port, same, shell

pytestmark = pytest.mark.unmeasured
PAGE = ROOT / "docs" / "howto" / "sdk.md"


def commands() -> list[tuple[str, str]]:
    """Each command with what it prints; lines after `>` belong to the command, as in a shell."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif line.startswith(">"):
                found[-1] = (found[-1][0] + "\n" + line[2:], "")
            else:
                found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


@pytest.mark.slow
def test_every_command_of_the_guide_prints_what_the_page_shows(tmp_path):
    need(Path("/bin/bash").exists(), "bash is not installed")
    wrong = []
    with shell(tmp_path) as terminal:
        for command, shown in commands():
            program = re.fullmatch(r"cat > (\S+) <<'PY'\n(.*)\nPY", command, re.DOTALL)
            if program:
                # The shell of the tests reads a line at a time.
                (tmp_path / "desk" / program[1]).write_text(program[2] + "\n")
                continue
            said = terminal.run(command)
            if command == "watchkeeper policy init":
                on_any_port(tmp_path / "desk" / ".watchkeeper")
            if same(said, person="ann") != same(shown, person="ann"):
                wrong.append(f"$ {command}\n{said}instead of\n{shown}")
    assert not wrong, "\n".join(wrong)


def test_the_guide_has_commands_to_run_and_programs_that_compile():
    assert len(commands()) > 10
    for program in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        compile(program, str(PAGE), "exec")
