"""Where mcp.yaml lies."""

from pathlib import Path
from typing import Final

from bot.hooks.tables import SHIPPED

_NAME: Final = "mcp.yaml"


def place_of(config: Path) -> Path:
    """Return the mcp.yaml of a configuration; the shipped one where it has none, as older ones."""
    own = config / _NAME
    return own if own.exists() else SHIPPED / _NAME
