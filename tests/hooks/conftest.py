"""A project whose four coding agents call our hook, as `watchkeeper hook install` leaves it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.hooks.agents_at_work import AGENTS, READ, Ended, call, command_in, settings_of
from tests.patience import PATIENCE_S
from tests.workplaces import Workplace
from watchkeeper.cli import main


class Project(Workplace):
    """A folder with its settings and its state folder."""

    own_file = "hooks.yaml"

    def cli(self, *words: str) -> str:
        """Run one of our commands there."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            told = CliRunner().invoke(main, list(words), env={"WATCHKEEPER_HOME": str(self.home)})
        finally:
            os.chdir(before)
        assert told.exit_code == 0, told.output
        return told.output

    def ask(self, agent: str, said: Any, *, after: bool = False) -> Ended:
        """Have an agent call its hook."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return call(command_in(settings_of(agent, self.folder), agent, after=after)[0], body, PATIENCE_S)

    def reads(self, agent: str, said: Any) -> str:
        """What an agent does then: runs, blocked, asks or deferred."""
        event = said.get("hook_event_name") if isinstance(said, dict) else None
        return READ[agent](self.ask(agent, said), *[event] * bool(event))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four, established and installed, with what is kept of the configuration warm."""
    project = Project(tmp_path_factory.mktemp("agents") / "project")
    project.folder.mkdir()
    for agent in AGENTS:
        project.cli("hook", "install", agent, "--yes", "--established")
    # A busy machine is no reason to block here.
    project.adapt("deadline_s: 25", "deadline_s: 585")
    project.ask("claude", b"{}")
    return project.folder


@pytest.fixture
def project(installed: Path, tmp_path: Path) -> Project:
    """A copy of it, with nothing decided yet."""
    folder = tmp_path / "project"
    shutil.copytree(installed, folder)
    for agent in AGENTS:
        path = settings_of(agent, folder)
        path.write_text(
            path.read_text().replace(str(installed), str(folder)).replace("-k 1 27 ", "-k 1 590 ")
        )
    return Project(folder)
