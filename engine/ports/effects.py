"""Performing effects: the fence before them, what stands beside them, who performs them, what undoes them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, DecisionId, EffectId


class Stop(Struct, frozen=True, kw_only=True):
    """One stop of the fence."""

    scope: Scope
    by: str
    reason: str
    at_us: int


class Fence(Protocol):
    """The durable stop set. It lies outside the engine, so that anybody can set it with the engine dead."""

    def stops(self) -> tuple[Stop, ...]:
        """Return the stops that stand. What cannot be read counts as a stop of everything."""

    def set(self, stop: Stop) -> None:
        """Put a stop up. It is durable, and nothing it covers begins any more, when this returns.

        Setting it again changes nothing. Raises `StorageError` when the disk refuses.
        """

    def clear(self, scope: Scope) -> None:
        """Take one stop down; wider and narrower ones stay."""

    def starting(
        self, agent: AgentId, capability: CapabilityId, action: ActionName
    ) -> AbstractContextManager[None]:
        """Hold the fence open for the moment in which an effect begins. Raises `Stopped` behind a stop."""


class Watch(Protocol):
    """What stands beside one effect while it is under way, so that it can be stopped from anywhere."""

    def starting(self) -> AbstractContextManager[None]:
        """Surround the very moment at which the world is first touched. Raises `Stopped` behind a stop.

        Short: whoever sets a stop waits until everybody has left this block.
        """

    def process(self, pid: int) -> None:
        """Say that a process, the first of its own process group, now works for this effect."""

    def container(self, container_id: str) -> None:
        """Say that a container now works for this effect."""


class UndoLog(Protocol):
    """What is kept so that effects can be taken back."""

    def save(self, effect_id: EffectId, record: Mapping[str, Any], blobs: Mapping[str, bytes | Path]) -> None:
        """Keep a record and its blobs, on disk before this returns. Saving again replaces it.

        Raises `StorageError`: then the effect must not begin.
        """

    def load(self, effect_id: EffectId) -> dict[str, Any] | None:
        """Return a record, or `None` when there is none or it was let go to make room."""

    def blob(self, effect_id: EffectId, name: str) -> Path:
        """Return where one blob of a record lies."""


class Unfinished(Struct, frozen=True, kw_only=True):
    """One effect that the engine has not heard the end of, as a body wrote it down."""

    effect_id: EffectId
    token: int
    stage: Literal["asked", "begun", "ended"]
    """`asked`: nothing was touched. `begun`: from here on something may have been."""
    status: EffectStatus = "unknown"
    result: Result | None = None
    """`None` until it has ended."""


class Notes(Protocol):
    """What a body must not forget, whatever becomes of it: which effects it began, and how they ended."""

    def ask(self, effect_id: EffectId, token: int) -> None:
        """Note that the engine is about to be asked whether it may begin."""

    def begin(self, effect_id: EffectId, token: int) -> None:
        """Note, on disk, that the world may be touched now. Raises `StorageError`: then it must not be."""

    def end(self, effect_id: EffectId, token: int, status: EffectStatus, result: Result) -> None:
        """Note, on disk, how it ended. Raises `StorageError`."""

    def forget(self, effect_id: EffectId, token: int) -> None:
        """Let go of one that the engine knows the end of. What is noted under a newer lease stays."""

    def unfinished(self) -> list[Unfinished]:
        """Return all that was not let go of."""

    def deadlines(self, by_effect: Mapping[EffectId, float]) -> None:
        """Note until when each lease surely holds, by the clock of `Apart`, for who ends what outlives it."""


class Job(Struct, frozen=True, kw_only=True):
    """One effect as a runner gets it."""

    effect_id: EffectId
    decision_id: DecisionId
    agent: AgentId
    capability: CapabilityId
    action: Action
    """Its `run` is never `None` here."""
    args: dict[str, Any]
    workspace: Path
    """The folder it works in; relative paths begin here."""
    watch: Watch
    undo: UndoLog


class Runner(Protocol):
    """One way to perform actions. Cancelling any of these ends what it began before it returns."""

    def check(self, action: Action) -> None:
        """Check an action's `run.settings` when the registry is loaded. Raises `PolicyError`."""

    async def preview(self, job: Job) -> Result:
        """Say what would happen, and let nothing happen."""

    async def perform(self, job: Job) -> Result:
        """Save what undo needs, then do it. Never longer than `run.timeout_us`.

        What goes wrong while it runs is a `Result` without success. Raises `EffectRefused`, and only before
        anything was touched.
        """

    async def undo(self, job: Job, of: EffectId, *, force: bool) -> Result:
        """Take back the effect `of`, from its record in `job.undo`; `job.effect_id` gets one of its own.

        Raises `WorldMovedOn` with the difference when something has changed since, unless forced, and
        `EffectRefused` when there is nothing left to undo it with.
        """
