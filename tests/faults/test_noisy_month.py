"""A month of a noisy system wakes somebody once for each incident, and never for less."""

import contextlib
import logging
import os

import pytest

from tests.faults.wakeups.month import STORM, ZONES, play_month
from tests.faults.wakeups.virtual import VirtualLoop

SEED = os.environ.get("WATCHKEEPER_SEED", "watchkeeper")


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    logging.disable(logging.CRITICAL)
    with contextlib.closing(VirtualLoop()) as loop:
        yield play_month(SEED, tmp_path_factory.mktemp("month"), loop)
    logging.disable(logging.NOTSET)


pytestmark = [pytest.mark.long, pytest.mark.xdist_group("month")]


def test_each_incident_wakes_once(month, capsys):
    people = ", ".join(
        f"{each.person} {each.wakes} ({each.by_night} by night)" for each in month.loads.people
    )
    with capsys.disabled():
        print(
            f"\nseed {SEED}: {month.alerts:,} alerts in a month, {len(month.wakes)} incidents, "
            f"{sum(month.wakes.values())} wakes, {month.counts['crashes']} crashes; woken: {people}"
        )
    assert {group: wakes for group, wakes in month.wakes.items() if wakes != 1} == {}
    # A month in which little came to pass would show nothing.
    assert month.alerts > 5 * STORM
    assert len(month.wakes) > 100
    assert month.counts["crashes"] > 3
    assert month.counts["joined"] == month.alerts - len(month.wakes)


def test_its_report_counts_every_wake(month):
    loads = month.loads
    assert (loads.escalations, loads.woke, loads.exhausted) == (len(month.wakes), len(month.wakes), 0)
    assert {each.person for each in loads.people} == set(ZONES)
    assert all(0 < each.by_night < each.wakes for each in loads.people)
    assert loads.acknowledged.count == len(month.wakes)
    assert 1.0 < loads.rings_each < 4.0
