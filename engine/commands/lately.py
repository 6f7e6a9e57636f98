"""Lately: what a journal says of the last days, read on from where the last look ended.

What is newest is known at once; how it was before is read backwards, a piece at each look. So nobody waits
for a walk through a long journal, and what is shown says how far back it goes.
"""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import Fact, decode, tag_of
from engine.core.vocabulary.units import DAY_US
from engine.errors import JournalError
from engine.ports import DecisionsReader

DAYS: Final = 7
"""How far back is counted where nobody says otherwise."""
PIECE: Final = 2_000
"""Facts read at one look: some hundredths of a second."""
_FURTHEST: Final = 20_000
"""When more records than this came since the last look, reading begins anew from the newest one."""

_Answer = TypeVar("_Answer")
Take = Callable[[int, Fact, DecisionsReader], None]
"""Counts one fact; gets the number of its record, and the journal to look something up by its key."""


class Lately:
    """Keeps up with the facts of some kinds. Safe from many threads."""

    def __init__(self, kinds: tuple[type[Fact], ...], *, begin: Callable[[], Take], days: int = DAYS) -> None:
        """`begin` forgets what was counted and returns what counts from then on, in no certain order."""
        self._tags = tuple(tag_of(kind) for kind in kinds)
        self._begin, self._span_us = begin, days * DAY_US
        self._one = threading.Lock()
        self._anew(0, b"")

    def look(self, journal: DecisionsReader, now_us: int) -> bool:
        """Read what was added, and one piece more of what was before; say whether anything is left to read.

        Raises as reading a journal does, `JournalError` for a record that this version cannot read.
        """
        with self._one:
            head = journal.head()
            if not self._goes_on(journal, head.seq):
                self._anew(head.seq, head.hash)
            self._forward(journal, head.seq, head.hash)
            if not self._is_done:
                self._backward(journal, now_us - self._span_us)
            return not self._is_done

    def read(self, question: Callable[[], _Answer]) -> tuple[_Answer, int | None]:
        """Ask about what was counted, while nothing is being counted.

        With the answer comes from when on everything is counted; `None` once that is as far as was asked for.
        """
        with self._one:
            return question(), None if self._is_done else self._reached_us

    def _anew(self, head: int, hash_: bytes) -> None:
        self._take = self._begin()
        self._top, self._hash, self._bottom = head, hash_, head + 1
        self._is_done, self._reached_us = head == 0, 0

    def _goes_on(self, journal: DecisionsReader, head: int) -> bool:
        """Whether this is the journal that was read: a restored one may be shorter, or another."""
        if not self._top or not 0 <= head - self._top <= _FURTHEST:
            return False
        found = journal.read(after=self._top - 1, until=self._top)
        return [record.hash for record in found] == [self._hash]

    def _forward(self, journal: DecisionsReader, head: int, hash_: bytes) -> None:
        before: int | None = head + 1
        while before is not None and self._top < head:
            page = journal.facts(*self._tags, before=before, most=PIECE, after=self._top)
            for record in page.records:
                self._take(record.seq, _fact(record), journal)
            before = page.before
        self._top, self._hash = head, hash_

    def _backward(self, journal: DecisionsReader, since_us: int) -> None:
        page = journal.facts(*self._tags, before=self._bottom, most=PIECE)
        for record in page.records:
            fact = _fact(record)
            if fact.at_us < since_us:
                self._is_done = True
                return
            self._take(record.seq, fact, journal)
            self._reached_us = fact.at_us
        self._is_done = page.before is None
        self._bottom = page.before or 0


def _fact(record: Record) -> Fact:
    try:
        return decode(record.body)
    except msgspec.DecodeError as unreadable:
        raise JournalError(
            f"record {record.seq} cannot be read: {unreadable}", cure="read it with the version that wrote it"
        ) from unreadable
