"""Off-policy value: what a candidate is worth, from a history in which it decided little or nothing.

The formulas, in plain Python, are `engine.core.statistics.off_policy`. Here they run over columns, a million
decisions in seconds, and get intervals, floors under which nothing is said, and words.
"""

from simulator.off_policy.columns import Columns, Row, columns_of
from simulator.off_policy.intervals import Interval
from simulator.off_policy.text import text
from simulator.off_policy.value import Estimate, Floors, Seen, Value, to_json, value_of

__all__ = [
    "Columns",
    "Estimate",
    "Floors",
    "Interval",
    "Row",
    "Seen",
    "Value",
    "columns_of",
    "text",
    "to_json",
    "value_of",
]
