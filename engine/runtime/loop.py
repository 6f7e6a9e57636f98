"""The loop: append → evolve → decide → append. One fact at a time, in the order of the journal."""

import hashlib
from contextlib import suppress
from functools import partial
from itertools import count

from msgspec import ValidationError, structs

from engine.core.decide import Decisions, follow
from engine.core.evolve import evolve
from engine.core.policy import Policy, Remembered
from engine.core.state import State, decode_state, encode_state
from engine.core.vocabulary.chain import Head, Record, link
from engine.core.vocabulary.facts import (
    IMPORTED_FACTS,
    OWN_FACTS,
    AnyFact,
    ContestDecided,
    ContestOpened,
    ContestUndecided,
    EffectEnded,
    Fact,
    HoldEnded,
    ProposalReceived,
    SnapshotTaken,
    UndoRequested,
    VerdictReached,
    VoteClosed,
    decode,
    encode,
)
from engine.core.vocabulary.ids import Digest, ProposalId
from engine.core.vocabulary.proposals import Proposal
from engine.core.work.endings import ENGINE
from engine.errors import ChainBroken, InputError, JournalError, WatchkeeperError
from engine.ports import Durability, Entry, Finished, Journal, JournalReader, Snapshot, Task
from engine.runtime.bodies import body_behind
from engine.runtime.contest_keys import contest_key
from engine.runtime.outbox import THEN, tasks_of


def key_of(fact: Fact, otherwise: str) -> str:  # noqa: PLR0911 - one answer for each kind of fact
    """Return a fact's idempotency key: its own where it has one, else the one given.

    A proposal is received once and decided once, a hold and an effect end once; everything else may happen
    again.
    """
    if isinstance(fact, ProposalReceived):
        return f"proposal:{fact.proposal.proposal_id}"
    if isinstance(fact, VerdictReached):
        return f"verdict:{fact.verdict.decision_id}"
    if isinstance(fact, EffectEnded) and fact.kind != "preview":
        return f"ended:{fact.effect_id}"
    if isinstance(fact, UndoRequested):
        return f"undo:{fact.effect_id}"
    if isinstance(fact, VoteClosed):
        return f"vote-closed:{fact.decision_id}"
    if isinstance(fact, ContestOpened | ContestUndecided | ContestDecided):
        return contest_key(fact)
    if isinstance(fact, HoldEnded):
        # A decision may be held before anything runs, and each of its effects when nobody knows its end.
        return f"held:{fact.decision_id}" if fact.effect_id is None else f"looked:{fact.effect_id}"
    return otherwise


def follows(record: Record, fact: Fact) -> bool:
    """Whether a record holds what followed from the one before it, rather than something told.

    A replay leaves these out, and comes to its own.
    """
    if isinstance(fact, UndoRequested):
        return fact.by == ENGINE
    own = VerdictReached | HoldEnded | VoteClosed | ContestOpened | ContestUndecided | ContestDecided
    return isinstance(fact, own) or THEN in record.key


