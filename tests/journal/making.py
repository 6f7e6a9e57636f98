"""What the journal's tests are made of: facts with every shape of body, and files with many records."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import KillSwitchSet, MessageObserved, MetricObserved, Scope, encode
from engine.core.vocabulary.ids import EpisodeId, PersonId
from engine.ports import Durability, Entry

START_US = 1_700_000_000_000_000


def entry(number: int) -> Entry:
    """One fact. Every seventh has text beyond ASCII in it, every eleventh is a stop."""
    at_us = START_US + number * 1_000
    key = hashlib.sha256(b"%d" % number).hexdigest()[:12]
    if number % 11 == 0:
        scope = Scope("agent", f"coder-{number}")
        return Entry(key, encode(KillSwitchSet(at_us=at_us, scope=scope, by=PersonId("ada"), reason="drill")))
    if number % 7 == 0:
        episode = EpisodeId(f"e-{number}")
        return Entry(
            key, encode(MessageObserved(at_us=at_us, episode=episode, source="tool", text="naïve ✓ \n"))
        )
    return Entry(key, encode(MetricObserved(at_us=at_us, series="api.latency_ms", value=number / 8)))


def entries(count: int, start: int = 0) -> list[Entry]:
    """Make that many facts, each with a key of its own."""
    return [entry(number) for number in range(start, start + count)]


def fill(path: Path, count: int) -> list[Record]:
    """Make a journal file and return its records."""
    with SqliteJournal(path) as journal:
        return journal.append(entries(count), durability=Durability.RELAXED)


@contextmanager
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file as any other program can. Nobody of ours may have it open in this process."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


TRIGGERS = ("journal_no_update", "journal_no_delete", "journal_chain")


@contextmanager
def unguarded(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file with its triggers taken off, and put them back at the end: the tracks are covered."""
    with plain(path) as connection:
        sql = [
            connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0]
            for name in TRIGGERS
        ]
        for name in TRIGGERS:
            connection.execute(f"DROP TRIGGER {name}")
        try:
            yield connection
        finally:
            for text in sql:
                connection.execute(text)
