"""Columns come to what the formulas of the core come to, a decision at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.statistics import off_policy
from engine.core.statistics.off_policy import Logged
from engine.errors import InputError
from simulator.off_policy import Row, columns_of
from tests.off_policy.plain import SURE, contributions, episodes_of

PLANS = [
    SURE,
    (("restart", 0.5), ("wait", 0.25), ("scale", 0.25)),
    (("never seen", 0.4), ("wait", 0.6)),
    (("wait", 0.0), ("scale", 1.0)),
]
rows = st.lists(
    st.builds(
        Row,
        st.sampled_from([f"e{n}" for n in range(12)]),
        st.builds(
            Logged,
            st.sampled_from(["day", "night"]),
            st.sampled_from(["restart", "wait", "scale"]),
            st.floats(0.01, 1.0),
            st.floats(-5.0, 5.0),
            st.sampled_from(PLANS),
        ),
    ),
    min_size=1,
    max_size=120,
)


@given(rows)
def test_contributions_are_those_of_plain_python(given_rows):
    columns = columns_of(given_rows)
    for estimator, (above, below) in contributions(given_rows).items():
        found_above, found_below = columns.contributions[estimator]
        assert found_above == pytest.approx(above, abs=1e-9), estimator
        assert found_below == pytest.approx(below, abs=1e-9), estimator


@given(rows)
def test_support_is_that_of_plain_python(given_rows):
    episodes = episodes_of(given_rows)
    assert columns_of(given_rows).support == pytest.approx(
        off_policy.support(episodes, off_policy.chosen(episodes))
    )


@given(rows)
def test_weights_are_those_of_plain_python(given_rows):
    expected = [off_policy.weight(row.decision) for row in given_rows]
    assert columns_of(given_rows).weight == pytest.approx(expected)


def test_two_histories_share_the_numbers_of_their_episodes():
    units: dict[str, int] = {}
    first = columns_of([Row("b", Logged("", "wait", 1.0, 1.0, SURE))], units)
    second = columns_of([Row(name, Logged("", "wait", 1.0, 1.0, SURE)) for name in ("a", "b")], units)
    assert units == {"b": 0, "a": 1}
    assert first.unit.tolist() == [0]
    assert second.unit.tolist() == [1, 0]


def test_an_empty_history_has_columns_of_nothing():
    columns = columns_of([])
    assert columns.units == 0
    assert columns.support == 1.0
    assert {name: above.tolist() for name, (above, _) in columns.contributions.items()} == {
        "ips": [], "snips": [], "doubly_robust": [], "model": []
    }  # fmt: skip


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Logged("", "wait", 0.0, 1.0, SURE), "decision 2 has impossible chance 0.0"),
        (Logged("", "wait", 1.5, 1.0, SURE), "decision 2 has impossible chance 1.5"),
        (Logged("", "wait", float("nan"), 1.0, SURE), "decision 2 has impossible chance nan"),
        (Logged("", "wait", 0.5, float("inf"), SURE), "decision 2 has impossible reward inf"),
        (Logged("", "wait", 0.5, 1.0, (("wait", 0.5),)), "decision 2 has impossible wanted choices"),
        (Logged("", "wait", 0.5, 1.0, ()), "decision 2 has impossible wanted choices"),
    ],
)
def test_what_no_estimate_can_be_made_from_is_refused_by_its_place(decision, said):
    good = Row("a", Logged("", "wait", 0.5, 1.0, SURE))
    with pytest.raises(InputError, match=said):
        columns_of([good, Row("b", decision)])


def test_a_million_decisions_would_not_need_a_table_of_every_choice_in_every_context():
    many = [Row(f"e{n}", Logged(f"x{n}", f"c{n}", 0.5, float(n % 2), ((f"c{n}", 1.0),))) for n in range(5000)]
    columns = columns_of(many)
    # A table of 5,000 contexts and 5,000 choices has 25 million cells; only those that occur are kept.
    assert max(part.size for part in columns.contributions["doubly_robust"]) == 5000
    assert np.isfinite(columns.contributions["doubly_robust"][0]).all()
