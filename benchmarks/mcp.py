"""What the proxy adds to a call of an MCP server's tool: a direct call and a governed one, in turn.

    python -m benchmarks.mcp [--calls N]

The server is the one of the tests, which answers at once, so the direct call is the floor. The engine decides
in the proxy's own process (no service), with a journal synced to disk.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mcp import Client
from mcp.client.stdio import StdioServerParameters

PROGRAM = Path(sys.executable).with_name("watchkeeper")
SERVER = Path("tests/tool_servers/odd_server.py").resolve()
TABLE = """
  odd:
    capability: mcp-odd@1
    deadline_s: 25
    wait_s: 0
    approval_s: 60
    calls: [{tool: read_it, action: tool.read, arguments: {path: path}}]
    otherwise: {action: tool.mcp, arguments: {server: '@server', tool: '@name', input: '*'}}
any_server:"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), asked.calls))


async def measure(folder: Path, calls: int) -> None:
    """Call in turn, each way."""
    behind = [sys.executable, str(SERVER), str(folder / "record")]
    direct = StdioServerParameters(command=behind[0], args=behind[1:])
    entry = add(folder, behind)
    proxied = StdioServerParameters(command=entry["command"], args=entry["args"])
    times: dict[str, list[float]] = {"direct": [], "proxied": []}
    async with Client(direct) as one, Client(proxied) as other:
        for client in (one, other):
            await client.list_tools()
        for nth in range(calls):
            for name, client in (("direct", one), ("proxied", other)):
                began = time.perf_counter()
                answer = await client.call_tool("read_it", {"path": f"{nth}.txt"})
                times[name].append((time.perf_counter() - began) * 1e3)
                assert not answer.is_error, answer
    for name, found in times.items():
        found.sort()
        median = statistics.median(found)
        print(f"{name:8} p50 {median:6.1f} ms, p95 {found[len(found) * 95 // 100]:6.1f} ms, {calls} calls")
    ratio = statistics.median(times["proxied"]) / statistics.median(times["direct"])
    print(f"a governed call takes {ratio:.1f} times a direct one, at the median")


def add(folder: Path, behind: list[str]) -> dict[str, list[str]]:
    """Put a server behind the proxy, as people do; return what an agent's settings need."""
    home = folder / "home"
    environment = os.environ | {"WATCHKEEPER_HOME": str(home)}
    words = [str(PROGRAM), "mcp", "add", "odd", "--established", "--", *behind]
    subprocess.run(words, env=environment, capture_output=True, check=True)
    table = home / "config" / "mcp.yaml"
    table.write_text(table.read_text().replace("any_server:", TABLE.lstrip("\n")))
    said = subprocess.run(words, env=environment, capture_output=True, check=True)
    found: dict[str, list[str]] = json.loads(said.stdout)["mcpServers"]["odd"]
    return found


if __name__ == "__main__":
    main()
