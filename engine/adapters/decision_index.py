"""An index of decisions, so that a long journal is searched at once: by words, and by who wanted what.

It is a file beside the journal, read on from where the last look ended. The file only saves time and may be
deleted at any time: it names the record it came to by its hash, and is begun anew where the journal has
another one there, or where it cannot be read. What is secret was taken out before the journal already.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import apsw
import msgspec
from msgspec import Struct

from engine.adapters.journal_schema import transaction
from engine.core.vocabulary.arguments import strings_in
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import ProposalReceived, VerdictReached, decode, tag_of
from engine.core.vocabulary.ids import capability_name
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.verdicts import Verdict
from engine.errors import JournalError, StorageError
from engine.ports import DecisionFilter, JournalReader

PIECE: Final = 500
"""Records read at once where nobody waits: some hundredths of a second, so that a question need not wait."""
_VERSION: Final = 1
_BUSY_MS: Final = 2_000
_LONGEST: Final = 20_000
"""Letters of one decision that can be searched: an argument may be a whole file."""
_MOST_TERMS: Final = 16
_MOST_KNOWN: Final = 200
_TAGS: Final = tuple(f'{{"fact":"{tag_of(kind)}"'.encode() for kind in (ProposalReceived, VerdictReached))

# The words themselves are not kept, only where they stand. Short beginnings of words are indexed as well:
# what somebody is still typing must not walk through every word there is.
_TABLES: Final = """
CREATE TABLE seen(seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE decision(
  seq INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, word TEXT NOT NULL, agent TEXT NOT NULL,
  capability TEXT NOT NULL, name TEXT NOT NULL, action TEXT NOT NULL
) STRICT;
CREATE INDEX decision_at ON decision(at_us);
CREATE INDEX decision_word ON decision(word);
CREATE INDEX decision_agent ON decision(agent);
CREATE INDEX decision_name ON decision(name);
CREATE INDEX decision_action ON decision(action);
CREATE VIRTUAL TABLE said USING fts5(
  text, content='', prefix='1 2 3 4 5 6', tokenize="unicode61 remove_diacritics 2"
);
"""
_INSERT: Final = "INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?)"
# One look-up for each different value, however many decisions there are.
_KNOWN: Final = """
WITH RECURSIVE each(value) AS (
  SELECT min({field}) FROM decision
  UNION ALL SELECT (SELECT min({field}) FROM decision WHERE {field} > value) FROM each WHERE value IS NOT NULL
) SELECT value FROM each WHERE value IS NOT NULL LIMIT ?
"""


class Found(Struct, frozen=True, kw_only=True):
    """What a search came to."""

    seqs: tuple[int, ...]
    """The records of verdicts that fit, the newest first."""
    before: int | None
    """Where the next page begins; `None` when there is none."""
    seq: int
    """The last record of the journal that was searched."""
    behind: int
    """How many later ones were not."""


class Known(Struct, frozen=True, kw_only=True):
    """What decisions were about so far, each in the order of the alphabet."""

    agents: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    """By name, without versions."""
    actions: tuple[str, ...] = ()


class DecisionIndex:
    """The index of one journal. Safe from many threads, and from several processes."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when it is first needed."""
        self._path = path
        self._one = threading.Lock()
        self._open: apsw.Connection | None = None

    def keep_up(self, journal: JournalReader, most: int = PIECE) -> int:
        """Read what the journal got since, at most so many records, and return how many are left.

        Raises as reading a journal does, and `StorageError` when the file cannot be written.
        """
        with self._using() as db:
            return self._read_on(db, journal, most)

    def search(
        self,
        journal: JournalReader,
        text: str = "",
        wanted: DecisionFilter | None = None,
        *,
        before: int | None = None,
        most: int = 50,
    ) -> Found:
        """Find decisions in which all words of `text` stand, of those that are wanted.

        A word fits whatever begins with it; words in quotation marks fit in this order alone. No words fit
        all decisions, and words without a letter or digit none. Raises as `keep_up` does.
        """
        with self._using() as db:
            # Whoever waits for an answer reads a piece at most, and nothing where that would not be all.
            near = journal.head().seq - _seen(db)[0] <= PIECE
            behind = self._read_on(db, journal, PIECE if near else 0)
            seq = _seen(db)[0]
            match = match_of(text)
            if match is None:
                return Found(seqs=(), before=None, seq=seq, behind=behind)
            conditions, values = _conditions(db, wanted or DecisionFilter(), before)
            if match:
                source = "said CROSS JOIN decision ON decision.seq = said.rowid"
                conditions, values = ["said MATCH ?", *conditions], [match, *values]
            else:
                source = "decision"
            place = "said.rowid" if match else "seq"
            where = " AND ".join(conditions).format(place=place) or "1"
            sql = f"SELECT {place} FROM {source} WHERE {where} ORDER BY {place} DESC LIMIT ?"  # noqa: S608 - names of our own columns
            rows = db.execute(sql, (*values, most + 1)).fetchall()
        seqs = tuple(cast("int", row[0]) for row in rows[:most])
        return Found(seqs=seqs, before=seqs[-1] if len(rows) > most else None, seq=seq, behind=behind)

    def known(self) -> Known:
        """Return what can be filtered by. Raises `StorageError` when the file cannot be read."""
        with self._using() as db:
            agents, capabilities, actions = (
                tuple(
                    str(row[0]) for row in db.execute(_KNOWN.format(field=field), (_MOST_KNOWN,)).fetchall()
                )
                for field in ("agent", "name", "action")
            )
        return Known(agents=agents, capabilities=capabilities, actions=actions)

    def close(self) -> None:
        """Let go of the file."""
        with self._one:
            self._let_go()

    # ------------------------------------------------------------ the file

    @contextlib.contextmanager
    def _using(self) -> Iterator[apsw.Connection]:
        """Give the file, one at a time; one that is damaged is begun anew at the next use."""
        with self._one:
            try:
                yield self._opened()
            except (apsw.CorruptError, apsw.NotADBError) as damaged:
                self._throw_away()
                raise self._unusable(damaged) from damaged
            except (apsw.Error, OSError) as error:
                self._let_go()
                raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StorageError:
        return StorageError(
            f"the index of decisions cannot be used: {error}",
            place=str(self._path),
            cure="free space or mend its permissions; deleting it does no harm",
        )

    def _opened(self) -> apsw.Connection:
        if self._open is None:
            try:
                self._open = _opened(self._path)
            except (apsw.CorruptError, apsw.NotADBError):
                self._throw_away()
                self._open = _opened(self._path)
        return self._open

    def _let_go(self) -> None:
        if self._open is not None:
            self._open.close(force=True)
            self._open = None

    def _throw_away(self) -> None:
        self._let_go()
        for tail in ("", "-journal", "-wal", "-shm"):
            Path(f"{self._path}{tail}").unlink(missing_ok=True)

    # ------------------------------------------------------------ reading on

    def _read_on(self, db: apsw.Connection, journal: JournalReader, most: int) -> int:
        head = journal.head().seq
        seq, known = _seen(db)
        if seq == head and not seq:
            return 0
        # Another process may have read on meanwhile, and a restored journal may be shorter, or another.
        if seq < head or not _fits(journal, seq, known):
            with transaction(db):
                seq, known = _seen(db)
                if not _fits(journal, seq, known):
                    _forget(db)
                    seq = 0
                seq = self._take(db, journal, seq, min(head, seq + most))
        return head - seq

    def _take(self, db: apsw.Connection, journal: JournalReader, seq: int, until: int) -> int:
        proposals: dict[str, Proposal] = {}
        last: Record | None = None
        for last in journal.read(after=seq, until=until):
            if not last.body.startswith(_TAGS):
                continue
            fact = _fact(last)
            if isinstance(fact, ProposalReceived):
                proposals[fact.proposal.proposal_id] = fact.proposal
            elif isinstance(fact, VerdictReached):
                verdict = fact.verdict
                asked = proposals.get(verdict.proposal_id) or _proposal(journal, verdict)
                _add(db, last.seq, verdict, asked)
        if last is None:
            return seq
        db.execute("DELETE FROM seen")
        db.execute("INSERT INTO seen VALUES (?, ?)", (last.seq, last.hash))
        return last.seq


def match_of(text: str) -> str | None:
    """Write what somebody typed as a query; empty where nothing was typed, `None` where nothing can fit.

    >>> match_of('cache.clear "disk is full"'), match_of(""), match_of("***")
    ('"cache.clear"* "disk is full"', '', None)
    """
    if not text.strip():
        return ""
    found = []
    for exact, word in re.findall(r'"([^"]*)"|([^\s"]+)', text)[:_MOST_TERMS]:
        term = (exact or word).replace("\0", " ")
        if any(letter.isalnum() for letter in term):
            found.append(f'"{term}"' + "*" * bool(word))
    return " ".join(found) or None


def _opened(path: Path) -> apsw.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    try:
        db.set_busy_timeout(_BUSY_MS)
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "normal")
        with transaction(db):
            version = int(db.pragma("user_version"))
            if version == 0 and not db.execute("SELECT count(*) FROM sqlite_schema").get:
                db.execute(_TABLES)
                db.pragma("user_version", _VERSION)
            elif version != _VERSION:
                raise apsw.NotADBError(f"made by another version, {version}")
    except BaseException:  # also when cancelled: an open file could be neither thrown away nor made anew
        db.close(force=True)
        raise
    return db


