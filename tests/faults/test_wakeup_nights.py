"""Nobody is left asleep, whatever fails and whoever crashes; and an oracle that can fail."""

import contextlib
import doctest
import logging
import os
import time
from typing import get_args
from xml.etree import ElementTree as ET

import pytest

from engine.core.vocabulary.escalation_facts import EscalationFact
from engine.core.work.escalations.timeline import timeline
from simulator.report.escalation_picture import picture
from tests.faults import wakeup_nights
from tests.faults.wakeups.book import Broken
from tests.faults.wakeups.mutants import MUTANTS, mutated
from tests.faults.wakeups.play import play
from tests.faults.wakeups.virtual import VirtualLoop

COUNT = int(os.environ.get("WATCHKEEPER_WAKEUPS", "20000"))
SEED = os.environ.get("WATCHKEEPER_SEED", "watchkeeper")
MOST = 300


@pytest.fixture(autouse=True)
def quiet():
    """An engine that dies in the middle of things says so each time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def loop():
    with contextlib.closing(VirtualLoop()) as made:
        yield made


@pytest.mark.slow
@pytest.mark.unmeasured
@pytest.mark.parametrize("part", range(4))
def test_no_wake_up_is_lost_and_no_crash_makes_more_than_one_extra_page(part, capsys):
    nights = -(-COUNT // wakeup_nights.EACH // 4)
    began_s = time.process_time()
    counts, broken = wakeup_nights.chunk(SEED, part * nights, (part + 1) * nights)
    took_s = time.process_time() - began_s
    with capsys.disabled():
        print(f"\nseed {SEED}, nights from {part * nights}: {wakeup_nights.summary(counts, took_s)}")
    assert not broken, broken[0]
    assert counts["escalations"] >= COUNT // 4
    assert counts["extra pages by crashes"] <= counts["crashes"]
    # A campaign in which nothing came to pass would show nothing.
    happened = (
        "crashes", "pages", "acknowledged", "joined", "postponed", "on the wire", "extra pages by crashes",
        "end resolved", "end cancelled", "end exhausted", "reported failed", "reported unsure",
        "reported answered", "said snooze", "said hand", "said pass",
    )  # fmt: skip
    assert [what for what in happened if not counts[what]] == []


def test_a_seed_brings_back_the_whole_night(loop):
    for number in range(10):
        assert play(f"again:{number}", loop) == play(f"again:{number}", loop)


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_oracle_notices(mutant, loop):
    def look():
        for number in range(MOST):
            play(f"mutant:{number}", loop)

    with mutated(mutant), pytest.raises(Broken, match=r"^seed mutant:\d+: Broken: "):
        look()


def test_the_examples_hold():
    assert doctest.testmod(wakeup_nights).failed == 0


def test_every_night_can_be_told_and_drawn(loop):
    kinds = set()
    for number in range(20):
        for facts in play(f"told:{number}", loop).escalations:
            moments = timeline(facts)
            assert len(moments) == len(facts)
            assert all(moment.what for moment in moments)
            assert ET.fromstring(picture(moments)) is not None
            kinds |= {type(fact) for fact in facts}
    assert len(kinds) == len(get_args(EscalationFact))
