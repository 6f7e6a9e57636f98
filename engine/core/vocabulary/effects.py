"""Requests to the world with no choices left in them."""

from typing import Any

from msgspec import Struct

from engine.core.vocabulary.ids import ActionName, DecisionId, Digest
from engine.core.vocabulary.verdicts import Wait


class PerformAction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Run one allowed action, exactly as it was decided."""

    decision_id: DecisionId
    action: ActionName
    args: dict[str, Any]
    digest: Digest
    """Must match the arguments at the moment of execution."""
    undo: str | None
    """The action that takes it back; `None` means it cannot be undone."""

    @property
    def idempotency_key(self) -> str:
        """The same decision is never performed twice."""
        return self.decision_id


class AskPeople(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Tell people that a decision waits for them."""

    decision_id: DecisionId
    waits: tuple[Wait, ...]
    summary: str

    @property
    def idempotency_key(self) -> str:
        """The same question is asked once."""
        return f"ask:{self.decision_id}"


Effect = PerformAction | AskPeople