def _seen(db: apsw.Connection) -> tuple[int, bytes]:
    row = db.execute("SELECT seq, hash FROM seen").fetchone()
    return (0, b"") if row is None else (row[0], row[1])


def _fits(journal: JournalReader, seq: int, known: bytes) -> bool:
    if not seq:
        return True
    if journal.head().seq < seq:
        return False
    return [record.hash for record in journal.read(after=seq - 1, until=seq)] == [known]


def _forget(db: apsw.Connection) -> None:
    db.execute("DELETE FROM seen; DELETE FROM decision; INSERT INTO said(said) VALUES ('delete-all')")


def _conditions(
    db: apsw.Connection, wanted: DecisionFilter, before: int | None
) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    for field in ("agent", "action", "word"):
        if (value := getattr(wanted, field)) is not None:
            conditions.append(f"{field} = ?")
            values.append(value)
    if (capability := wanted.capability) is not None:
        name = str(capability_name(capability))
        conditions.append("name = ?")
        values.append(name)
        if name != capability:
            conditions.append("capability = ?")
            values.append(capability)
    # Records and their times go the same way, so a time is a place: `place` is the column that orders.
    for at_us, sign in ((wanted.since_us, ">="), (wanted.until_us, "<")):
        if at_us is not None:
            row = db.execute(
                "SELECT seq FROM decision WHERE at_us >= ? ORDER BY at_us, seq LIMIT 1", (at_us,)
            ).fetchone()
            if row is not None or sign == ">=":
                conditions.append(f"{{place}} {sign} ?")
                values.append(row[0] if row is not None else 1 << 62)
    if before is not None:
        conditions.append("{place} < ?")
        values.append(before)
    return conditions, values


