"""The tables of hooks.yaml and mcp.yaml, checked against the registry: what tool calls are proposed as."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from engine.adapters.yaml_files import Document, read_yaml
from engine.core.tool_calls import Table
from engine.errors import InputError, PolicyError
from engine.settings.hooks import AnyCallSection, HooksFile
from engine.settings.policy import ActionEntry, ActionsFile
from engine.settings.tool_servers import McpFile, ServerSection


class ServerTable(Struct, frozen=True, kw_only=True):
    """What the calls of one MCP server's tools are proposed as."""

    table: Table
    wait_s: float
    """How long a held call waits for people, seconds."""


def read_tables(hooks: Path, actions_file: Path) -> dict[str, Table]:
    """Read and check hooks.yaml: every action must be in the registry, and the agent's own to perform.

    Raises `InputError` and `PolicyError` naming the place and the cure.
    """
    document = read_yaml(hooks)
    file = document.checked(HooksFile)
    actions = read_yaml(actions_file).checked(ActionsFile).actions
    for name, agent in file.agents.items():
        _check(document, actions, ("agents", name), agent.calls, agent.otherwise)
    return {
        name: msgspec.convert(agent.model_dump(mode="json"), Table) for name, agent in file.agents.items()
    }


def read_server(mcp: Path, actions_file: Path, server: str) -> ServerTable:
    """Read and check mcp.yaml, and return the table of one server, or that of any where it has none.

    Raises `InputError` for a name that no server may have, and as `read_tables` does.
    """
    document = read_yaml(mcp)
    file = document.checked(McpFile)
    actions = read_yaml(actions_file).checked(ActionsFile).actions
    for name, section in file.servers.items():
        _check(document, actions, ("servers", name), section.calls, section.otherwise)
    _check(document, actions, ("any_server",), file.any_server.calls, file.any_server.otherwise)
    try:
        McpFile(servers={server: file.any_server}, any_server=file.any_server)
    except ValueError:
        raise InputError(
            f"{server[:80]!r} is no name for a server",
            cure="letters, digits, dots, dashes and single underscores, 64 at the most",
        ) from None
    return _server_table(server, file.servers.get(server, file.any_server))


def _server_table(server: str, section: ServerSection) -> ServerTable:
    told = section.model_dump(mode="json", exclude={"wait_s"})
    table = msgspec.convert(
        told | {"held": {"interactive": "deny", "headless": "deny"}, "shadowed": "deny"}, Table
    )
    lines = tuple(structs.replace(line, tool=tool_name(server, line.tool)) for line in table.calls)
    return ServerTable(table=structs.replace(table, calls=lines), wait_s=section.wait_s)


def tool_name(server: str, tool: str) -> str:
    """Return the name of a server's tool as `wish_of` takes it apart.

    >>> tool_name("github", "create_issue")
    'mcp__github__create_issue'
    """
    return f"mcp__{server}__{tool}"


def _check(
    document: Document,
    actions: Mapping[str, ActionEntry],
    where: tuple[str, ...],
    calls: tuple[AnyCallSection, ...],
    otherwise: AnyCallSection,
) -> None:
    for nth, line in enumerate((*calls, otherwise)):
        here: tuple[str | int, ...] = ("calls", nth) if nth < len(calls) else ("otherwise",)
        place = document.place(*where, *here)
        if line.action not in actions:
            raise PolicyError(
                f"{line.action!r} is not in the registry",
                place=place,
                cure="copy the actions tool.* from the shipped actions.yaml, or name another",
            )
        if actions[line.action].run is not None:
            raise PolicyError(
                f"{line.action!r} has a `run`, so the engine would do it as well as the agent",
                place=place,
                cure="name an action without `run`, such as one of tool.*",
            )
        if unknown := line.arguments.keys() - actions[line.action].parameters.keys():
            raise PolicyError(
                f"{line.action} takes no {min(unknown)!r}",
                place=place,
                cure=f"it takes {', '.join(actions[line.action].parameters)}",
            )
