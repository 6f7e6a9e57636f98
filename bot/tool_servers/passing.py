"""Passing on: messages go both ways between a client and a server unchanged, but for calls of tools.

A call waits until it may run. What the server says of its tools is held against what was accepted. Requests
of a kind nobody here knows are refused: a later revision of the protocol may run something by them.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp.types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from bot.tool_servers.governing import Call, Governor
from bot.tool_servers.pins import Pins, digest
from engine.core.plain_text import shortened
from engine.errors import WatchkeeperError

_CALL: Final = "tools/call"
_LIST: Final = "tools/list"
_NEWS: Final = "notifications/"
_PASSED: Final = frozenset({
    "initialize", "ping", "server/discover", "logging/setLevel", "completion/complete", _LIST,
    "resources/list", "resources/templates/list", "resources/read", "resources/subscribe",
    "resources/unsubscribe", "prompts/list", "prompts/get", "subscriptions/listen",
    "tasks/get", "tasks/list", "tasks/result", "tasks/cancel",
})  # fmt: skip
"""Requests that run no tool."""
_LOOK_S: Final = 0.2
"""How often stops are looked for while a call runs."""
_REPORT_S: Final = 5.0
_LONGEST: Final = 1000
Message = Any
Send = Callable[[Message], Awaitable[None]]


class Flight:
    """One call of a tool, from the client's request until its answer."""

    def __init__(self, request: JSONRPCRequest, call: Call | None) -> None:
        self.request, self.call = request, call
        self.scope = anyio.CancelScope()
        self.running = False

    @property
    def progress(self) -> int | str | None:
        """The client's own mark for news of this call; `None` where it wants none."""
        meta = (self.request.params or {}).get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        return token if isinstance(token, int | str) else None


