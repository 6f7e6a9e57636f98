"""Calibration in the report: how far recorded confidences came true, by capability and by rule."""

from typing import Final

import sqlite_utils
from msgspec import Struct

from engine.commands.judging import bin_table, score_table, score_text
from engine.commands.model import Table
from engine.core.calibrations import Judged, calibrations_of, keys_of
from engine.core.vocabulary.ids import CapabilityId, DecisionId

_KNOWN: Final = """
    select d.decision_id, d.capability, d.confidence, k.right, k.rated,
           (select o.rule from objections o where o.track = 0 and o.seq = d.seq and o.gate = 'rules' limit 1)
    from known k join decisions d on d.proposal_id = k.proposal_id and d.track = 0
    where d.confidence is not null order by d.seq
"""


class CalibrationShown(Struct, frozen=True, kw_only=True):
    """What the report shows of it."""

    scores: Table
    curves: list[tuple[str, str, Table]]
    """Of each capability or rule: its name, its scores in a sentence, its bins."""


def calibration_in(db: sqlite_utils.Database, most: int) -> CalibrationShown | None:
    """Measure what the recording knows; `None` where it knows of no outcome."""
    if "known" not in db.table_names():
        return None
    found = calibrations_of(
        Judged(
            decision_id=DecisionId(decision),
            keys=keys_of(CapabilityId(capability), rule or ""),
            confidence=confidence,
            right=bool(right),
            rated=bool(rated),
        )
        for decision, capability, confidence, right, rated, rule in db.execute(_KNOWN).fetchall()
    )
    if not found:
        return None
    shown = sorted(found, key=lambda each: (-each.curve.count, each.key))[:most]
    return CalibrationShown(
        scores=score_table(shown),
        curves=[
            (each.key.removeprefix("capability:"), score_text(each.curve), bin_table(each.curve))
            for each in shown
        ],
    )
