"""Real servers of others, from npm and PyPI, behind the proxy: they work as before, and are governed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator

import mcp.types as types
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.fence.stopping import until
from tests.house.tree import ROOT
from tests.needs import need
from tests.patience import PATIENCE_S
from tests.tool_servers.conftest import Site, said, talking

pytestmark = [pytest.mark.long, pytest.mark.asyncio]

NODE = ROOT / ".frameworks" / "node" / "node_modules" / ".bin"
PYTHON = ROOT / ".frameworks" / "bin"
GIT = """
  git:
    capability: mcp-git@1
    deadline_s: 500
    wait_s: 0
    approval_s: 86400
    calls:
      - {tool: git_status, action: tool.plan, arguments: {input: '*'}}
      - {tool: git_log, action: tool.plan, arguments: {input: '*'}}
      - {tool: git_commit, action: tool.shell, arguments: {command: message}, confidence: 0.9}
    otherwise: {action: tool.mcp, arguments: {server: '@server', tool: '@name', input: '*'}, api_calls: 1}
  everything:
    capability: mcp-everything@1
    deadline_s: 500
    wait_s: 0
    approval_s: 86400
    calls:
      - {tool: 'trigger-*', action: tool.plan, arguments: {input: '*'}}
      - {tool: echo, action: tool.search, arguments: {text: message}}
      - {tool: get-sum, action: tool.plan, arguments: {input: '*'}}
      - {tool: get-tiny-image, action: tool.plan, arguments: {input: '*'}}
    otherwise: {action: tool.mcp, arguments: {server: '@server', tool: '@name', input: '*'}, api_calls: 1}
any_server:"""


def program(folder, name: str) -> str:
    """Give a server's program; without it the test is skipped."""
    found = folder / name
    need(found.exists(), f"{found} is missing: make frameworks")
    return str(found)


@contextlib.asynccontextmanager
async def behind(site: Site, server: str, *command: str, **options) -> AsyncIterator[Client]:
    entry = site.add(server, "--established", *command)
    async with talking(
        StdioServerParameters(command=entry["command"], args=entry["args"]), **options
    ) as client:
        yield client


async def test_files_are_read_and_written_where_policy_says_so(site, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("hello")
    (files / ".env").write_text("KEY=1")
    # The shipped lines for this server.
    (site.home / "config" / "mcp.yaml").write_bytes((ROOT / "config" / "mcp.yaml").read_bytes())
    server = program(NODE, "mcp-server-filesystem")
    async with behind(site, "filesystem", "--", server, str(files)) as client:
        names = {each.name for each in (await client.list_tools()).tools}
        read = await client.call_tool("read_text_file", {"path": str(files / "a.txt")})
        wrote = await client.call_tool("write_file", {"path": str(files / "b.txt"), "content": "new"})
        edited = await client.call_tool(
            "edit_file", {"path": str(files / "b.txt"), "edits": [{"oldText": "new", "newText": "newer"}]}
        )
        secret = await client.call_tool("write_file", {"path": str(files / ".env"), "content": "KEY=2"})
        moved = await client.call_tool(
            "move_file", {"source": str(files / "a.txt"), "destination": str(files / "c.txt")}
        )
        outside = await client.call_tool("read_text_file", {"path": "/etc/hostname"})
    assert {"read_text_file", "write_file", "move_file"} <= names
    assert [read.is_error, wrote.is_error, edited.is_error] == [False] * 3, said(wrote) + said(edited)
    assert said(read) == "hello"
    assert [secret.is_error, moved.is_error, outside.is_error] == [True] * 3
    assert (files / ".env").read_text() == "KEY=1"
    assert sorted(path.name for path in files.iterdir()) == [".env", "a.txt", "b.txt"]
    assert (files / "b.txt").read_text() == "newer"
    # What the server itself refused ran, and failed.
    assert [outcome.ok for outcome in site.outcomes()].count(True) == 3


async def test_git_is_asked_and_a_commit_with_a_bad_command_is_held(site, tmp_path):
    site.adapt("any_server:", GIT.lstrip("\n"))
    repository = tmp_path / "repository"
    who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    subprocess.run(["git", "init", "-q", repository], check=True)
    subprocess.run(
        ["git", "-C", repository, *who, "commit", "-q", "--allow-empty", "-m", "first"], check=True
    )
    async with behind(site, "git", "--", program(PYTHON, "mcp-server-git")) as client:
        log = await client.call_tool("git_log", {"repo_path": str(repository)})
        commit = await client.call_tool("git_commit", {"repo_path": str(repository), "message": "rm -rf /"})
    assert "first" in said(log)
    assert commit.is_error
    assert said(commit).startswith("Watchkeeper: ")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_clock_of_another_is_read_in_both_eras_of_the_protocol(site, mode):
    entry = site.add("time", "--established", "--", program(PYTHON, "mcp-server-time"))
    server = StdioServerParameters(command=entry["command"], args=entry["args"])
    async with talking(server, mode=mode) as client:
        held = await client.call_tool("get_current_time", {"timezone": "UTC"})
    assert "held as d_" in said(held), "nobody mapped it"


async def test_what_is_no_call_passes_both_ways(site):
    site.adapt("any_server:", GIT.lstrip("\n"))
    heard, asked = list[str](), list[str]()

    async def sample(_context, params) -> types.CreateMessageResult:
        asked.append(params.messages[0].content.text)
        content = types.TextContent(type="text", text="sampled")
        return types.CreateMessageResult(role="assistant", content=content, model="m", stop_reason="endTurn")

    async def progress(done: float, _of: float | None, _message: str | None) -> None:
        heard.append(str(done))

    server = program(NODE, "mcp-server-everything")
    async with behind(site, "everything", "--", server, mode="legacy", sampling_callback=sample) as client:
        resources = (await client.list_resources()).resources
        content = (await client.read_resource(str(resources[0].uri))).contents
        prompts = (await client.list_prompts()).prompts
        prompt = await client.get_prompt(prompts[0].name)
        echo = await client.call_tool("echo", {"message": "hello"})
        image = await client.call_tool("get-tiny-image", {})
        longer = await client.call_tool(
            "trigger-long-running-operation", {"duration": 1, "steps": 2}, progress_callback=progress
        )
        sampled = await client.call_tool("trigger-sampling-request", {"prompt": "think", "maxTokens": 10})
    assert content
    assert prompt.messages
    assert "hello" in said(echo)
    assert "image" in {each.type for each in image.content}
    assert not longer.is_error
    assert heard
    assert asked, said(sampled)
    assert "sampled" in said(sampled)


async def test_a_server_at_an_address_is_governed_as_well(site):
    site.adapt("any_server:", GIT.lstrip("\n"))
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port = made.getsockname()[1]
    server = subprocess.Popen(
        [program(NODE, "mcp-server-everything"), "streamableHttp"],
        env=os.environ | {"PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        assert until(listens, within_s=PATIENCE_S)
        async with behind(
            site, "everything", "--url", f"http://127.0.0.1:{port}/mcp", mode="legacy"
        ) as client:
            summed = await client.call_tool("get-sum", {"a": 2, "b": 3})
            held = await client.call_tool("get-env", {})
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE_S)
    assert "5" in said(summed)
    assert "held as d_" in said(held)
