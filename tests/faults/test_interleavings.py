"""Decisions that wait, in any order of people, agents, stops and crashes; and an oracle that can fail."""

import contextlib
import doctest
import logging
import os

import pytest

from tests.faults import interleavings
from tests.faults.people.mutants import MUTANTS, mutated
from tests.faults.people.oracle import Broken
from tests.faults.people.parts import SteadyLoop
from tests.faults.people.play import play

COUNT = int(os.environ.get("WATCHKEEPER_INTERLEAVINGS", "100"))
SEED = os.environ.get("WATCHKEEPER_SEED", "watchkeeper")
MOST = 3_000
FOUND = {
    "starts after a veto": 11, "takes back nothing after a veto": 3,
    "takes back what was leased and never begun": 2640, "counts accounts for people": 18,
    "counts the owner": 79, "asks for no code": 84, "counts late answers": 274,
    "counts votes of one owner twice": 135, "goes on after a changed policy": 12,
    "starts behind a fence": 372, "starts again what a silent worker had begun": 364,
    "gives a command as often as it is delivered": 639,
    "runs a changed proposal": 49, "loses a denial": 20,
}  # fmt: skip
"""Which interleaving showed it first when this was written: a place to look at before all the others."""


@pytest.fixture(autouse=True)
def quiet():
    """An engine that dies in the middle of things says so each time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def loop():
    with contextlib.closing(SteadyLoop()) as made:
        yield made


def test_nothing_runs_that_was_not_demanded_and_every_end_is_explained(capsys):
    counts, broken = interleavings.chunk(SEED, 0, COUNT)
    with capsys.disabled():
        print(f"\nseed {SEED}: {interleavings.summary(counts, 1.0)}")
    assert not broken, broken[0]
    # A campaign in which nothing came to pass would show nothing.
    assert min(counts[f"ran {kind}"] for kind in ("free", "one", "two", "votes")) > 0, counts
    assert min(counts[f"end {end}"] for end in ("done", "denied", "vetoed", "expired", "refused")) > 0, counts
    assert counts["died"] > COUNT // 4


def test_a_seed_brings_back_the_whole_interleaving(loop):
    for number in range(25):
        assert play(f"again:{number}", loop) == play(f"again:{number}", loop)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_oracle_notices(mutant, loop):
    def look():
        for number in (FOUND.get(mutant, 0), *range(MOST)):
            play(f"mutant:{number}", loop)

    with mutated(mutant), pytest.raises(Broken, match=r"^seed mutant:\d+: Broken: [du]_"):
        look()


def test_the_examples_hold():
    assert doctest.testmod(interleavings).failed == 0
