"""Tools of coding agents: what a call in their logs is proposed as, the same as their hooks propose it."""

from pathlib import Path
from typing import Any, Final

from engine.core.tool_calls import Wish, wish_of
from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.ids import ActionName, CapabilityId
from engine.wiring import SHIPPED_CONFIG, SHIPPED_POLICY, read_policy
from engine.wiring.tool_calls import read_tables

FILES: Final[tuple[Path, ...]] = (SHIPPED_CONFIG / "hooks.yaml", SHIPPED_CONFIG / "actions.yaml")
"""What the same log becomes depends on."""


class Tools:
    """One agent's tools, by the shipped table."""

    def __init__(self, agent: str) -> None:
        """`agent` is its name in hooks.yaml."""
        self._table = read_tables(*FILES)[agent]
        self._used: set[ActionName] = set()

    @property
    def capability(self) -> CapabilityId:
        """What its calls are proposed under."""
        return CapabilityId(self._table.capability)

    def wish(self, tool: str, given: dict[str, Any]) -> Wish:
        """Say what a call is proposed as."""
        wish = wish_of(self._table, tool, given)
        self._used.add(ActionName(wish.action))
        return wish

    def actions(self) -> tuple[Action, ...]:
        """Return the registry of what was called."""
        registry = read_policy(SHIPPED_POLICY).actions
        return tuple(registry[name] for name in sorted(self._used))
