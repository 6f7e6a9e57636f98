"""The doors between the engine and the outside, as protocols: each has an adapter, a fake and one suite."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.chain import Head, Record
from engine.core.vocabulary.effects import EffectKind, Result
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, DecisionId, EffectId, ProposalId
from engine.core.vocabulary.verdicts import Word


class Durability(Enum):
    """What an append promises when it returns."""

    SYNCED = "synced"
    """On disk: survives a power cut. For facts that authorise an effect."""
    RELAXED = "relaxed"
    """Handed to the operating system: survives `kill -9`, not a power cut, until the next synced append."""


class Entry(Struct, frozen=True):
    """One fact on its way into the journal."""

    key: str
    """Idempotency key: appending the same key again changes nothing and returns the first record."""
    body: bytes
    """The fact in canonical JSON."""


class Snapshot(Struct, frozen=True):
    """State as it was after a record, so that a start need not fold the whole journal."""

    seq: int
    chain_hash: bytes
    """The hash of that record: a snapshot of another history is refused."""
    state: bytes


class JournalReader(Protocol):
    """The reading side of a journal. Other processes hold this one while the engine holds the writer."""

    def head(self) -> Head:
        """Return the last record's sequence number and hash."""

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[Record]:
        """Yield records with `after < seq <= until` in order.

        `until=None` means to the head as it is at the call; later records are not waited for. Hashes are not
        recomputed: that is what `verify` is for.
        """

    def find(self, key: str) -> Record | None:
        """Return the record with this idempotency key, or `None`."""

    def latest_snapshot(self) -> Snapshot | None:
        """Return the newest snapshot whose bytes and place in the chain check out, or `None`."""

    @property
    def tasks(self) -> "TaskReader":
        """The effects that wait or are under way."""

    def verify(self, *, anchor: Head | None = None) -> Head:
        """Recompute every hash from the stored bytes and return the head.

        With an anchor (a head written down elsewhere earlier) a shortened or rewritten journal is found too.
        Raises `ChainBroken` naming the first record that does not fit.
        """

    def close(self) -> None:
        """Finish waiting appends and release the file. Closing twice is harmless."""


class Journal(JournalReader, Protocol):
    """The append-only, hash-chained log of all facts. One writer, any number of readers."""

    def append(
        self,
        entries: Sequence[Entry],
        *,
        durability: Durability = Durability.SYNCED,
        tasks: "Sequence[Task | Finished]" = (),
    ) -> list[Record]:
        """Append all entries or none and return their records, in order.

        In the same transaction `tasks` are put into the task table, or taken out of it where they are
        finished: there is no moment at which an effect is authorised and forgotten. A task that the table
        has already stays as it is.

        Safe to call from many threads: whoever comes while a commit runs shares the next one. An entry whose
        key is known returns the record it already has, if the body is the same too.

        Raises `InputError` when an entry cannot be kept as it is (an empty or oversized key, a body that is
        not one line of JSON), `JournalError` when a key is reused for another body, and `StorageError` when
        the disk refuses; then nothing was appended.
        """

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; the newest few stay. Raises `JournalError` when it does not fit the chain."""

    def maintain(self) -> None:
        """Do the housekeeping that would slow appends down. The loop calls it when it has nothing to do."""

    @property
    def tasks(self) -> "TaskTable":
        """The effects that wait or are under way."""


class Announcer(Protocol):
    """Tells people at once, by whatever is at hand. It never raises: a full disk must not stop a stop."""

    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        """Say one thing, in one line: what kind (`stopped`, `waiting`, `restarted`, `trouble`) and what."""


# ---------------------------------------------------------------- tasks


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
    """How often it was leased."""
    token: int = 0
    """The fencing token of its newest lease: it only ever rises, over all tasks."""
    worker: str = ""
    """Who holds the lease; empty when nobody does."""
    lease_until_us: int = 0
    started: bool = False
    """Whether it was begun under the lease it has, or under the one that ran out."""


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
        self, worker: str, *, now_us: int, lease_us: int, most: int, passed_over: Sequence[Scope] = ()
    ) -> list[Task]:
        """Lease up to `most` waiting tasks to a worker, in order of priority and age, and return them.

        Tasks that a scope in `passed_over` covers stay where they are. Every lease gets a token higher than
        any before it.
        """

    def renew(self, worker: str, tokens: Mapping[EffectId, int], *, until_us: int) -> list[EffectId]:
        """Keep leases alive; returns those that the worker has lost."""

    def start(self, effect_id: EffectId, token: int) -> Task:
        """Note that it is being begun. Raises `LeaseLost` when the token is not the newest."""

    def give_back(self, effect_id: EffectId, token: int) -> None:
        """Let a leased task wait again, as if it had never been leased. Raises `LeaseLost`."""

    def requeue(self, effect_id: EffectId) -> None:
        """Let a task whose lease ran out wait again."""

    def expired(self, now_us: int) -> list[Task]:
        """Return the leased tasks whose lease has run out."""


# ---------------------------------------------------------------- effects


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


# ---------------------------------------------------------------- programs


class Limits(Struct, frozen=True, kw_only=True):
    """The most that one program may use, together with everything it starts."""

    memory_mib: int
    pids: int
    """Processes and threads."""
    cpus: float
    """Cores, over time."""
    output_kib: int
    """Of what it prints is kept, and as much again of what it prints as errors."""
    disk_mib: int
    """The largest file it may write, and the room in its temporary folder."""
    wall_us: int
    """When it is ended by force."""


class Program(Struct, frozen=True, kw_only=True):
    """One program to run within a sandbox."""

    effect_id: EffectId
    argv: tuple[str, ...]
    environment: dict[str, str] = {}
    """On top of the few variables every program gets. Nothing of our own environment is passed on."""
    stdin: bytes = b""
    workspace: Path
    """The folder it works in and may change, seen as `/workspace` from within."""
    read_only_workspace: bool = False
    """Whether it may only look at that, for a dry run."""
    read_only: tuple[Path, ...] = ()
    """Further files and folders it may read, seen under their own paths."""
    network: tuple[str, ...] = ()
    """The hosts it may reach, `name:port`; none when empty."""
    limits: Limits


class Ended(Struct, frozen=True, kw_only=True):
    """How a program ended. Nothing that it started is left."""

    why: Literal["exited", "timed out", "out of memory", "too much output", "killed"]
    """`killed`: ended by a signal that was not ours to send."""
    status: int | None
    """Its exit status; a signal's number below zero; `None` when we ended it."""
    output: str
    errors: str
    cut_bytes: int = 0
    """How much of both was not kept; a note stands where it was."""
    execution_time_s: float