class Passing:
    """The messages of one client and one server."""

    def __init__(self, governor: Governor, pins: Pins, *, to_client: Send, to_server: Send) -> None:
        """`to_client` and `to_server` send one message."""
        self._governor, self._pins = governor, pins
        self._to_client, self._to_server = to_client, to_server
        self._flights: dict[int | str, Flight] = {}
        self._lists = set[int | str]()
        self._over = set[int | str]()
        """Calls that a stop ended, and that are answered: what the server says of them is nobody's."""
        self._listed: dict[str, str] = {}
        """What the server said of each tool when it was last asked, as digests."""

    # ------------------------------------------------------------ from the client

    async def from_client(self, message: Message, group: TaskGroup) -> None:
        """Take one message of the client."""
        if isinstance(message, JSONRPCNotification):
            await self._noted(message)
            return
        if not isinstance(message, JSONRPCRequest):
            await self._to_server(message)
            return
        if message.id in self._flights or message.id in self._lists or message.id in self._over:
            await self._refuse(message, INVALID_REQUEST, "the id of a request that is not answered yet")
        elif message.method == _CALL:
            flight = Flight(message, self._call(message))
            self._flights[message.id] = flight
            group.start_soon(self._fly, flight)
        elif message.method in _PASSED:
            if message.method == _LIST:
                self._lists.add(message.id)
            await self._to_server(message)
        else:
            why = f"Watchkeeper passes on no {shortened(message.method, 80)}: it may run something"
            await self._refuse(message, METHOD_NOT_FOUND, why)

    async def _noted(self, message: JSONRPCNotification) -> None:
        if message.method == "notifications/cancelled":
            flight = self._flights.get((message.params or {}).get("requestId", ""))
            if flight is not None and not flight.running:
                # The server never heard of it, and whoever cancels waits for no answer.
                flight.scope.cancel()
                self._flights.pop(flight.request.id, None)
                return
        if not message.method.startswith(_NEWS):
            # A call without an id is a call: a server need not care whether somebody waits for its answer.
            say(f"{shortened(message.method, 80)} came without an id, and is not passed on")
            return
        await self._to_server(message)

    def _call(self, message: JSONRPCRequest) -> Call | None:
        """Read a call; `None` for one that is none."""
        params = message.params or {}
        name, arguments = params.get("name"), params.get("arguments") or {}
        if not isinstance(name, str) or not name or not isinstance(arguments, dict):
            return None
        return self._governor.call(message.id, name, arguments, self._doubt(name))

    def _doubt(self, name: str) -> str:
        """Say why nobody can be sure what this tool does; empty where it is as it was accepted."""
        listed = self._listed.get(name)
        if listed is None:
            return "the server did not list this tool in this session"
        try:
            pin = self._pins.read().get(name)
        except (WatchkeeperError, OSError) as wrong:
            return f"what was accepted of this tool cannot be read: {wrong}"
        if pin is None or digest(pin.accepted) != listed:
            server = self._governor.server
            return f"what the server says of this tool changed; see `watchkeeper mcp tools {server}`"
        return ""

    async def _fly(self, flight: Flight) -> None:
        with flight.scope:
            if flight.call is None:
                self._flights.pop(flight.request.id, None)
                await self._refuse(
                    flight.request, INVALID_PARAMS, "a call needs a name, and an object of arguments"
                )
                return
            steps = 0

            async def tell(text: str) -> None:
                nonlocal steps
                steps += 1
                await self._progress(flight, steps, text)

            ruling = await self._governor.permit(flight.call, tell)
            if ruling.kind not in {"allow", "own"}:
                self._flights.pop(flight.request.id, None)
                await self._to_client(_failed(flight.request, ruling.reason))
                return
            flight.running = True
            await self._to_server(flight.request)

    async def _progress(self, flight: Flight, steps: int, text: str) -> None:
        if (token := flight.progress) is not None:
            params = {"progressToken": token, "progress": steps, "message": shortened(text, _LONGEST)}
            await self._to_client(
                JSONRPCNotification(jsonrpc="2.0", method="notifications/progress", params=params)
            )

    async def _refuse(self, request: JSONRPCRequest, code: int, why: str) -> None:
        error = ErrorData(code=code, message=why)
        await self._to_client(JSONRPCError(jsonrpc="2.0", id=request.id, error=error))

    # ------------------------------------------------------------ from the server

    async def from_server(self, message: Message) -> None:
        """Take one message of the server."""
        own = message.id if isinstance(message, JSONRPCResponse | JSONRPCError) else None
        if own is None:
            await self._to_client(message)
        elif own in self._lists:
            self._lists.discard(own)
            await self._to_client(self._looked_at(message))
        elif own in self._over:
            self._over.discard(own)
        elif (flight := self._flights.get(own)) is not None:
            if flight.running:
                self._flights.pop(own, None)
                await self._landed(flight, message)
                await self._to_client(message)
        else:
            await self._to_client(message)

    async def _landed(self, flight: Flight, message: JSONRPCResponse | JSONRPCError) -> None:
        """Report how a call went."""
        if flight.call is None:
            return
        if isinstance(message, JSONRPCError):
            ok, detail = False, message.error.message
        else:
            ok = message.result.get("isError") is not True
            detail = "" if ok else _text_of(message.result)
        say(await self._governor.report(flight.call, ok=ok, detail=detail))

    def _looked_at(self, message: JSONRPCResponse | JSONRPCError) -> JSONRPCResponse | JSONRPCError:
        """Hold a list of tools against what was accepted; one that changed is shown as it was accepted."""
        tools = message.result.get("tools") if isinstance(message, JSONRPCResponse) else None
        if not isinstance(message, JSONRPCResponse) or not isinstance(tools, list):
            return message
        tools = [tool for tool in tools if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
        shown = list[dict[str, Any]]()
        try:
            new, changed = self._pins.seen(tools)
            pins = self._pins.read()
        except (WatchkeeperError, OSError) as wrong:
            say(f"what was accepted of the tools cannot be read, so none is shown: {wrong}")
            self._listed.clear()
            return _with(message, tools=[])
        if new:
            say(f"{self._governor.server}: new tools, taken as they are: {', '.join(new)}")
        for name in changed:
            say(
                f"{self._governor.server}: what the tool {name} says of itself changed: it is shown as it "
                f"was, and people are asked of each call; watchkeeper mcp tools {self._governor.server}"
            )
        for tool in tools:
            pin = pins[tool["name"]]
            now = pin.waiting if pin.waiting is not None else pin.accepted
            self._listed[tool["name"]] = digest(now)
            shown.append(tool if pin.waiting is None else pin.accepted)
        return _with(message, tools=shown)

    # ------------------------------------------------------------ while calls run

    async def watch(self) -> None:
        """End the calls that a stop covers: the server is told, and the client gets its answer at once."""
        while True:
            await anyio.sleep(_LOOK_S)
            for own, flight in list(self._flights.items()):
                if not flight.running or flight.call is None:
                    continue
                if stop := self._governor.stopped(flight.call):
                    del self._flights[own]
                    self._over.add(own)
                    await self._to_server(
                        JSONRPCNotification(
                            jsonrpc="2.0",
                            method="notifications/cancelled",
                            params={"requestId": own, "reason": "stopped"},
                        )
                    )
                    why = f"Watchkeeper: {stop} while this ran; what it did until then nobody knows"
                    await self._to_client(_failed(flight.request, why))
                    await self._reported(flight.call, why)

    async def _reported(self, call: Call, why: str) -> None:
        """Report a call that ended badly, though the client may leave meanwhile."""
        with anyio.move_on_after(_REPORT_S, shield=True):
            say(await self._governor.report(call, ok=False, detail=why))

    async def ended(self, why: str) -> None:
        """Answer everything that is open: the server is gone."""
        flights, self._flights = list(self._flights.values()), {}
        for flight in flights:
            flight.scope.cancel()
            if flight.running and flight.call is not None:
                await self._reported(flight.call, why)
            await self._to_client(_failed(flight.request, f"Watchkeeper: {why}"))


def _failed(request: JSONRPCRequest, why: str) -> JSONRPCResponse:
    """Answer a call with an error that the model reads."""
    result: dict[str, Any] = {"content": [{"type": "text", "text": why}], "isError": True}
    meta = (request.params or {}).get("_meta")
    if isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta:
        result["resultType"] = "complete"
    return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=result)


def _with(message: JSONRPCResponse, **changes: Any) -> JSONRPCResponse:
    return JSONRPCResponse(jsonrpc="2.0", id=message.id, result=message.result | changes)


def _text_of(result: dict[str, Any]) -> str:
    """Return the first text of a result."""
    content = result.get("content")
    for each in content if isinstance(content, list) else ():
        if isinstance(each, dict) and isinstance(each.get("text"), str):
            return shortened(each["text"], _LONGEST)
    return ""


def say(text: str) -> None:
    """Tell whoever runs the proxy; the client's own channel is not for that."""
    if text:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"watchkeeper: {text}\n")
            sys.stderr.flush()


def wrapped(message: Message, headers: dict[str, str] | None = None) -> SessionMessage:
    """Wrap a message for a transport, which sends these headers with it where it has any."""
    return SessionMessage(message, metadata=ClientMessageMetadata(headers=headers) if headers else None)
