"""A state folder whose agents reach MCP servers by the proxy, and clients made with the official SDK."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from engine.runtime.layout import Layout
from engine.runtime.processes import read_processes
from tests.patience import PATIENCE_S
from tests.workplaces import Workplace
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


class Site(Workplace):
    """A folder with its state folder, and what its journal says."""

    own_file = "mcp.yaml"

    @property
    def record(self) -> Path:
        """What reached the odd server, line by line."""
        return self.folder / "record.jsonl"

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

    def signal(self, number: int, *names: str) -> None:
        """Send a signal to the service's processes: to these, or to all."""
        noted = read_processes(Layout(self.home))
        assert noted is not None
        for process in noted.processes:
            if process.pid is not None and (not names or process.name in names):
                os.kill(process.pid, number)


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
