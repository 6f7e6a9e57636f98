"""The made-up world is the same world every time, and the bundled recording is what it makes."""

import pytest

from engine.core.vocabulary.facts import Fact, ProposalReceived
from simulator.recording import Label, Recording
from simulator.world.week import DEMO_DAYS, DEMO_SEED, history, write_demo
from tests.house.tree import ROOT

BUNDLED = ROOT / "simulator" / "demo.wkr"


def test_the_bundled_recording_is_what_the_generator_makes(tmp_path):
    write_demo(str(tmp_path / "demo.wkr"))
    made, bundled = Recording(tmp_path / "demo.wkr"), Recording(BUNDLED)
    cure = (
        "run: python -m simulator.world.week simulator/demo.wkr, "
        "and say in the CHANGELOG that the demo changed"
    )
    assert made.header == bundled.header, cure
    assert [*made.facts()] == [*bundled.facts()], cure
    assert [*made.labels()] == [*bundled.labels()], cure
    assert made.footer.content_sha256 == bundled.footer.content_sha256, cure


def test_the_same_seed_gives_the_same_history():
    assert history(5, 1) == history(5, 1)
    assert history(DEMO_SEED, DEMO_DAYS) == history()


def test_another_seed_gives_another_history():
    assert history(5, 1) != history(6, 1)


@pytest.mark.parametrize(("seed", "days"), [(1, 1), (2, 3), (DEMO_SEED, 5)])
def test_a_history_is_in_order_and_every_proposal_has_its_label(seed, days):
    told = history(seed, days)
    facts = [one for one in told if isinstance(one, Fact)]
    assert [fact.at_us for fact in facts] == sorted(fact.at_us for fact in facts)
    proposed = [fact.proposal.proposal_id for fact in facts if isinstance(fact, ProposalReceived)]
    assert len(proposed) == len({*proposed})
    assert {*proposed} == {one.proposal_id for one in told if isinstance(one, Label)}


def test_a_history_needs_no_days():
    assert all(isinstance(one, Fact) for one in history(1, 0))
