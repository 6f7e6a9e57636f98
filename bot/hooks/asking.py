"""Asking: what a hook needs to know of a decision, wherever the engine is."""

from typing import Protocol

from msgspec import Struct

from engine.core.tool_calls import Wish


class Said(Struct, frozen=True, kw_only=True):
    """Where a decision stands."""

    proposal_id: str
    decision_id: str
    word: str
    status: str
    shadowed: bool
    reasons: tuple[str, ...]
    """Why it does not simply go ahead, the strictest first."""
    askable: bool
    """Whether one responder's word is all it waits for."""
    policy_hash: str
    link: str = ""
    """Where a person sees it; empty where no console runs."""


class Engine(Protocol):
    """Who decides: a running service, or the engine in this process."""

    def propose(self, wish: Wish, *, capability: str, episode: str, rationale: str, key: str) -> Said:
        """Propose something."""

    def known(self, proposal_id: str) -> Said | None:
        """Say where an earlier proposal stands; `None` when there is none."""

    def stopped(self, wish: Wish, capability: str) -> str:
        """Say which stop covers it now; empty when none does."""

    def report(self, proposal_id: str, *, ok: bool, detail: str, at_prompt: bool) -> None:
        """Say what came of something, and whether somebody at the agent's own prompt was asked about it."""

    def close(self) -> None:
        """Let go of everything."""
