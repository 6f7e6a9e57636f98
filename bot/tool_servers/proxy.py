"""The proxy: one client on standard input and output, one server behind it, and every call governed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import httpx2
from anyio.abc import TaskGroup
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.stdio import stdio_server
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp.types import PROTOCOL_VERSION_META_KEY, JSONRPCRequest, JSONRPCResponse
from msgspec import Struct

from bot.hooks.kept import Kept
from bot.hooks.tables import config_of
from bot.tool_servers.governing import Governor
from bot.tool_servers.passing import Message, Passing, say, wrapped
from bot.tool_servers.pins import Pins
from bot.tool_servers.tables import place_of
from engine.errors import InputError, Unreachable
from engine.wiring.tool_calls import read_server

_OURS: Final = "WATCHKEEPER_"
_VARIABLE: Final = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")
_CONNECT_S: Final = 10.0
_FLUSH_S: Final = 0.05


class Behind(Struct, frozen=True, kw_only=True):
    """The server behind the proxy: a command that is started, or an address."""

    command: tuple[str, ...] = ()
    url: str = ""
    headers: Mapping[str, str] = {}
    """What an address gets with each request, such as `Authorization`."""


def proxy(server: str, behind: Behind, home: Path, config: Path | None, leave: Callable[[int], None]) -> None:
    """Pass on until either side ends, and leave with 0 when the client did, with 1 when the server did.

    Raises `InputError` and `PolicyError` for what cannot be begun, and `Unreachable` for a server that cannot
    be started.
    """
    folder = config_of(home, config)
    table = read_server(place_of(folder), folder / "actions.yaml", server)
    kept = Kept(home)
    # Without one nothing would ever be allowed: say so before anybody waits for a call.
    kept.token(f"mcp-{server}")
    governor, pins = Governor(server, table, home, folder), Pins(kept.folder, server)
    try:
        anyio.run(_pass, governor, pins, behind, leave)
    except* OSError as failed:
        raise Unreachable(
            f"the server cannot be started: {failed.exceptions[0]}",
            place=" ".join(behind.command) or behind.url,
            cure="try the command by itself",
        ) from failed


async def _pass(governor: Governor, pins: Pins, behind: Behind, leave: Callable[[int], None]) -> None:
    async with stdio_server() as (from_client, to_client):
        status = await _between(governor, pins, behind, from_client, to_client)
        await to_client.aclose()
        # The SDK's writer has the last answer by now and writes it in a turn or two. Its reader would stay
        # until the client says something or leaves.
        await anyio.sleep(_FLUSH_S)
        leave(status)


async def _between(governor: Governor, pins: Pins, behind: Behind, from_client: Any, to_client: Any) -> int:
    """Pass on until either side ends; the server is ended then. Returns the exit status."""
    status, stamping = 1, Stamping()
    async with _server(behind) as (from_server, to_server):

        async def send_server(message: Message) -> None:
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await to_server.send(wrapped(message, stamping.headers(message) if behind.url else None))

        async def send_client(message: Message) -> None:
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await to_client.send(wrapped(message))

        passing = Passing(governor, pins, to_client=send_client, to_server=send_server)

        async def client_side(group: TaskGroup) -> None:
            nonlocal status
            async for item in from_client:
                if isinstance(item, Exception):
                    say(f"the client said what is no message: {item}")
                else:
                    await passing.from_client(item.message, group)
            status = 0
            group.cancel_scope.cancel()

        async def server_side(group: TaskGroup) -> None:
            async for item in from_server:
                if isinstance(item, Exception):
                    say(f"the server said what is no message: {item}")
                else:
                    stamping.note(item.message)
                    await passing.from_server(item.message)
            await passing.ended("the server ended")
            say("the server ended")
            group.cancel_scope.cancel()

        async def signals(group: TaskGroup) -> None:
            nonlocal status
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
                async for _ in received:
                    status = 0
                    group.cancel_scope.cancel()
                    return

        async with anyio.create_task_group() as group:
            for run in (client_side, server_side, signals):
                group.start_soon(run, group)
            group.start_soon(passing.watch)
    return status


@contextlib.asynccontextmanager
async def _server(behind: Behind) -> AsyncIterator[Any]:
    """Give the messages of the server and a way to send it some."""
    if behind.command:
        # It gets what was set for it. Our own variables hold tokens.
        ours = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        started = StdioServerParameters(command=behind.command[0], args=list(behind.command[1:]), env=ours)
        async with stdio_client(started, errlog=sys.stderr) as streams:
            yield streams
    else:
        timeout = httpx2.Timeout(None, connect=_CONNECT_S)
        async with (
            create_mcp_http_client(headers=dict(behind.headers), timeout=timeout) as client,
            streamable_http_client(behind.url, http_client=client) as streams,
        ):
            yield streams


class Stamping:
    """The headers that a message has over HTTP: servers refuse one whose headers say something else."""

    def __init__(self) -> None:
        self._version = ""
        self._parameters: dict[str, dict[tuple[str, ...], str]] = {}

    def note(self, message: Message) -> None:
        """Learn from an answer of the server: the version it agreed to, and which arguments are headers."""
        if not isinstance(message, JSONRPCResponse):
            return
        if isinstance(version := message.result.get("protocolVersion"), str):
            self._version = version
        tools = message.result.get("tools")
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                self._parameters[tool["name"]] = x_mcp_header_map(tool.get("inputSchema"))

    def headers(self, message: Message) -> dict[str, str]:
        """Return the headers of a message."""
        params = getattr(message, "params", None) or {}
        meta = params.get("_meta")
        version = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
        if not isinstance(version, str):
            is_first = isinstance(message, JSONRPCRequest) and message.method == "initialize"
            return {MCP_PROTOCOL_VERSION_HEADER: self._version} if self._version and not is_first else {}
        found = {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: message.method}
        name = params.get(NAME_BEARING_METHODS.get(message.method, ""))
        if isinstance(name, str):
            found[MCP_NAME_HEADER] = encode_header_value(name)
            if message.method == "tools/call":
                arguments = params.get("arguments")
                given = arguments if isinstance(arguments, dict) else {}
                found |= mcp_param_headers(self._parameters.get(name, {}), given)
        return found


def headers_of(lines: tuple[str, ...]) -> dict[str, str]:
    """Read headers as they are written. Raises `InputError` for what is none.

    >>> headers_of(("Authorization: Bearer x",))
    {'Authorization': 'Bearer x'}
    """
    found = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise InputError("is no header", place=line[:40], cure="write it as 'Name: value'")
        if missing := [one for one in _VARIABLE.findall(value) if one.strip("${}") not in os.environ]:
            # Sent as it stands, it would only be refused over there, with nobody told why.
            raise InputError(
                f"{missing[0]} is not in the environment",
                place=f"the header {name.strip()}",
                cure="set it where the proxy is started",
            )
        found[name.strip()] = os.path.expandvars(value.strip())
    return found
