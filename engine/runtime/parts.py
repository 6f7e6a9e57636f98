"""Parts: what a live engine is put together from."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from engine.core.policy import Policy
from engine.core.vocabulary.escalations import EscalationSettings
from engine.core.vocabulary.ids import EffectId
from engine.core.work.escalations.roster import Roster
from engine.ports import Announcer, Fence, Journal, Scrubber
from engine.runtime.clock import SteadyClock


class Ladders(Struct, frozen=True, kw_only=True):
    """How people are woken."""

    settings: EscalationSettings
    roster: Roster


class SavedSnapshot(Struct, frozen=True, kw_only=True):
    """A copy of journal, configuration and workspace that was made."""

    snapshot_id: str
    journal_seq: int
    files: int
    size_bytes: int


class Parts(Struct, frozen=True, kw_only=True):
    """What a live engine is put together from."""

    policy: Policy
    open_journal: Callable[[], Journal]
    fence: Fence
    clock: SteadyClock
    announcer: Announcer
    scrubber: Scrubber
    """Looks through everything on its way into the journal."""
    home: Path
    version: str
    lease_s: float
    start_within_s: float
    end_leftovers: Callable[[EffectId], Awaitable[None]]
    """Ends whatever still works for an effect whose worker went silent."""
    save_snapshot: Callable[[], SavedSnapshot]
    """Copies everything; takes its time, and is called on a thread of its own."""
    ladders: Ladders | None = None
    """`None` wakes nobody: for engines that nobody relies on."""
