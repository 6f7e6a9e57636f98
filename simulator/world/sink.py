"""Sinks: where a made-up world tells what happens, and hears what follows. One is a real engine's loop."""

from typing import Final, Protocol

from engine.core.policy import Policy
from engine.core.vocabulary.facts import Fact, ProposalReceived, decode
from engine.core.vocabulary.ids import decision_id
from engine.ports import Durability, Journal
from engine.runtime.loop import Loop, key_of
from simulator.recording import RecordingWriter

_BATCH: Final = 1_000
"""Records in a commit. A crash loses what was not committed, and the world tells it again."""


class Sink(Protocol):
    """Takes facts and says what follows."""

    def open(self, at_us: int) -> None:
        """Begin at this time."""

    def tell(self, fact: Fact) -> tuple[Fact, ...]:
        """Take one fact and return what follows from it; none where nobody decides."""

    def close(self) -> None:
        """Keep everything told so far."""


class Engine:
    """The real core and a journal, in simulated time: the loop that a live engine runs.

    A world that begins again on a journal of its own past hears what followed then, and goes on from there.
    """

    def __init__(self, policy: Policy, journal: Journal, *, crashes: tuple[int, ...] = ()) -> None:
        """Restore from the journal. Dies right after as many facts as `crashes` says, and begins anew."""
        self._policy, self._journal, self._crashes = policy, journal, frozenset(crashes)
        self.loop = Loop(policy, journal)
        self._known = journal.head().seq > 0
        self._waiting: list[tuple[str, Fact]] = []
        self._told = 0
        self.restarts = 0

    def open(self, at_us: int) -> None:
        """Adopt the policy, unless the journal's last one is the same."""
        self.loop.adopt(at_us)

    def tell(self, fact: Fact) -> tuple[Fact, ...]:
        """Take one fact. What follows is journalled with the next commit, and true from now on."""
        self._told += 1
        key = f"world:{self._told}"
        if self._known:
            past = self._past(key_of(fact, key), fact)
            if past is not None:
                return past
            # A journal ends with a whole batch: what comes from here on it has not seen.
            self._known = False
        followed = self.loop.offer(key, fact).facts
        self._waiting.append((key, fact))
        if self._told in self._crashes:
            self.crash()
        elif self.loop.pending >= _BATCH:
            self._commit(Durability.RELAXED)
        return followed

    def crash(self) -> None:
        """Lose everything but the journal, start again, and be told again what was lost."""
        self.restarts += 1
        self.loop = Loop(self._policy, self._journal)
        for key, fact in self._waiting:
            self.loop.offer(key, fact)

    def close(self) -> None:
        """Put everything into the journal, safely."""
        self._commit(Durability.SYNCED)

    def _commit(self, durability: Durability) -> None:
        self.loop.commit(durability)
        self._waiting.clear()

    def _past(self, key: str, fact: Fact) -> tuple[Fact, ...] | None:
        """Return what followed from a fact that the journal has under this key; `None` when it has none."""
        if self._journal.find(key) is None:
            return None
        if isinstance(fact, ProposalReceived):
            decided = self._journal.find(f"verdict:{decision_id(fact.proposal.proposal_id)}")
            return () if decided is None else (decode(decided.body),)
        found: list[Fact] = []
        while (record := self._journal.find(f"{key}:then:{len(found)}")) is not None:
            found.append(decode(record.body))
        return tuple(found)


class Nobody:
    """No engine at all: the world as it goes on by itself."""

    def open(self, at_us: int) -> None:
        """Nothing: there is nobody to prepare."""

    def tell(self, fact: Fact) -> tuple[Fact, ...]:
        """Nothing follows."""
        del fact
        return ()

    def close(self) -> None:
        """Nothing: nothing was kept."""


class Recorder(Nobody):
    """A recording: people and incumbents act, candidates only propose, and nobody decides."""

    def __init__(self, out: RecordingWriter) -> None:
        """Write to an open recording."""
        self._out = out

    def tell(self, fact: Fact) -> tuple[Fact, ...]:
        """Write it down."""
        self._out.write(fact)
        return ()
