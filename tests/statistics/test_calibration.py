"""Calibration: scores that add up, and levels that never promise more than was seen."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.statistics.calibration import BINS, levels, measure, wilson

pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=80)
one_bin = st.integers(0, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
counts = st.lists(one_bin, min_size=BINS, max_size=BINS)


@given(pairs)
def test_the_brier_score_is_the_sum_of_its_parts(known):
    found = measure(known)
    if not known:
        assert found.brier is None
        assert found.error is None
        return
    assert found.brier == pytest.approx(sum((p - y) ** 2 for p, y in known) / len(known))
    parts = found.reliability - found.resolution + found.uncertainty + found.within
    assert parts == pytest.approx(found.brier)
    assert 0 <= found.error <= 1
    assert found.reliability >= 0
    assert found.resolution >= 0


@given(st.lists(st.tuples(st.sampled_from([0.05, 0.35, 0.95]), st.booleans()), min_size=1, max_size=60))
def test_where_a_bin_holds_one_confidence_nothing_is_left_within(known):
    assert measure(known).within == pytest.approx(0, abs=1e-12)


@given(pairs)
def test_every_decision_is_in_one_bin(known):
    found = measure(known)
    assert sum(each.count for each in found.bins) == len(known) == found.count
    assert all(each.low <= each.claimed <= each.high for each in found.bins if each.count)


def test_who_says_nine_tenths_and_is_right_nine_times_in_ten_is_calibrated():
    found = measure([(0.9, place % 10 != 0) for place in range(1000)])
    assert found.error == pytest.approx(0, abs=1e-9)
    assert found.reliability == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_the_interval_holds_the_true_share_about_as_often_as_it_says(rate):
    chance = random.Random(7)
    held = 0
    for _ in range(2000):
        right = sum(chance.random() < rate for _ in range(50))
        low, high = wilson(right, 50)
        held += low <= rate <= high
    assert 0.92 <= held / 2000 <= 0.99


@given(counts, st.integers(1, 40), st.floats(0, 3))
def test_levels_never_fall_as_confidence_rises_where_the_margin_is_none(seen, least, margin):
    found = [level for level in levels(seen, least=least, margin=0.0) if level is not None]
    assert found == sorted(found)
    # With a margin each is lower than without.
    for bare, careful in zip(
        levels(seen, least=least, margin=0.0), levels(seen, least=least, margin=margin), strict=True
    ):
        assert (bare is None) == (careful is None)
        assert bare is None or careful <= bare + 1e-12


@given(counts, st.integers(1, 40))
def test_nothing_is_said_where_too_little_is_known(seen, least):
    found = levels(seen, least=least, margin=1.0)
    if sum(count for _, count in seen) < least:
        assert set(found) == {None}
    else:
        assert all(level is not None for (_, count), level in zip(seen, found, strict=True) if count)
