"""`shell.yaml`, joined to the reader of commands."""

from importlib.metadata import version

from engine.adapters.shell_reader import LISTS_VERSION, BashReader, Prefix
from engine.adapters.shell_tools import Tool
from engine.core.shell import ShellSettings
from engine.settings.shell import CommandEntry, ShellFile


def rules_version() -> str:
    """Name what answers about commands depend on beside the policy; part of its hash."""
    parsers = ", ".join(f"{name} {version(name)}" for name in ("tree-sitter", "tree-sitter-bash"))
    return f"{LISTS_VERSION}, {parsers}"


def shell_settings(file: ShellFile) -> ShellSettings:
    """Say what the risk gate makes of commands."""
    return ShellSettings(
        reader=BashReader(
            prefixes=[_prefix(entry) for entry in (*file.read_only, *file.project)],
            shells=frozenset(file.shells),
            places=tuple(place.rstrip("/") for place in file.places),
        ),
        points={"unsure": file.points.unsure, "hit": file.points.hit},
        rulings={"unsure": file.rulings.unsure, "hit": file.rulings.hit},
        role=file.role,
        owner=file.owner,
    )


def _prefix(entry: CommandEntry) -> Prefix:
    tool = Tool(frozenset(entry.flags), frozenset(entry.values), entry.operands)
    return Prefix(tuple(entry.run.split()), tool)
