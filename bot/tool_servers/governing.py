"""Governing: one call of a server's tool is proposed, waits for people where it must, and is reported.

Everything here talks to the engine as the hooks of coding agents do, in threads: a call must wait for nobody
but its own decision.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, structs

from bot.hooks.calls import Ruling, ToolCall
from bot.hooks.deciding import after, before
from bot.hooks.kept import Kept
from bot.hooks.run import engine_for
from engine.adapters.fence_files import FileFence
from engine.core.plain_text import shortened
from engine.core.tool_calls import Table, wish_of
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, capability_name
from engine.errors import WatchkeeperError
from engine.runtime.layout import Layout
from engine.wiring.tool_calls import ServerTable, tool_name

_POLL_S: Final = 0.5
_AWAIT_S: Final = 2.0
"""How much longer than its own deadline an answer is waited for, before it is given up from outside."""
_LONGEST: Final = 1500
Telling = Callable[[str], Awaitable[None]]


class Call(Struct, frozen=True, kw_only=True):
    """One call of a tool."""

    said: ToolCall
    doubt: str = ""
    """Why its own line of mcp.yaml must not count; empty where it may."""


class Governor:
    """Decides on the calls that go to one server."""

    def __init__(self, server: str, table: ServerTable, home: Path, config: Path) -> None:
        """`config` is the folder with mcp.yaml. One governor is one episode."""
        self.server, self._table, self._config = server, table, config
        self._home, self._kept = home, Kept(home)
        self._agent = f"mcp-{server}"
        self._session = f"mcp-{server}-{secrets.token_hex(8)}"
        self._fence = FileFence(Layout(home).stops)

    def call(self, request_id: int | str, tool: str, arguments: dict[str, Any], doubt: str) -> Call:
        """Put a call into words."""
        said = ToolCall(
            event="tools/call",
            after=False,
            tool=tool_name(self.server, tool),
            input=arguments,
            session=self._session,
            # An id may come again when its call is over.
            call_id=f"{request_id}.{secrets.token_hex(4)}",
        )
        return Call(said=said, doubt=doubt)

    async def permit(self, call: Call, tell: Telling) -> Ruling:
        """Say whether a call may run now, after waiting for people. Whatever goes wrong, it may not."""
        until = time.monotonic() + self._table.wait_s
        while True:
            ruling = await self._asked(call)
            answered_by_people = ruling.waits and Layout(self._home).address.exists()
            if not answered_by_people or time.monotonic() >= until:
                return ruling
            await tell(ruling.reason)
            await asyncio.sleep(_POLL_S)

    async def report(self, call: Call, *, ok: bool | None, detail: str) -> str:
        """Report what came of a call, `None` where nobody knows. Returns what went wrong, or nothing."""
        said = structs.replace(call.said, after=True, ok=ok, detail=shortened(detail, _LONGEST))
        try:
            await asyncio.wait_for(asyncio.to_thread(self._report, said), self._deadline_s + _AWAIT_S)
        except (WatchkeeperError, OSError, TimeoutError) as wrong:
            return f"the outcome of {call.said.tool} is not reported: {wrong}"
        return ""

    def stopped(self, call: Call) -> str:
        """Say which stop covers a call that runs; empty when none does. Looks at the fence itself."""
        table = self._doubting(call)
        capability = CapabilityId(table.capability)
        action = ActionName(wish_of(table, call.said.tool, call.said.input).action)
        agent = AgentId(capability_name(capability))
        for stop in self._fence.stops():
            if stop.scope.covers(agent, capability, action):
                return f"{stop.by} stopped {stop.scope}"
        return ""

    # ------------------------------------------------------------ in threads

    @property
    def _deadline_s(self) -> float:
        return self._table.table.deadline_s

    def _doubting(self, call: Call) -> Table:
        """The table, without its lines for tools nobody is sure of."""
        return structs.replace(self._table.table, calls=()) if call.doubt else self._table.table

    async def _asked(self, call: Call) -> Ruling:
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._ask, call), self._deadline_s + _AWAIT_S)
        except WatchkeeperError as wrong:
            return _refused(str(wrong))
        except TimeoutError:
            return _refused("no decision within deadline_s of mcp.yaml")
        except Exception as wrong:  # noqa: BLE001 - whatever it is, the call must not run because of it
            return _refused(f"the proxy failed with {type(wrong).__name__}: {wrong}")

    def _ask(self, call: Call) -> Ruling:
        table = self._doubting(call)
        engine = engine_for(self._agent, table, self._kept, self._config, self._deadline_s)
        try:
            return before(self._agent, table, call.said, engine, self._kept, remark=call.doubt)
        finally:
            engine.close()

    def _report(self, call: ToolCall) -> None:
        engine = engine_for(self._agent, self._table.table, self._kept, self._config, self._deadline_s)
        try:
            after(self._agent, call, engine, self._kept)
        finally:
            engine.close()


def _refused(why: str) -> Ruling:
    return Ruling(kind="deny", reason=shortened(f"Watchkeeper: refused, and not run: {why}", _LONGEST))
