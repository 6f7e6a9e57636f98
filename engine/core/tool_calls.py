"""Tool calls of coding agents: which action each is proposed as, with what arguments and what impact."""

import re
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec import Struct

from engine.errors import InputError

_PATCHED: Final = re.compile(r"^\s*\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+?)\s*$", re.MULTILINE)
"""Codex takes such a line with spaces before it, too; a line of a file that looks like one counts as well."""
_DIFFED: Final = re.compile(r"^(?:\+\+\+|---) (?:[ab]/)?([^\t\n]+?)\s*$", re.MULTILINE)
_SEPARATOR: Final = "__"


class Line(Struct, frozen=True, kw_only=True):
    """One line of hooks.yaml."""

    action: str
    arguments: dict[str, str]
    tool: str = "*"
    confidence: float | None = None
    cost_usd: str = "0"
    files: int | str = 0
    api_calls: int = 0


class Held(Struct, frozen=True, kw_only=True):
    """What an agent is told where people must be asked first."""

    interactive: str
    headless: str


class Table(Struct, frozen=True, kw_only=True):
    """One agent's section of hooks.yaml."""

    capability: str
    deadline_s: float
    held: Held
    shadowed: str
    approval_s: float
    calls: tuple[Line, ...]
    otherwise: Line
    rules: str = ""
    """The policy's own file of secret rules, within its folder; empty for the shipped ones."""


class Wish(Struct, frozen=True, kw_only=True):
    """What is to be proposed."""

    action: str
    args: dict[str, Any]
    confidence: float | None
    cost_usd: str
    files: int
    api_calls: int


def wish_of(table: Table, tool: str, given: dict[str, Any]) -> Wish:
    """Say what a call of a tool is proposed as. Raises `InputError` when not even `otherwise` fits.

    `given` is the tool's input, as the agent gives it.
    """
    for line in (*table.calls, table.otherwise):
        if fnmatchcase(tool, line.tool):
            try:
                args = {
                    name: value
                    for name, source in line.arguments.items()
                    if (value := _found(source, tool, given)) is not _MISSING
                }
            except LookupError:
                # The same tool of another version: another line may know its arguments.
                continue
            files = line.files if isinstance(line.files, int) else _count(args.get(line.files))
            return Wish(
                action=line.action,
                args=args,
                confidence=line.confidence,
                cost_usd=line.cost_usd,
                files=files,
                api_calls=line.api_calls,
            )
    raise InputError(
        f"no line of hooks.yaml fits {tool[:60]!r}", cure="let `otherwise` take @tool and *, as shipped"
    )


_MISSING: Final = object()


def _found(source: str, tool: str, given: dict[str, Any]) -> Any:
    """Return what stands at a source. Raises `LookupError` when nothing does, and it must."""
    optional = source.endswith("?")
    source = source.removesuffix("?")
    try:
        return _value(source, tool, given)
    except LookupError:
        if optional:
            return _MISSING
        raise


def _value(source: str, tool: str, given: dict[str, Any]) -> Any:
    if source == "*":
        return given
    if source == "@tool":
        return tool
    if source in {"@server", "@name"}:
        server, name = _mcp(tool)
        return server if source == "@server" else name
    if source.startswith("@paths:"):
        paths = _paths(_value(source.removeprefix("@paths:"), tool, given))
        if not paths:
            raise LookupError(source)
        return paths
    value: Any = given
    for step in source.split("."):
        if not isinstance(value, dict) or step not in value:
            raise LookupError(source)
        value = value[step]
    return value


def _mcp(tool: str) -> tuple[str, str]:
    """Split the name of an MCP tool into its server and its own name.

    >>> _mcp("mcp__github__create_issue"), _mcp("MCP:query"), _mcp("mcp_files_read")
    (('github', 'create_issue'), ('', 'query'), ('files', 'read'))
    """
    if tool.startswith("MCP:"):
        return "", tool.removeprefix("MCP:")
    if tool.startswith("mcp__"):
        server, _, name = tool.removeprefix("mcp__").partition(_SEPARATOR)
        return server, name
    server, _, name = tool.removeprefix("mcp_").partition("_")
    return server, name


def _paths(patch: Any) -> list[str]:
    """Return the files a patch names, each once.

    >>> _paths("*** Begin Patch\\n*** Update File: a.py\\n*** Move to: b.py\\n*** End Patch")
    ['a.py', 'b.py']
    """
    if not isinstance(patch, str):
        return []
    found = [*_PATCHED.findall(patch), *_DIFFED.findall(patch)]
    return [path for path in dict.fromkeys(found) if path != "/dev/null"]


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1
