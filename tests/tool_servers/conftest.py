"""A state folder whose agents reach MCP servers by the proxy, and clients made with the official SDK."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.facts import OutcomeReported, VerdictReached, decode
from engine.runtime.layout import Layout
from engine.runtime.processes import read_processes
from tests.fence.stopping import until
from tests.health import answers
from tests.patience import PATIENCE_S
from watchkeeper.cli import main

ODD = Path(__file__).with_name("odd_server.py")
TABLE = """
servers:
  odd:
    capability: mcp-odd@1
    deadline_s: 500
    wait_s: 0
    approval_s: 86400
    calls:
      - {tool: read_it, action: tool.read, arguments: {path: path}}
      - {tool: do_it, action: tool.plan, arguments: {input: '*'}}
    otherwise: {action: tool.mcp, arguments: {server: '@server', tool: '@name', input: '*'}, api_calls: 1}
any_server:
  capability: mcp@1
  deadline_s: 500
  wait_s: 0
  approval_s: 86400
  calls: []
  otherwise: {action: tool.mcp, arguments: {server: '@server', tool: '@name', input: '*'}, api_calls: 1}
"""


class Site:
    """A folder with its state folder, and what its journal says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / ".watchkeeper"
        self.record = folder / "record.jsonl"

    def cli(self, *words: str, ok: bool = True) -> Any:
        """Run one of our commands there."""
        told = CliRunner().invoke(main, list(words), env={"WATCHKEEPER_HOME": str(self.home)})
        assert (told.exit_code == 0) == ok, told.output
        return told

    def add(self, server: str, *words: str) -> dict[str, Any]:
        """Add a server; return what an agent's settings need."""
        told = self.cli("mcp", "add", server, *words)
        found: dict[str, Any] = json.loads(told.stdout)["mcpServers"][server]
        return found

    def odd(self, how: str = "") -> StdioServerParameters:
        """Our own odd server, behind the proxy."""
        behind = [sys.executable, str(ODD), str(self.record), *([how] if how else [])]
        entry = self.add("odd", "--established", "--", *behind)
        return StdioServerParameters(command=entry["command"], args=entry["args"])

    def got(self, method: str = "tools/call") -> list[dict[str, Any]]:
        """What reached the odd server."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [asked for line in lines if (asked := json.loads(line)).get("method") == method]

    def facts(self, kind: type) -> list[Any]:
        """Facts of one kind in the journal."""
        with SqliteReader(self.home / "journal.db") as journal:
            found = [decode(record.body) for record in journal.read(after=0)]
        return [fact for fact in found if isinstance(fact, kind)]

    def verdicts(self) -> list[Any]:
        return [fact.verdict for fact in self.facts(VerdictReached)]

    def outcomes(self) -> list[Any]:
        return self.facts(OutcomeReported)

    def adapt(self, old: str, new: str, name: str = "mcp.yaml") -> None:
        """Change the configuration."""
        path = self.home / "config" / name
        text = path.read_text()
        assert old in text, text
        path.write_text(text.replace(old, new))

    def signal(self, number: int, *names: str) -> None:
        """Send a signal to the service's processes: to these, or to all."""
        noted = read_processes(Layout(self.home))
        assert noted is not None
        for process in noted.processes:
            if process.pid is not None and (not names or process.name in names):
                os.kill(process.pid, number)

    @contextlib.contextmanager
    def up(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the service until the block ends."""
        self.adapt("port: 8765", "port: 0", "watchkeeper.yaml")
        with (self.folder / "service.txt").open("wb") as output:
            service = subprocess.Popen(
                [str(Path(sys.executable).with_name("watchkeeper")), "up"],
                env=os.environ | {"WATCHKEEPER_HOME": str(self.home)},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            assert until(lambda: answers(self.home) or service.poll() is not None, within_s=PATIENCE_S)
            assert service.poll() is None, (self.folder / "service.txt").read_text()
            yield service
        finally:
            with contextlib.suppress(ProcessLookupError):
                service.send_signal(signal.SIGTERM)
            service.wait(PATIENCE_S)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of its own, with a server in it."""
    site = Site(tmp_path_factory.mktemp("mcp") / "site")
    site.folder.mkdir()
    site.add("other", "--established", "--", "true")
    (site.home / "config" / "mcp.yaml").write_text(TABLE)
    site.odd()
    return site.folder


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Site:
    """A copy of it, with nothing decided yet."""
    shutil.copytree(made, tmp_path / "site")
    return Site(tmp_path / "site")


@contextlib.asynccontextmanager
async def talking(server: StdioServerParameters, **options: Any) -> AsyncIterator[Client]:
    """A client that listed the tools, as agents do first."""
    async with Client(server, read_timeout_seconds=PATIENCE_S, **options) as client:
        await client.list_tools()
        yield client


def said(result: Any) -> str:
    """What the model reads."""
    return " ".join(getattr(each, "text", "") for each in result.content)
