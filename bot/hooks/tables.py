"""The tables of hooks.yaml, read once and kept as JSON: reading YAML takes longer than a hook may."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, structs

from engine.adapters.files import private_folder
from engine.adapters.kept_policy import policy_key
from engine.adapters.token_file import private_write
from engine.core.tool_calls import Table
from engine.errors import InputError

SHIPPED: Final = Path(__file__).resolve().parents[2] / "config"
_NAME: Final = "hooks.yaml"


class _Kept(Struct, frozen=True):
    key: str
    agents: dict[str, Table]


_decode: Final = msgspec.json.Decoder(_Kept).decode


def config_of(home: Path, chosen: Path | None) -> Path:
    """Return the configuration in force: the one chosen, the state folder's own, or the shipped one."""
    own = home / "config"
    return chosen or (own if own.is_dir() else SHIPPED)


def read_table(config: Path, kept: Path, agent: str) -> Table:
    """Return an agent's table, from what was kept where that still fits.

    Raises `InputError` and `PolicyError` naming place and cure.
    """
    hooks = place_of(config)
    key = policy_key((hooks, config / "actions.yaml", _privacy(config)))
    tables = _read_kept(kept, key)
    if tables is None:
        tables = _read(hooks, config)
        private_folder(kept.parent)
        private_write(kept, msgspec.json.encode(_Kept(key, tables)))
    if agent not in tables:
        raise InputError(f"agents.{agent} is missing", place=str(hooks), cure="copy it from the shipped file")
    return tables[agent]


def _read(hooks: Path, config: Path) -> dict[str, Table]:
    # Slow, and seldom: the first call, and the first after a change.
    from engine.adapters.yaml_files import read_yaml
    from engine.settings.privacy import PrivacyFile
    from engine.wiring.tool_calls import read_tables

    privacy = _privacy(config)
    rules = (read_yaml(privacy).checked(PrivacyFile).rules if privacy.exists() else None) or ""
    tables = read_tables(hooks, config / "actions.yaml")
    return {name: structs.replace(table, rules=rules) for name, table in tables.items()}


def _privacy(config: Path) -> Path:
    return config / "policies" / "privacy.yaml"


def place_of(config: Path) -> Path:
    """Return the hooks.yaml of a configuration; the shipped one where it has none, as older ones."""
    own = config / _NAME
    return own if own.exists() else SHIPPED / _NAME


def _read_kept(path: Path, key: str) -> dict[str, Table] | None:
    try:
        kept = _decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None
    return kept.agents if kept.key == key else None