class SandboxState(Struct, frozen=True, kw_only=True):
    """How a sandbox is doing, for `watchkeeper doctor`."""

    backend: str
    """`docker`, `bubblewrap`, `none`; `refusing` when there is no way to run programs."""
    working: bool
    why: str
    """What it is, or why it does not work."""
    cure: str = ""
    not_limited: tuple[str, ...] = ()
    """What this backend does not limit on this machine, a sentence each."""


class Sandbox(Protocol):
    """Something that runs programs and keeps them from everything that is not theirs."""

    @property
    def workspace(self) -> str:
        """Where a program finds its workspace; empty when it is where it is."""

    @property
    def python(self) -> str:
        """The Python 3 that a program finds within."""

    def describe(self) -> SandboxState:
        """Try it and say how it is doing. Takes up to a few seconds the first time."""

    async def run(self, program: Program, watch: Watch) -> Ended:
        """Run a program to its end. Cancelling this ends everything it started before it returns.

        Raises `Stopped` behind a stop, and `EffectRefused` when it cannot be run as asked; nothing ran then.
        Raises `StorageError` when something it started would not end.
        """

    def close(self) -> None:
        """Let go of what the sandbox itself holds. Closing twice is harmless."""


# ---------------------------------------------------------------- tokens


class Holder(Struct, frozen=True, kw_only=True):
    """Whom a token speaks for."""

    token_id: str
    """Names the token without giving it away; safe to show and to log."""
    kind: Literal["agent", "person"]
    name: str
    role: Literal["viewer", "responder", "captain"] | None = None
    """What a person may do; `None` for an agent."""
    capabilities: tuple[str, ...] = ()
    """For an agent: patterns of the capabilities it may propose under, such as `heal@*`."""


class Tokens(Protocol):
    """Who may come in."""

    def holder_of(self, token: str) -> Holder | None:
        """Return whom a token speaks for, or `None` when it is wrong, revoked or past its time.

        Takes as long for an id that exists as for one that does not. Raises `StorageError` or `InputError`
        when nobody can say: then nobody comes in.
        """


# ---------------------------------------------------------------- decisions to look through


class DecisionFilter(Struct, frozen=True, kw_only=True):
    """Which decisions are wanted; `None` takes all."""

    agent: AgentId | None = None
    capability: CapabilityId | None = None
    """With its version, or the name alone for every version."""
    action: ActionName | None = None
    word: Word | None = None
    since_us: int | None = None
    """Decided at this time or later."""
    until_us: int | None = None
    """Decided before this time."""


class Page(Struct, frozen=True, kw_only=True):
    """Some records, the newest first."""

    records: tuple[Record, ...]
    before: int | None
    """Where the next page begins; `None` when there is none. A page may be empty and still have a next one:
    how far back one question looks is bounded."""


class DecisionsReader(JournalReader, Protocol):
    """A journal that can be looked through, the newest first. A question may take long: ask in a thread."""

    def decisions(self, wanted: DecisionFilter, *, before: int | None = None, most: int = 50) -> Page:
        """Return records of verdicts; `before` is where the page before ended."""

    def facts(self, tag: str, *, before: int | None = None, most: int = 50) -> Page:
        """Return records of one kind of fact, such as `snapshot_saved`."""

    def with_prefix(self, prefix: str) -> list[Record]:
        """Return the records whose key begins so, in the order of the journal. Quick."""
