"""The doors between the engine and the outside, as protocols: each has an adapter, a fake and one suite."""

from engine.ports.effects import (
    Fence,
    Job,
    Runner,
    Stop,
    UndoLog,
    Watch,
)
from engine.ports.journal import (
    DecisionFilter,
    DecisionsReader,
    Durability,
    Entry,
    Journal,
    JournalReader,
    Page,
    Snapshot,
)
from engine.ports.people import (
    Announcer,
    Holder,
    Tokens,
)
from engine.ports.programs import (
    Ended,
    Limits,
    Program,
    Sandbox,
    SandboxState,
)
from engine.ports.talking import (
    Linked,
    Links,
    Messages,
    Posted,
    ReplayJob,
    Replays,
    ReplayWish,
    Shelf,
    SnapshotSeen,
)
from engine.ports.tasks import (
    Finished,
    Task,
    TaskReader,
    TaskTable,
)

__all__ = [
    "Announcer",
    "DecisionFilter",
    "DecisionsReader",
    "Durability",
    "Ended",
    "Entry",
    "Fence",
    "Finished",
    "Holder",
    "Job",
    "Journal",
    "JournalReader",
    "Limits",
    "Linked",
    "Links",
    "Messages",
    "Page",
    "Posted",
    "Program",
    "ReplayJob",
    "ReplayWish",
    "Replays",
    "Runner",
    "Sandbox",
    "SandboxState",
    "Shelf",
    "Snapshot",
    "SnapshotSeen",
    "Stop",
    "Task",
    "TaskReader",
    "TaskTable",
    "Tokens",
    "UndoLog",
    "Watch",
]
