"""Serving: the engine as an MCP server, for agents that know no other way to propose."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from engine.errors import InputError, WatchkeeperError
from watchkeeper.sdk.clients import AsyncClient
from watchkeeper.sdk.words import Decision, Impact, Proposal

_INSTRUCTIONS: Final = (
    "Before you do anything that changes something outside this conversation, propose it here, with its "
    "exact arguments. Do it only when the answer says may_act, exactly as proposed, and then report what "
    "came of it. Held means that people are asked: wait, or go on with something else. Denied is final: do "
    "not try another way round."
)
_MOST_WAIT_S: Final = 600.0
_STEP_S: Final = 10.0
_PORTS: Final = 1 << 16
_LOOKS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_Id = Annotated[str, Field(description="The decision, as `propose` answered it: d_…")]
_Wait = Annotated[float, Field(ge=0, le=_MOST_WAIT_S, description="How long to wait for people, seconds")]


def make_server(client: AsyncClient) -> MCPServer[Any]:
    """Make the server; the client is the agent's own way to the service."""

    @contextlib.asynccontextmanager
    async def closing(_server: MCPServer[Any]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await client.close()

    server = MCPServer[Any](
        "watchkeeper",
        instructions=_INSTRUCTIONS,
        version=version("watchkeeper"),
        lifespan=closing,
        log_level="ERROR",
    )

    @server.tool(description="Propose an action, with its exact arguments; do it only when may_act is true.")
    async def propose(  # noqa: PLR0917 - the SDK passes every argument by name
        action: Annotated[str, Field(description="A name of the action registry, such as ticket.create")],
        capability: Annotated[
            str, Field(description="What it is proposed under, with its version: triage@1")
        ],
        context: Context,
        arguments: Annotated[dict[str, Any] | None, Field(description="What the action takes")] = None,
        confidence: Annotated[float | None, Field(ge=0, le=1, description="How sure you are")] = None,
        rationale: Annotated[str, Field(description="Why, for the people who may be asked")] = "",
        episode: Annotated[str, Field(description="The task it belongs to")] = "",
        cost_usd: Annotated[str, Field(description="What it costs, in US dollars")] = "0",
        files: Annotated[int, Field(ge=0, description="How many files it changes")] = 0,
        api_calls: Annotated[int, Field(ge=0, description="How many calls it makes")] = 0,
        wait_s: _Wait = 0,
    ) -> dict[str, Any]:
        proposal = Proposal(
            action=action,
            capability=capability,
            args=arguments or {},
            confidence=confidence,
            rationale=rationale,
            episode=episode,
            impact=Impact(cost_usd=cost_usd, files=files, api_calls=api_calls),
        )
        with _told():
            decision = await client.propose(proposal)
            return await _answer(client, await _waited(client, decision, wait_s, context))

    @server.tool(description="Wait for people to answer about a held decision.", annotations=_LOOKS)
    async def wait(decision_id: _Id, context: Context, wait_s: _Wait = 60) -> dict[str, Any]:
        with _told():
            return await _answer(
                client, await _waited(client, await client.look(decision_id), wait_s, context)
            )

    @server.tool(description="Report what came of an action that you did.")
    async def report(
        decision_id: _Id,
        ok: Annotated[bool, Field(description="Whether it went well")],
        detail: Annotated[str, Field(description="What went wrong, or what came of it")] = "",
    ) -> dict[str, Any]:
        with _told():
            decision = await client.look(decision_id)
            await client.report(decision, ok=ok, detail=detail)
            return {"decision_id": decision_id, "reported": True}

    @server.tool(description="Explain why something was decided as it was.", annotations=_LOOKS)
    async def explain(decision_id: _Id) -> str:
        with _told():
            return await client.explain(decision_id)

    @server.tool(description="Say what is stopped, and whether the engine answers.", annotations=_LOOKS)
    async def status() -> dict[str, Any]:
        with _told():
            stops = await client.stops()
            return {"answers": True, "stopped": list(stops), "may_propose": True}

    return server


@contextlib.contextmanager
def _told() -> Any:
    """Turn our errors into the tool's: what is refused or unreachable must not be done."""
    try:
        yield
    except WatchkeeperError as wrong:
        raise ToolError(f"Do not do it. {wrong}") from wrong
    except ValueError as wrong:
        raise ToolError(f"Do not do it. This cannot be proposed: {wrong}") from wrong


async def _waited(client: AsyncClient, decision: Decision, wait_s: float, context: Context) -> Decision:
    """Wait for what is final, and tell the client meanwhile that somebody is being waited for."""
    until, told = time.monotonic() + wait_s, 0.0
    while not decision.final and (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(0.5, left))
        decision = await client.look(decision.decision_id)
        if time.monotonic() >= told:
            told = time.monotonic() + _STEP_S
            await context.report_progress(
                wait_s - max(0.0, until - time.monotonic()), wait_s, decision.summary
            )
    return decision


async def _answer(client: AsyncClient, decision: Decision) -> dict[str, Any]:
    """Say where it stands, and whether it may be done now: looked at again, right before."""
    may_act, why = decision.status == "granted", decision.why
    if may_act:
        try:
            decision = await client.confirm(decision)
        except WatchkeeperError as wrong:
            may_act, why = False, str(wrong)
    return {
        "decision_id": decision.decision_id,
        "may_act": may_act,
        "word": decision.word,
        "status": decision.status,
        "final": decision.final,
        "why": why,
        "next": _next(decision, may_act=may_act),
    }


def _next(decision: Decision, *, may_act: bool) -> str:
    if may_act:
        return "Do exactly this now, then report what came of it."
    if decision.status == "held" and not decision.shadowed:
        return "People are asked: wait, or go on with something else. Do not do it."
    if decision.status in {"queued", "running"}:
        return "The engine performs it itself: wait for it."
    return "Do not do it, and do not try another way round."


def serve(address: str | None, token_file: Path | None) -> int:
    """Serve until the client leaves. Raises `Forbidden` without a token, `InputError` for a wrong address."""
    token = None
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as wrong:
            raise InputError(
                f"cannot be read: {wrong}", place=str(token_file), cure="one token, as text"
            ) from wrong
    server = make_server(AsyncClient(token=token))
    if address is None:
        server.run("stdio")
    else:
        host, _, port = address.rpartition(":")
        is_port = port.isascii() and port.isdigit() and int(port) < _PORTS
        if host not in {"127.0.0.1", "localhost", "[::1]"} or not is_port:
            raise InputError(
                "is no port on this machine",
                place=address,
                cure="127.0.0.1:PORT: whoever reaches it proposes as this agent",
            )
        server.run("streamable-http", host=host.strip("[]"), port=int(port), stateless_http=True)
    return 0
