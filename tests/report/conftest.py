"""Replays that several tests look at; made once."""

from __future__ import annotations

import pytest

from engine.core.vocabulary.facts import MetricObserved
from engine.wiring import SHIPPED_POLICY
from tests.builders import NOON_US
from tests.report.replays import another_policy, busy, labels_for, record, replayed


@pytest.fixture(scope="session")
def one(tmp_path_factory):
    """A labelled replay under one policy, with notes and hostile names."""
    folder = tmp_path_factory.mktemp("one")
    labels = labels_for(900, lambda number: number % 9 in (1, 4), lambda episode: episode % 3 == 0)
    return replayed(record(folder / "one.wkr", busy(900), labels, notes=("<b>made</b> for tests",)))


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    """The same history under the shipped policy and one that is laxer here and stricter there."""
    folder = tmp_path_factory.mktemp("two")
    other = another_policy(
        folder / "other",
        ("thresholds.yaml", "below_confidence: 0.7", "below_confidence: 0.1"),
        ("limits.yaml", "most: 100 ", "most: 20 "),
    )
    path = record(folder / "two.wkr", busy(900))
    return replayed(path, SHIPPED_POLICY, other)


@pytest.fixture(scope="session")
def silent(tmp_path_factory):
    """A recording of telemetry only: nothing to decide."""
    folder = tmp_path_factory.mktemp("silent")
    facts = [MetricObserved(at_us=NOON_US + number, series="web/cpu", value=1.0) for number in range(50)]
    return replayed(record(folder / "silent.wkr", facts))
