"""Compare: where two policies answer differently, and whether our own journal replays as it was recorded.

The first policy (`--policy`) is the one in question, the second (`--against`) the one it is compared with:
what the first allows and the second stops is newly allowed.
"""

import hashlib
from itertools import groupby
from operator import itemgetter
from typing import Final

import sqlite_utils
from msgspec import Struct

from simulator.stored import lines_of, transaction

_MOST_EXAMPLES: Final = 5
_MOST_NEWLY_ALLOWED: Final = 20
# Rules that refuse made-up actions carry their names: there may be as many groups as decisions.
_MOST_GROUPS: Final = 500


class WordChange(Struct, frozen=True, kw_only=True):
    """How many decisions have one word under the first policy and another under the second."""

    word: str
    other_word: str
    decisions: int


class DifferenceGroup(Struct, frozen=True, kw_only=True):
    """Decisions that differ in the same way: the same words, by the same two rules."""

    word: str
    rule: str
    """The rule that decided under the first policy; empty where nothing objected."""
    other_word: str
    other_rule: str
    """The same under the second."""
    decisions: int
    examples: list[str]
    """Decision ids of the first few."""

    @property
    def newly_allowed(self) -> bool:
        """Whether the first policy lets through what the second one stops."""
        return self.word == "allow" and self.other_word != "allow"


class NewlyAllowed(Struct, frozen=True, kw_only=True):
    """One decision that the first policy lets through and the second one does not."""

    decision_id: str
    seq: int
    at_us: int
    agent: str
    action: str
    other_word: str
    other_rule: str
    """What stops it under the second policy."""
    risk: str
    cost_usd: float


class Differences(Struct, frozen=True, kw_only=True):
    """Two policies over the same recording."""

    compared: int
    different: int
    """Decisions with another word, or executed under one and only shadowed under the other."""
    other_reason: int
    """Decisions with the same word by another rule; not among the different ones."""
    newly_allowed: int
    """Allowed by the first policy, held or denied by the second."""
    newly_stopped: int
    """Held or denied by the first policy, allowed by the second."""
    words: list[WordChange]
    """Newly allowed first, then by number."""
    groups: list[DifferenceGroup]
    """Newly allowed first, then by number; no more than 500."""
    groups_in_all: int
    newly_allowed_examples: list[NewlyAllowed]
    """The riskiest ones."""


class FirstDifference(Struct, frozen=True, kw_only=True):
    """Where a replay first leaves what was recorded."""

    seq: int
    decision_id: str
    recorded_word: str
    replayed_word: str
    """The same word where only the reasons differ."""


class Reproduced(Struct, frozen=True, kw_only=True):
    """A replay of our own journal against the verdicts in it."""

    recorded: int
    """Verdicts in the journal."""
    compared: int
    """Those whose proposal was replayed; the others lie outside the span."""
    same_word: int
    reproduced: int
    """Equal to the last byte, reasons and all."""
    first_difference: FirstDifference | None


def differences(db: sqlite_utils.Database) -> Differences | None:
    """Compare tracks 0 and 1 of a results file; `None` when only one policy was replayed."""
    if not db.execute("select exists (select 1 from decisions where track = 1)").fetchone()[0]:
        return None
    compared, reasons = db.execute(_TOTALS).fetchone()
    db.execute(_KEEP)
    try:
        return _differences(db, compared, reasons or 0)
    finally:
        db.execute("drop table temp.differing")


def _differences(db: sqlite_utils.Database, compared: int, other_reason: int) -> Differences:
    rows = db.execute(_GROUPS, (_MOST_GROUPS,)).fetchall()
    examples: dict[tuple[str, ...], list[str]] = {tuple(row[:4]): [] for row in rows}
    for *key, decision in db.execute(_EXAMPLES, (_MOST_EXAMPLES,)):
        if (of_group := examples.get(tuple(key))) is not None:
            of_group.append(decision)
    groups = [
        DifferenceGroup(
            word=word,
            rule=rule,
            other_word=other_word,
            other_rule=other_rule,
            decisions=decisions,
            examples=examples[word, rule, other_word, other_rule],
        )
        for word, rule, other_word, other_rule, decisions, _ in rows
    ]
    words = [
        WordChange(word=word, other_word=other_word, decisions=decisions)
        for word, other_word, decisions in db.execute(_WORDS)
    ]
    return Differences(
        compared=compared,
        different=sum(one.decisions for one in words),
        other_reason=other_reason,
        newly_allowed=sum(one.decisions for one in words if one.word == "allow" != one.other_word),
        newly_stopped=sum(one.decisions for one in words if one.other_word == "allow" != one.word),
        words=words,
        groups=groups,
        groups_in_all=rows[0][5] if rows else 0,
        newly_allowed_examples=[
            NewlyAllowed(
                decision_id=row[0],
                seq=row[1],
                at_us=row[2],
                agent=row[3],
                action=row[4],
                other_word=row[5],
                other_rule=row[6],
                risk=row[7],
                cost_usd=row[8],
            )
            for row in db.execute(_NEWLY_ALLOWED, (_MOST_NEWLY_ALLOWED,))
        ],
    )


