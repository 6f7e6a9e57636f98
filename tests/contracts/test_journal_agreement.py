"""Whatever is done to them, in whatever order, the journal in memory and the one in SQLite say the same."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.adapters.journal_memory import MemoryJournal
from engine.adapters.journal_sqlite import SqliteJournal, SqliteReader
from engine.core.vocabulary.chain import Head
from engine.errors import WatchkeeperError
from engine.ports import Durability, Entry, Journal, Snapshot

# Few keys and bodies, so that they meet again.
KEYS = st.sampled_from(["a", "b", "c", "d", "é", "", "\0"]) | st.text(min_size=1, max_size=3)
BODIES = st.sampled_from([b"{}", b'{"fact":"x","at_us":1}', b'{"n":"\xc3\xa9"}', b"[]", b"{", b'{"n":1}'])
ENTRIES = st.lists(st.builds(Entry, key=KEYS, body=BODIES), max_size=5)
NUMBERS = st.integers(min_value=-1, max_value=12)


class Agreement(RuleBasedStateMachine):
    """Does each thing to both journals and compares the answers, refusals included."""

    def __init__(self) -> None:
        """Make one of each, empty."""
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="journal-"))
        self.memory: Journal = MemoryJournal()
        self.sqlite: Journal = SqliteJournal(self.folder / "journal.db")

    def both(self, do: Callable[[Journal], Any]) -> Any:
        """Do the same to both and return the answer they agree on."""
        answers = [_outcome(do, journal) for journal in (self.memory, self.sqlite)]
        assert answers[0] == answers[1]
        return answers[0][1]

    @initialize(entries=ENTRIES)
    def begin(self, entries: list[Entry]) -> None:
        """Start with something in it, most of the time."""
        self.both(lambda journal: journal.append(entries))

    @rule(entries=ENTRIES, durability=st.sampled_from(Durability))
    def append(self, entries: list[Entry], durability: Durability) -> None:
        """Append new, known, clashing and impossible entries."""
        self.both(lambda journal: journal.append(entries, durability=durability))

    @rule(after=NUMBERS, until=st.none() | NUMBERS)
    def read(self, after: int, until: int | None) -> None:
        """Read any range, also backwards."""
        self.both(lambda journal: list(journal.read(after=after, until=until)))

    @rule(key=KEYS)
    def find(self, key: str) -> None:
        """Find known and unknown keys."""
        self.both(lambda journal: journal.find(key))

    @rule(seq=NUMBERS, state=st.binary(max_size=8), fits=st.booleans())
    def save_snapshot(self, seq: int, state: bytes, fits: bool) -> None:
        """Keep snapshots that fit the chain, and some that do not."""
        record = next(self.memory.read(after=seq - 1, until=seq), None)
        chain_hash = (record.hash if record else Head().hash) if fits else b"x" * 32
        self.both(lambda journal: journal.save_snapshot(Snapshot(seq, chain_hash, state)))

    @rule(seq=NUMBERS, right=st.booleans())
    def verify(self, seq: int, right: bool) -> None:
        """Verify against anchors, right ones and wrong ones."""
        record = next(self.memory.read(after=seq - 1, until=seq), None)
        anchor = Head(max(seq, 0), record.hash if record and right else Head().hash)
        self.both(lambda journal: journal.verify(anchor=anchor))

    @rule()
    def maintain(self) -> None:
        """Keep house."""
        self.both(lambda journal: journal.maintain())

    @rule()
    def reopen(self) -> None:
        """Close the file and open it again; memory cannot, so it must already be what the file remembers."""
        self.sqlite.close()
        self.sqlite = SqliteJournal(self.folder / "journal.db")

    @precondition(lambda self: self.memory.head().seq > 0)
    @rule()
    def read_beside(self) -> None:
        """Open a reader beside the writer: it sees what is committed."""
        with SqliteReader(self.folder / "journal.db") as reader:
            assert list(reader.read()) == list(self.memory.read())
            assert reader.latest_snapshot() == self.memory.latest_snapshot()

    @invariant()
    def same(self) -> None:
        """After every step they end alike."""
        self.both(lambda journal: (journal.head(), journal.latest_snapshot()))

    def teardown(self) -> None:
        """Compare everything once more and clean up."""
        try:
            self.both(lambda journal: (list(journal.read()), journal.verify()))
        finally:
            self.sqlite.close()
            shutil.rmtree(self.folder)


def _outcome(do: Callable[[Journal], Any], journal: Journal) -> tuple[str, Any]:
    try:
        return "answer", do(journal)
    except WatchkeeperError as error:
        # The place differs: one has a file.
        return type(error).__name__, error.message


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=60, stateful_step_count=30)