class Loop:
    """The core with a memory. Starts from the newest snapshot and the journal's tail, then takes facts.

    Facts are offered one by one and committed together: whoever comes while a commit runs shares the next.
    """

    def __init__(self, policy: Policy, journal: Journal, *, performing: bool = False) -> None:
        """Restore state. Raises `JournalError` when the journal holds what this version cannot read.

        Only when `performing` do effects become tasks that somebody will carry out; a replay into a journal
        must leave none behind.
        """
        self._policy, self._journal, self._performing = policy, journal, performing
        self._remembered = Remembered()
        self.state, self.restored_from = restore(journal)
        self._entries: list[Entry] = []
        self._taken: dict[str, bytes] = {}
        self._tasks: list[Task | Finished] = []

    def adopt(self, at_us: int) -> None:
        """Journal which policy decides from now on, unless it is the one that already does."""
        if self.state.policy_hash != self._policy.policy_hash:
            fact = self._policy.adopted(at_us)
            seq = self._journal.head().seq + 1
            self._journal.append([Entry(f"policy:{seq}", encode(fact))])
            evolve(self.state, fact)

    def feed(
        self, facts: list[tuple[str, Fact]], *, durability: Durability = Durability.SYNCED
    ) -> list[Decisions]:
        """Take facts, each with a key for where it has none of its own, and return what follows from each.

        All of them and the verdicts on them are in the journal when this returns, and only then may an effect
        start. Raises as `offer` and `commit` do; then none of them was taken, and state is as the journal has
        it, but for this batch: build a new loop.
        """
        try:
            decided = [self.offer(otherwise, told) for otherwise, told in facts]
        except WatchkeeperError:
            self._forget()
            raise
        self.commit(durability)
        return decided

    def offer(self, otherwise: str, told: Fact) -> Decisions:
        """Take one fact into state and say what follows from it; `commit` puts it into the journal.

        A fact the journal has under its key already changes nothing, and nothing new follows from it: whoever
        sends it again gets no second effect. Raises `JournalError` for a key that belongs to another fact and
        `InputError` for a fact only the engine may state, and while performing for one that only an imported
        history may hold; then nothing changed.
        """
        if isinstance(told, OWN_FACTS):
            raise InputError(
                "only the engine itself adopts policies, decides and takes snapshots",
                cure="leave such facts out",
            )
        if self._performing and isinstance(told, IMPORTED_FACTS):
            raise InputError(
                "nobody is promoted or demoted here by word alone",
                place=told.capability,
                cure="a captain asks, and evidence decides: watchkeeper canary promote, or abort",
            )
        # A clock may be set back; the journal's time never goes back, for windows and holds count on it.
        given = structs.replace(told, at_us=max(told.at_us, self.state.now_us))
        key, body = key_of(given, otherwise), encode(given)
        if self._known(key, body):
            return Decisions()
        # Decided on is what was written, where the keys of maps are sorted: a replay reads nothing else.
        fact = decode(body)
        self._take(key, body, fact)
        nth = count()

        def take(consequence: Fact) -> None:
            self._take(key_of(consequence, f"{key}{THEN}{next(nth)}"), encode(consequence), consequence)

        decisions = follow(self._policy, self.state, fact, take, self._remembered)
        if self._performing:
            where = partial(body_behind, self._journal)
            self._tasks += tasks_of(decisions.effects, fact.at_us, self._asked, where)
        return decisions

    def commit(self, durability: Durability = Durability.SYNCED) -> list[Record]:
        """Put everything offered since the last commit into the journal, and its effects into the task table.

        Raises `StorageError` when the disk refuses; then state is ahead of the journal: build a new loop.
        """
        entries, tasks = self._entries, self._tasks
        self._forget()
        return self._journal.append(entries, durability=durability, tasks=tasks) if entries else []

    @property
    def pending(self) -> int:
        """How many records the next commit makes."""
        return len(self._entries)

    def _take(self, key: str, body: bytes, fact: Fact) -> None:
        self._taken[key] = body
        self._entries.append(Entry(key, body))
        if isinstance(fact, EffectEnded):
            self._tasks.append(Finished(effect_id=fact.effect_id))
        evolve(self.state, fact)

    def _forget(self) -> None:
        self._entries, self._taken, self._tasks = [], {}, []

    def _known(self, key: str, body: bytes) -> bool:
        """Whether this very fact was taken before. Another one under its key must not pass for it."""
        record = self._journal.find(key) if key not in self._taken else None
        before = self._taken.get(key) if record is None else record.body
        if before is not None and not _same(before, body):
            raise JournalError(
                f"the key {key!r} belongs to another fact", cure="give every fact a key of its own"
            )
        return before is not None

    def _asked(self, proposal_id: ProposalId) -> Proposal | None:
        """Return a proposal that was taken before; `None` when the journal lacks it."""
        key = f"proposal:{proposal_id}"
        record = self._journal.find(key) if key not in self._taken else None
        body = self._taken.get(key) if record is None else record.body
        fact = decode(body) if body is not None else None
        return fact.proposal if isinstance(fact, ProposalReceived) else None

    def snapshot(self) -> Snapshot:
        """Keep state as it is now, so that the next start need not fold what came before.

        The journal gets the hash of the snapshot first: whoever can write the file could otherwise put
        another state beside an honest chain.
        """
        head, body = self._journal.head(), encode_state(self.state)
        vouched = SnapshotTaken(at_us=self.state.now_us, seq=head.seq, state_hash=_digest(body))
        self._journal.append([Entry(_snapshot_key(head.seq), encode(vouched))])
        snapshot = Snapshot(seq=head.seq, chain_hash=head.hash, state=body)
        self._journal.save_snapshot(snapshot)
        return snapshot


def _same(one: bytes, other: bytes) -> bool:
    """Whether two facts are the same but for their time: one that is sent again is stamped again."""
    return structs.replace(decode(one), at_us=0) == structs.replace(decode(other), at_us=0)


def restore(journal: JournalReader) -> tuple[State, int]:
    """Fold the newest snapshot the chain vouches for and the journal's tail.

    Returns state and the snapshot's sequence number: 0 when everything was folded from the first record. The
    tail is checked against the chain on the way. A snapshot that the chain does not vouch for, or of another
    version of state, is passed over: the journal alone is the truth. Raises `ChainBroken` and `JournalError`.
    """
    state, start = State(), Head()
    snapshot = journal.latest_snapshot()
    if snapshot is not None and _vouched(journal, snapshot):
        with suppress(ValidationError):
            state, start = decode_state(snapshot.state), Head(snapshot.seq, snapshot.chain_hash)
    before = start.hash
    for record in journal.read(after=start.seq):
        if record.prev != before or link(before, record.seq, record.key, record.body) != record.hash:
            raise ChainBroken(
                f"record {record.seq} does not follow the one before it", cure="watchkeeper journal verify"
            )
        evolve(state, fact_of(record))
        before = record.hash
    return state, start.seq


def _vouched(journal: JournalReader, snapshot: Snapshot) -> bool:
    record = journal.find(_snapshot_key(snapshot.seq))
    fact = fact_of(record) if record is not None else None
    return isinstance(fact, SnapshotTaken) and fact.state_hash == _digest(snapshot.state)


def _snapshot_key(seq: int) -> str:
    return f"snapshot:{seq}"


def _digest(body: bytes) -> Digest:
    return Digest(hashlib.sha256(body).hexdigest())


def fact_of(record: Record) -> AnyFact:
    """Decode a record's fact. Raises `JournalError` naming a record this version cannot read."""
    try:
        return decode(record.body)
    except ValidationError as unreadable:
        raise JournalError(
            f"record {record.seq} cannot be read: {unreadable}", cure="read it with the version that wrote it"
        ) from unreadable
