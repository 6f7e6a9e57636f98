"""Verdicts read back from a results file: the whole line of every decision lies there, packed in blocks."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import sqlite_utils
import zstandard

from engine.core.decide import in_order
from engine.core.vocabulary.facts import VerdictReached, decode
from engine.core.vocabulary.verdicts import RULING_RANK, Answer, Verdict

Key = tuple[int, int]
"""Track and sequence number: what names one decision."""

_UNPACKER: Final = zstandard.ZstdDecompressor()


def lines_of(db: sqlite_utils.Database, block: int) -> list[bytes]:
    """Unpack one block: proposals and verdicts in canonical JSON, where `decisions.line` counts them."""
    body = db.execute("select body from blocks where block = ?", (block,)).fetchone()[0]
    return _UNPACKER.decompress(body).split(b"\n")


@contextmanager
def transaction(db: sqlite_utils.Database) -> Iterator[None]:
    """Write all of the block or nothing; inside somebody's transaction, leave the end of it to them."""
    connection = db.conn
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def verdicts_of(db: sqlite_utils.Database, keys: Iterable[Key]) -> dict[Key, Verdict]:
    """Read some verdicts back, unpacking each block once. Decisions that are not there are left out."""
    by_block: dict[int, list[tuple[Key, int]]] = {}
    for track, seq in dict.fromkeys(keys):
        found = db.execute(
            "select block, line from decisions where track = ? and seq = ?", (track, seq)
        ).fetchone()
        if found is not None:
            by_block.setdefault(found[0], []).append(((track, seq), found[1]))
    return {
        key: verdict for block, wanted in by_block.items() for key, verdict in _of_block(db, block, wanted)
    }


def _of_block(
    db: sqlite_utils.Database, block: int, wanted: list[tuple[Key, int]]
) -> Iterator[tuple[Key, Verdict]]:
    lines = lines_of(db, block)
    for key, line in wanted:
        fact = decode(lines[line])
        if isinstance(fact, VerdictReached):
            yield key, fact.verdict


def strictest_answer(verdict: Verdict) -> Answer | None:
    """Return the answer that decided; `None` where no gate objected."""
    strictest = max(in_order(verdict), key=lambda answer: RULING_RANK[answer.ruling])
    return None if strictest.ruling == "allow" else strictest


def reason_of(verdict: Verdict) -> str:
    """Say in one sentence why, as the strictest gate puts it."""
    answer = strictest_answer(verdict)
    return answer.reason if answer is not None else "no gate objected"
