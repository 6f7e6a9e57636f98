"""A story told whole, but a short and busy one; `tests/cli/test_demo.py` tells the shipped one."""

import pytest
from msgspec import structs

from engine.adapters.journal_memory import MemoryJournal
from engine.core.vocabulary.facts import StageChanged
from engine.wiring import SHIPPED_CONFIG, SHIPPED_POLICY, read_policy
from engine.wiring.kpis import read_kpis
from simulator import story
from simulator.world.characters import HARMFUL
from simulator.world.stories import HARMFUL_STORY, cast
from tests.world.worlds import busier, facts_in

SHORT = structs.replace(cast(busier(HARMFUL_STORY, 0.1), HARMFUL), days=12)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What was told, its journal, and what was said meanwhile."""
    journal, said = MemoryJournal(), []
    whole = story.tell(
        SHORT,
        7,
        read_policy(SHIPPED_POLICY),
        journal=journal,
        folder=tmp_path_factory.mktemp("story"),
        kpis=read_kpis(SHIPPED_CONFIG),
        progress=lambda part, records: said.append((part, records)),
    )
    return whole, journal, said


def test_every_step_of_the_journal_is_told_and_worked_out_again(told):
    whole, journal, _ = told
    steps = facts_in(journal, StageChanged)
    assert steps
    assert [(step.at_us, step.now) for step in whole.steps] == [(step.at_us, step.now) for step in steps]
    assert whole.again.recorded == whole.again.rederived >= len(steps)
    assert whole.records == journal.head().seq


def test_it_says_by_the_day_how_far_it_is(told):
    _, _, said = told
    assert said == sorted(said)
    assert 0 < said[0][0] <= said[-1][0] <= 1


def test_the_text_names_each_step_and_why_and_every_kpi(told):
    whole, _, _ = told
    shown = story.text(whole)
    for step in whole.steps:
        assert f"{step.now:<11} {story.why(step)}" in shown
    assert shown.count("KPIs of autonomy at ") == 1
    assert f"transitions: {whole.again.recorded} recorded" in shown
