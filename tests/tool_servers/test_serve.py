"""`watchkeeper mcp serve`: agents propose, wait, report and ask why with the official SDK's client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.fence.stopping import until
from tests.http.conftest import place  # noqa: F401 - the fixture, here too
from tests.patience import PATIENCE_S
from tests.sdk.conftest import captain, service  # noqa: F401 - fixtures, here too
from tests.tool_servers.conftest import said

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]

PROGRAM = str(Path(sys.executable).with_name("watchkeeper"))
TICKET = {"action": "ticket.create", "capability": "heal@1", "arguments": {"title": "a", "body": "b"}}


@contextlib.asynccontextmanager
async def agent(**variables):
    wanted = {name: value for name, value in os.environ.items() if name.startswith("WATCHKEEPER_")}
    server = StdioServerParameters(command=PROGRAM, args=["mcp", "serve"], env=wanted | variables)
    async with Client(server, read_timeout_seconds=PATIENCE_S) as client:
        yield client


async def call(client, name, **arguments):
    result = await client.call_tool(name, arguments)
    assert not result.is_error, said(result)
    return json.loads(said(result)) if name != "explain" else said(result)


async def test_an_agent_proposes_acts_reports_and_asks_why(service, captain):  # noqa: F811 - fixtures
    async with agent() as client:
        assert {each.name for each in (await client.list_tools()).tools} == {
            "propose", "wait", "report", "explain", "status",
        }  # fmt: skip
        granted = await call(client, "propose", **TICKET, confidence=0.9, rationale="it was asked for")
        assert (granted["may_act"], granted["status"]) == (True, "granted")
        assert await call(client, "report", decision_id=granted["decision_id"], ok=True, detail="done")
        assert granted["decision_id"] in await call(client, "explain", decision_id=granted["decision_id"])
        assert (await call(client, "status"))["stopped"] == []
        assert captain.outcome(granted["decision_id"])["ok"]


async def test_what_is_held_is_waited_for(service, captain):  # noqa: F811 - fixtures
    async with agent() as client:
        held = await call(client, "propose", **TICKET, confidence=0.2)
        assert (held["may_act"], held["status"]) == (False, "held")
        waiting = asyncio.create_task(call(client, "wait", decision_id=held["decision_id"], wait_s=600))
        await asyncio.sleep(0)
        await asyncio.to_thread(captain.say, f"/v1/decisions/{held['decision_id']}/approve", reason="fine")
        assert (await asyncio.wait_for(waiting, PATIENCE_S))["may_act"]


async def test_a_stop_between_the_decision_and_the_deed_counts(service, captain):  # noqa: F811 - fixtures
    async with agent() as client:
        granted = await call(client, "propose", **TICKET, confidence=0.9)
        await asyncio.to_thread(captain.say, "/v1/kill", scope="agent:coder-1", reason="it errs")
        again = await call(client, "wait", decision_id=granted["decision_id"], wait_s=0)
        assert not again["may_act"]
        assert "agent:coder-1" in again["why"]
        assert (await call(client, "status"))["stopped"] == ["agent:coder-1"]
        denied = await call(client, "propose", **TICKET, confidence=0.9)
        assert (denied["may_act"], denied["word"]) == (False, "deny")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"action": "no.such", "capability": "heal@1"}, "may_act"),
        ({"action": "ticket.create", "capability": "pay@1"}, "Do not do it"),
        ({"action": "ticket.create", "capability": "heal@1", "confidence": 7}, "confidence"),
        ({"action": "ticket.create", "capability": "heal@1", "cost_usd": "much"}, "Do not do it"),
        ({"action": "ticket.create"}, "capability"),
    ],
)
async def test_what_cannot_be_proposed_is_refused_with_the_place(service, arguments, told):  # noqa: F811 - a fixture
    async with agent() as client:
        result = await client.call_tool("propose", arguments)
    assert result.is_error or json.loads(said(result))["may_act"] is False
    assert told in said(result)


async def test_without_a_service_nothing_may_be_done():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with agent(WATCHKEEPER_URL=url, WATCHKEEPER_TOKEN="wk_x_y") as client:
            result = await client.call_tool("propose", TICKET)
    assert result.is_error
    assert "Do not do it" in said(result)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--http", "0.0.0.0:8080"], "no port on this machine"),
        (["--http", "127.0.0.1:99999"], "no port on this machine"),
        (["--token-file", "/no/such"], "cannot be read"),
    ],
)
async def test_what_cannot_be_served_is_said_in_a_line(words, told):
    ended = subprocess.run(
        [PROGRAM, "mcp", "serve", *words],
        env=os.environ | {"WATCHKEEPER_TOKEN": "wk_x_y"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_it_is_served_over_http_too(service, captain):  # noqa: F811 - fixtures
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port = made.getsockname()[1]
    server = subprocess.Popen(
        [PROGRAM, "mcp", "serve", "--http", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        assert until(listens, within_s=PATIENCE_S)
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            assert (await call(client, "propose", **TICKET, confidence=0.9))["may_act"]
            assert (await call(client, "propose", **TICKET, confidence=0.9))["may_act"]
    finally:
        server.terminate()
        server.wait(PATIENCE_S)
