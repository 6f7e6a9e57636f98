"""Tries: what came of replaying a changed policy against the one in force, decision by decision."""

import contextlib
import sqlite3
from collections import OrderedDict
from typing import Final

import sqlite_utils
from msgspec import Struct

from engine.ports import ReplayJob
from simulator.compare import Differences, differences

_MOST: Final = 200
_KEPT: Final = 20
_RESULTS: Final = "results.sqlite"
_ROWS: Final = """
    select d.decision_id, d.at_us, v.agent, v.action, v.word, v.rule, v.other_word, v.other_rule
    from differences v join decisions d on d.track = 0 and d.seq = v.seq
    order by v.word != 'allow', v.seq limit ?"""


class Differing(Struct, frozen=True):
    """One decision that would be another."""

    decision_id: str
    at_us: int
    agent: str
    action: str
    word: str
    rule: str
    """Under the changed policy; the rule is empty where nothing objected."""
    other_word: str
    other_rule: str
    """Under the one in force."""


class Tried(Struct, frozen=True):
    """What came of one try."""

    differences: Differences
    rows: tuple[Differing, ...]
    """The first of them, newly allowed ones before all others."""


_TRIED: Final[OrderedDict[str, Tried]] = OrderedDict()
"""Of replays that are over, which change no more."""


def tried(job: ReplayJob) -> Tried | None:
    """Read what a finished replay found; `None` where its results are gone, or it compared nothing.

    May take seconds for a long recording: call it in a thread.
    """
    if job.report is None:
        return None
    path = job.report.with_name(_RESULTS)
    key = f"{path}:{job.ended_us}"
    if (known := _TRIED.get(key)) is not None:
        return known
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            db = sqlite_utils.Database(connection)
            found = differences(db)
            if found is None:
                return None
            rows = tuple(Differing(*row) for row in db.execute(_ROWS, (_MOST,)))
    except sqlite3.Error:
        return None
    known = _TRIED[key] = Tried(found, rows)
    if len(_TRIED) > _KEPT:
        _TRIED.popitem(last=False)
    return known