def recorded_verdicts(db: sqlite_utils.Database) -> Reproduced | None:
    """Compare the replayed verdicts with the recorded ones; `None` when none were recorded.

    The hash of each replayed verdict is put beside the recorded one, for anybody's queries.
    """
    recorded = db.execute("select count(*) from recorded_verdicts").fetchone()[0]
    if not recorded:
        return None
    _hash_replayed(db)
    compared, same_word, reproduced = db.execute(_REPRODUCED).fetchone()
    first = db.execute(_FIRST_DIFFERENCE).fetchone()
    return Reproduced(
        recorded=recorded,
        compared=compared,
        same_word=same_word or 0,
        reproduced=reproduced or 0,
        first_difference=None
        if first is None
        else FirstDifference(
            seq=first[0], decision_id=first[1], recorded_word=first[2], replayed_word=first[3]
        ),
    )


# The two decisions on one proposal. Not by the view of differences: a stopped replay has no views yet.
_PAIRS: Final = "from decisions a join decisions b on b.track = 1 and b.seq = a.seq where a.track = 0"
_DIFFERENT: Final = "(a.word != b.word or a.shadowed != b.shadowed)"
_TOTALS: Final = f"select count(*), sum(not {_DIFFERENT} and a.rule != b.rule) {_PAIRS}"
# Kept aside for the queries below: joining a million decisions five times takes longer than all else here.
_KEEP: Final = f"""
    create temp table differing as
    select a.seq, a.word, a.rule, b.word as other_word, b.rule as other_rule,
           a.word != 'allow' or b.word = 'allow' as later
    {_PAIRS} and {_DIFFERENT}"""
_WORDS: Final = """
    select word, other_word, count(*) from differing group by 1, 2 order by later, 3 desc, 1, 2"""
_GROUPS: Final = """
    select word, rule, other_word, other_rule, count(*), count(*) over () from differing
    group by 1, 2, 3, 4 order by later, 5 desc, 1, 2, 3, 4 limit ?"""
_EXAMPLES: Final = """
    select p.word, p.rule, p.other_word, p.other_rule, d.decision_id from (
        select *, row_number() over (partition by word, rule, other_word, other_rule order by seq) as place
        from differing
    ) p join decisions d on d.track = 0 and d.seq = p.seq where p.place <= ?"""
_NEWLY_ALLOWED: Final = """
    select d.decision_id, d.seq, d.at_us, d.agent, d.action, p.other_word, p.other_rule, d.risk, d.cost_usd
    from differing p join decisions d on d.track = 0 and d.seq = p.seq where not p.later
    order by d.risk_score desc, d.cost_usd desc, d.seq limit ?"""
_REPRODUCED: Final = """
    select count(*), sum(r.word = d.word), sum(r.sha256 = r.replayed_sha256)
    from decisions d join recorded_verdicts r using (proposal_id) where d.track = 0"""
_FIRST_DIFFERENCE: Final = """
    select d.seq, d.decision_id, r.word, d.word
    from decisions d join recorded_verdicts r using (proposal_id)
    where d.track = 0 and r.sha256 is not r.replayed_sha256 order by d.seq limit 1"""


def _hash_replayed(db: sqlite_utils.Database) -> None:
    """Fill `replayed_sha256` from the stored lines, block by block; nothing to do the second time."""
    replayed = "from decisions d join recorded_verdicts r using (proposal_id) where d.track = 0"
    if not db.execute(f"select exists (select 1 {replayed} and r.replayed_sha256 is null)").fetchone()[0]:
        return
    rows = db.conn.execute(f"select d.block, d.line, d.proposal_id {replayed} order by d.seq")
    with transaction(db):
        # A batch is taken whole before anything is written, so that no row is read after it was changed.
        while batch := rows.fetchmany(_BATCH):
            hashed = []
            for block, wanted in groupby(batch, key=itemgetter(0)):
                lines = lines_of(db, block)
                hashed += [(_sha256(lines[line]), proposal) for _, line, proposal in wanted]
            db.conn.executemany(
                "update recorded_verdicts set replayed_sha256 = ? where proposal_id = ?", hashed
            )


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


_BATCH: Final = 16_384
