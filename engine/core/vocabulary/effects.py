"""Requests to the world with no choices left in them, and what came of them."""

from typing import Any, Literal

from msgspec import Struct

from engine.core.vocabulary.actions import Running
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    Digest,
    EffectId,
    ProposalId,
)
from engine.core.vocabulary.verdicts import Wait

EffectKind = Literal["perform", "undo", "preview"]
"""`perform` does what was allowed, `undo` takes it back, `preview` only says what would happen."""

EffectStatus = Literal["done", "failed", "unknown", "stopped", "refused"]
"""How it ended. `unknown`: interrupted, and nobody can say how far it got. `stopped`: ended by the kill
switch or a veto. `refused`: it never began."""


class Result(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a runner has to say at the end, output capped and secrets taken out."""

    success: bool
    output: str = ""
    error: str = ""
    """Empty when it succeeded."""
    execution_time_s: float


class PerformAction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Run one allowed action, exactly as it was decided."""

    decision_id: DecisionId
    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    args: dict[str, Any]
    digest: Digest
    """Must match the arguments at the moment of execution."""
    undo: str | None
    """The action that takes it back; `None` means it cannot be undone."""
    run: Running
    priority: int
    """Which of two waiting ones goes first: the smaller."""

    @property
    def idempotency_key(self) -> str:
        """The same decision is never performed twice."""
        return self.decision_id


class PerformHeld(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Run one action that was held, now that people approved it.

    Its arguments are the proposal's: whoever performs it reads them there, and checks their digest.
    """

    decision_id: DecisionId
    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    digest: Digest
    """Must match the arguments at the moment of execution."""
    undo: str | None
    """The action that takes it back; `None` means it cannot be undone."""
    run: Running

    @property
    def idempotency_key(self) -> str:
        """The same decision is never performed twice."""
        return self.decision_id


class TakeBack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Undo one effect, from what was saved before it began."""

    effect_id: EffectId
    of: EffectId
    """The effect to take back: a decision's own, or an earlier undo."""
    decision_id: DecisionId
    """The decision it all began with."""
    proposal_id: ProposalId
    agent: AgentId
    """Whose effect is taken back."""
    capability: CapabilityId
    action: ActionName
    by: str
    """Who wants it taken back; the engine itself after a failure."""
    force: bool
    """Whether to take it back even though the world has moved on since."""

    @property
    def idempotency_key(self) -> str:
        """The same undo is never done twice."""
        return self.effect_id


class AskPeople(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Tell people that a decision waits for them."""

    decision_id: DecisionId
    waits: tuple[Wait, ...]
    summary: str

    @property
    def idempotency_key(self) -> str:
        """The same question is asked once."""
        return f"ask:{self.decision_id}"


Effect = PerformAction | PerformHeld | TakeBack | AskPeople
