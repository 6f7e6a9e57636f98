"""A project whose four coding agents call our hook, as `watchkeeper hook install` leaves it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.facts import OutcomeReported, VerdictReached, decode
from tests.hooks.agents_at_work import AGENTS, READ, Ended, call, command_in, settings_of
from tests.patience import PATIENCE_S
from watchkeeper.cli import main


class Project:
    """A folder with its settings and its state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / ".watchkeeper"

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

    def facts(self, kind: type) -> list[Any]:
        """Facts of one kind in the journal."""
        with SqliteReader(self.home / "journal.db") as journal:
            found = [decode(record.body) for record in journal.read(after=0)]
        return [fact for fact in found if isinstance(fact, kind)]

    def verdicts(self) -> list[Any]:
        return [fact.verdict for fact in self.facts(VerdictReached)]

    def outcomes(self) -> list[Any]:
        return self.facts(OutcomeReported)

    def adapt(self, old: str, new: str, name: str = "hooks.yaml") -> None:
        """Change the configuration."""
        path = self.home / "config" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


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
