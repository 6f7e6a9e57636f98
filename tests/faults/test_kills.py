"""`kill -9` on every process of a service at work: nothing acknowledged is lost, nothing is done twice."""

import os

import pytest

from tests.faults.campaign import campaign

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("WATCHKEEPER_KILLS", "50"))
SEED = os.environ.get("WATCHKEEPER_SEED", "watchkeeper")


def test_nothing_is_lost_and_nothing_is_done_twice(tmp_path, capsys):
    with campaign(tmp_path, SEED) as made:
        counts = made.run(KILLS)
    with capsys.disabled():
        print(f"\nseed {SEED}: {counts}")
    assert counts.kills.total() == KILLS
    # A campaign in which nothing was hit would show nothing.
    assert counts.unknown > 0
    assert counts.again > 0
    assert counts.acknowledged > KILLS
