"""Chance: streams that do not touch each other, and numbers every machine draws alike."""

import math

import pytest

from engine.core.vocabulary.units import DAY_US, HOUR_US
from simulator.world.chance import exponential, level, stream, waited, weekend


def test_streams_of_other_names_or_seeds_are_others():
    draws = {stream(seed, *names).random() for seed in (1, 2) for names in (("a",), ("a", "b"), ("b", "a"))}
    assert len(draws) == 6


def test_exponential_numbers_have_the_distribution_they_are_named_for():
    chance = stream(1, "exponential")
    drawn = [exponential(chance) for _ in range(40_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(1.0, abs=0.02)
    for limit in (0.1, 0.5, 1.0, 2.0, 4.0):
        share = sum(one > limit for one in drawn) / len(drawn)
        assert share == pytest.approx(math.exp(-limit), abs=0.01), limit


def test_a_wait_is_never_longer_than_six_means():
    assert waited(10, 5.9) == 59
    assert waited(10, 1e9) == 60


def test_the_curve_over_the_day_closes_at_midnight():
    hours = [float(hour) for hour in range(24)]
    assert level(hours, DAY_US - HOUR_US // 2) == pytest.approx(11.5)
    assert level(hours, 5 * DAY_US + 7 * HOUR_US) == 7.0


def test_the_week_has_five_working_days():
    assert sum(not weekend(day * DAY_US) for day in range(700)) == 500
