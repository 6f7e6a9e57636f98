"""The queue of effects: what waits for a worker, and what is under way."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from engine.core.vocabulary.effects import EffectKind
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, DecisionId, EffectId, ProposalId


class Task(Struct, frozen=True, kw_only=True):
    """One effect that waits to be performed, or is under way."""

    effect_id: EffectId
    kind: EffectKind
    of: EffectId
    """What an undo takes back; the effect itself for the other kinds."""
    decision_id: DecisionId
    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    priority: int
    """The smaller goes first; one step counts as much as having waited half a minute longer."""
    queued_us: int
    idempotent: bool
    """Whether it is tried again when nobody knows how far it got."""
    force: bool = False
    """For an undo: whether it is done though the world has moved on."""
    attempts: int = 0
    """In how many leases it was begun; those given back, or lost before that, do not count. At 0 nothing was
    touched.
    """
    token: int = 0
    """The fencing token of its newest lease: it only ever rises, over all tasks."""
    worker: str = ""
    """Who holds the lease; empty when nobody does."""
    lease_until_us: int = 0
    started: bool = False
    """Whether it was begun under the lease it has, or under the one that ran out."""
    place: str = ""
    """The body, or the pool of bodies, that performs it; empty for the engine's own machine."""


class Finished(Struct, frozen=True, kw_only=True):
    """An effect that is over: its task leaves the table."""

    effect_id: EffectId


class TaskReader(Protocol):
    """The queue of effects, to look at."""

    def find(self, effect_id: EffectId) -> Task | None:
        """Return one task, or `None` when it is finished or was never there."""

    def all(self) -> list[Task]:
        """Return every task, in the order in which they would be claimed."""


class TaskTable(TaskReader, Protocol):
    """The queue of effects. Only the engine writes it; times are the engine's, microseconds since 1970."""

    def claim(
        self,
        worker: str,
        *,
        now_us: int,
        lease_us: int,
        most: int,
        passed_over: Sequence[Scope] = (),
        places: Sequence[str] = ("",),
    ) -> list[Task]:
        """Lease up to `most` waiting tasks to a worker, in order of priority and age, and return them.

        Only those for one of its `places`. Tasks that a scope in `passed_over` covers stay where they are.
        Every lease gets a token higher than any before it.
        """

    def renew(self, worker: str, tokens: Mapping[EffectId, int], *, until_us: int) -> list[EffectId]:
        """Keep leases alive; returns those that the worker has lost."""

    def start(self, effect_id: EffectId, token: int) -> Task:
        """Note that it is being begun, once a lease. Raises `LeaseLost` when the token is not the newest."""

    def give_back(self, effect_id: EffectId, token: int) -> None:
        """Let a leased task wait again, as if it had never been leased this time. Raises `LeaseLost`."""

    def requeue(self, effect_id: EffectId) -> None:
        """Let a task whose lease ran out wait again."""

    def expired(self, now_us: int) -> list[Task]:
        """Return the leased tasks whose lease has run out."""

    def unclaimed(self, before_us: int) -> list[Task]:
        """Return the tasks for bodies that wait since before that time, and that nobody holds."""