def _fact(record: Record) -> Any:
    try:
        return decode(record.body)
    except msgspec.DecodeError as unreadable:
        raise JournalError(
            f"record {record.seq} cannot be read: {unreadable}", cure="read it with the version that wrote it"
        ) from unreadable


def _proposal(journal: JournalReader, verdict: Verdict) -> Proposal | None:
    record = journal.find(f"proposal:{verdict.proposal_id}")
    fact = _fact(record) if record is not None else None
    return fact.proposal if isinstance(fact, ProposalReceived) else None


def _add(db: apsw.Connection, seq: int, verdict: Verdict, asked: Proposal | None) -> None:
    row = (
        seq, verdict.at_us, verdict.word, verdict.agent, verdict.capability,
        str(capability_name(verdict.capability)), verdict.action,
    )  # fmt: skip
    db.execute(_INSERT, row)
    db.execute("INSERT INTO said(rowid, text) VALUES (?, ?)", (seq, _text(verdict, asked)))


def _text(verdict: Verdict, asked: Proposal | None) -> str:
    """Put together what can be searched: what names it first, then what its agent wrote, then why."""
    parts = [
        verdict.decision_id, verdict.proposal_id, verdict.action, verdict.agent, verdict.capability,
        verdict.episode, verdict.assessment.environment,
    ]  # fmt: skip
    if asked is not None:
        parts.append(asked.rationale)
        parts += [part for option in asked.options for part in (option.name, option.why_not)]
        parts += [_short(part) for part in strings_in(asked.args)]
        parts += [str(value) for value in asked.args.values() if isinstance(value, int | float)]
    answers = (*verdict.assessment.answers, *verdict.answers)
    parts += [answer.reason for answer in answers if answer.ruling != "allow"]
    return _short("\n".join(filter(None, parts)))


def _short(text: str) -> str:
    return text[:_LONGEST]
