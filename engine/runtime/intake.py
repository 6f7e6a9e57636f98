"""Intake: where facts of many askers become one group in the journal, and what a full disk does to that.

Nothing comes into the journal but by here, so this is where everything is looked through for what must not be
kept in clear.
"""

import asyncio
import logging
from collections.abc import Callable

from msgspec import Struct, structs

from engine.core.decide import Decisions
from engine.core.policy import Policy
from engine.core.state import State
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import Fact, TroubleFound, TroubleGone
from engine.core.vocabulary.ids import EffectId
from engine.errors import ChainBroken, StorageError, WatchkeeperError
from engine.ports import Durability, Finished, Journal, Scrubber, Task
from engine.runtime.loop import Loop

_log = logging.getLogger(__name__)

JOURNAL_TROUBLE = "journal"


class Taken(Struct, frozen=True, kw_only=True):
    """One fact that is in the journal now."""

    decisions: Decisions
    """What followed from it; nothing when the journal had it before."""
    seq: int
    """The last record it made; 0 when it made none."""


class _Waiting(Struct):
    key: str
    fact: Fact
    synced: bool
    answer: "asyncio.Future[Taken]"


class Intake:
    """The loop's one doorway. All facts that come within one turn of the event loop share one commit.

    The commit itself is made on the event loop's thread: a hop to another costs more than the sync of the
    disk, and what comes meanwhile waits in the sockets and shares the next commit.
    """

    def __init__(
        self,
        policy: Policy,
        scrubber: Scrubber,
        open_journal: Callable[[], Journal],
        now_us: Callable[[], int],
        taken: Callable[[list[Record], list[Decisions]], None],
    ) -> None:
        """Open the journal and restore state. Raises `JournalError` and `StorageError`.

        `taken` is told of each group's records, and of what followed from them.
        """
        self._policy, self._open, self._now_us, self._on_taken = policy, open_journal, now_us, taken
        self._scrubber = scrubber
        self._waiting: list[_Waiting] = []
        self.failure: WatchkeeperError | None = None
        """Why nothing can be written; `None` while all is well."""
        self._journal = open_journal()
        try:
            self._loop = self._begun()
        except BaseException:
            self._journal.close()
            raise

    @property
    def journal(self) -> Journal:
        """The journal as it is open now: after a failure it is another object."""
        return self._journal

    @property
    def state(self) -> State:
        """Everything the core knows."""
        return self._loop.state

    async def take(self, key: str, fact: Fact, *, durability: Durability = Durability.SYNCED) -> Taken:
        """Take one fact and return when it is in the journal.

        `key` is for facts that have none of their own. Raises as `Loop.offer` does, and `StorageError` while
        the journal cannot be written; then it was not taken. `InputError` says that a name holds a secret, or
        that nobody could look through a proposal.
        """
        scrubbed = self._scrubber.scrub(key, fact)
        # Long ones are looked through beside the loop, for nobody is decided on meanwhile.
        key, fact = await asyncio.to_thread(scrubbed) if callable(scrubbed) else scrubbed
        if self.failure is not None:
            raise _again(self.failure)
        # Stops and restores are stamped by other clocks. A time that is still to come would become the
        # journal's, and every window would stand still until then.
        fact = structs.replace(fact, at_us=min(fact.at_us, self._now_us()))
        running = asyncio.get_running_loop()
        waiting = _Waiting(key, fact, durability is Durability.SYNCED, running.create_future())
        if not self._waiting:
            running.call_soon(self._commit)
        self._waiting.append(waiting)
        return await waiting.answer

    def take_now(self, key: str, fact: Fact) -> Decisions:
        """Take one fact before anybody else is there to offer any, and say what follows from it.

        Nobody is told of it. Raises as `take` does.
        """
        return self._loop.feed([self._looked_through(key, fact)])[0]

    def _looked_through(self, key: str, fact: Fact) -> tuple[str, Fact]:
        scrubbed = self._scrubber.scrub(key, fact)
        return scrubbed() if callable(scrubbed) else scrubbed

    def enqueue(self, task: Task) -> None:
        """Put a task into the table that follows from no fact. Raises `StorageError`."""
        self._journal.append([], tasks=[task])

    def dequeue(self, effect_id: EffectId) -> None:
        """Take such a task out again. Raises `StorageError`."""
        self._journal.append([], tasks=[Finished(effect_id=effect_id)])

    def _commit(self) -> None:
        group, self._waiting = self._waiting, []
        offered: list[tuple[_Waiting, Decisions, int]] = []
        before = self._loop.pending
        for one in group:
            try:
                decisions = self._loop.offer(one.key, one.fact)
            except WatchkeeperError as refused:
                _fail(one.answer, refused)
                continue
            except Exception as bug:  # noqa: BLE001 - whoever asked gets an answer, and people are told
                # State may be half changed. All of the group is dropped, and state restored from the journal.
                _log.exception("deciding on %s failed", one.key or type(one.fact).__name__)
                self._give_up(StorageError(f"the engine failed with {type(bug).__name__}"), group)
                return
            offered.append((one, decisions, self._loop.pending - before))
            before = self._loop.pending
        synced = any(one.synced for one, _, _ in offered)
        try:
            records = self._loop.commit(Durability.SYNCED if synced else Durability.RELAXED)
        except WatchkeeperError as failure:
            # State is ahead of the journal now. Nothing may be decided on it until it is restored.
            self._give_up(failure, [one for one, _, _ in offered])
            return
        place = 0
        for one, decisions, made in offered:
            place += made
            if not one.answer.done():
                one.answer.set_result(Taken(decisions=decisions, seq=records[place - 1].seq if made else 0))
        self._on_taken(records, [decisions for _, decisions, _ in offered])

    def _give_up(self, failure: WatchkeeperError, group: list[_Waiting]) -> None:
        self.failure = failure
        for one in group:
            _fail(one.answer, _again(failure))

    async def recover(self) -> bool:
        """Try to write again after a failure. Says whether it went well.

        The journal is opened anew, for after a failed sync the open file can promise nothing. State is
        restored from it, and what went wrong is journaled.
        """
        failure = self.failure
        if failure is None:
            return True
        if isinstance(failure, ChainBroken):
            return False
        self._journal.close()
        try:
            self._journal = self._open()
            self._loop = self._begun()
            now_us = self._now_us()
            found = TroubleFound(at_us=now_us, trouble=JOURNAL_TROUBLE, detail=failure.message)
            gone = TroubleGone(at_us=now_us, trouble=JOURNAL_TROUBLE, by="engine")
            told = [(f"trouble:journal:{now_us}", found), (f"trouble:journal:{now_us}:gone", gone)]
            self._loop.feed([self._looked_through(key, fact) for key, fact in told])
        except WatchkeeperError as again:
            self.failure = again
            return False
        self.failure = None
        return True

    def snapshot(self) -> None:
        """Write state down, so that the next start is quick. Raises `StorageError`."""
        if self.failure is None:
            self._loop.snapshot()

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _begun(self) -> Loop:
        loop = Loop(self._policy, self._journal, performing=True)
        loop.adopt(self._now_us())
        return loop


def _fail(answer: "asyncio.Future[Taken]", error: WatchkeeperError) -> None:
    if not answer.done():
        answer.set_exception(error)


def _again(failure: WatchkeeperError) -> WatchkeeperError:
    """Make a fresh error of the same failure: one that was raised twice carries two tracebacks."""
    kind = type(failure) if isinstance(failure, StorageError | ChainBroken) else StorageError
    return kind(failure.message, place=failure.place, cure=failure.cure)
