"""Differing: decisions that two policies answer differently, one by one, from the results of a replay.

Read-only, a page at a time, on a connection of its own: a report sums up, this shows each of them.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

import sqlite_utils
import zstandard
from msgspec import Struct

from engine.core.vocabulary.verdicts import Verdict
from engine.errors import InputError
from simulator.stored import reason_of, verdicts_of

How = Literal["", "allowed", "stopped", "reason"]
"""Which differences: all, newly allowed, newly stopped, or the same word by another rule."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which decisions are wanted; empty takes all."""

    how: How = ""
    agent: str = ""
    action: str = ""
    rule: str = ""
    """A rule that decided under either policy."""


class Side(Struct, frozen=True, kw_only=True):
    """What one policy says."""

    word: str
    shadowed: bool
    rule: str
    """The rule that decided; empty where nothing objected."""
    reason: str


class Differing(Struct, frozen=True, kw_only=True):
    """One decision, under both policies."""

    seq: int
    """Its number in the recording: what pages go by."""
    decision_id: str
    at_us: int
    agent: str
    capability: str
    action: str
    episode: str
    risk: str
    cost_usd: float
    one: Side
    """Under the policy in question."""
    other: Side
    """Under the one it is compared with."""


class DifferingPage(Struct, frozen=True, kw_only=True):
    """Some decisions, in the order of the recording."""

    compared: int
    """Decisions in all that both policies were asked for; 0 when only one was replayed."""
    found: tuple[Differing, ...]
    after: int | None
    """Where the next page begins; `None` when there is none."""


_HOWS: Final[dict[How, str]] = {
    "": "(a.word != b.word or a.shadowed != b.shadowed)",
    "allowed": "a.word = 'allow' and b.word != 'allow'",
    "stopped": "a.word != 'allow' and b.word = 'allow'",
    "reason": "a.word = b.word and a.shadowed = b.shadowed and a.rule != b.rule",
}
_PAGE: Final = """
    select a.seq, a.decision_id, a.at_us, a.agent, a.capability, a.action, a.episode, a.risk, a.cost_usd,
           a.word, a.shadowed, a.rule, b.word, b.shadowed, b.rule
    from decisions a join decisions b on b.track = 1 and b.seq = a.seq
    where a.track = 0 and a.seq > :after and {how}
      and (:agent = '' or a.agent = :agent) and (:action = '' or a.action = :action)
      and (:rule = '' or a.rule = :rule or b.rule = :rule)
    order by a.seq limit :most"""


def differing(path: Path, wanted: Wanted, *, after: int = 0, most: int = 50) -> DifferingPage:
    """Return a page of what differs. Raises `InputError` when the file is no results file, or is gone.

    May look through all of a large file: ask in a thread.
    """
    if not path.exists():
        raise InputError("its results are gone", place=str(path), cure="replay again")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            db = sqlite_utils.Database(connection)
            compared = db.execute("select count(*) from decisions where track = 1").fetchone()[0]
            values = {"agent": wanted.agent, "action": wanted.action, "rule": wanted.rule}
            # Only our own words stand in the text; what is asked for is bound.
            sql = _PAGE.format(how=_HOWS[wanted.how])
            rows = db.execute(sql, {**values, "after": after, "most": most + 1}).fetchall()
            more, rows = len(rows) > most, rows[:most]
            verdicts = verdicts_of(db, [(track, row[0]) for row in rows for track in (0, 1)])
    except (sqlite3.DatabaseError, zstandard.ZstdError, IndexError) as failure:
        raise InputError(f"not a results file: {failure}", place=str(path), cure="replay again") from None
    found = tuple(
        Differing(
            seq=row[0],
            decision_id=row[1],
            at_us=row[2],
            agent=row[3],
            capability=row[4],
            action=row[5],
            episode=row[6],
            risk=row[7],
            cost_usd=row[8],
            one=_side(row[9:12], verdicts.get((0, row[0]))),
            other=_side(row[12:15], verdicts.get((1, row[0]))),
        )
        for row in rows
    )
    return DifferingPage(compared=compared, found=found, after=found[-1].seq if more else None)


def _side(row: tuple[str, int, str], verdict: Verdict | None) -> Side:
    word, shadowed, rule = row
    return Side(
        word=word,
        shadowed=bool(shadowed),
        rule=rule,
        reason=reason_of(verdict) if verdict is not None else "",
    )
