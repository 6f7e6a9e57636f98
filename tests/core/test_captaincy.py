"""Agents may hold the veto, and never an allow."""

import pytest

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.captaincy import CaptaincySettings
from engine.core.vocabulary.units import SECOND_US
from tests.answers import HELD, ending, held, refusal, told
from tests.builders import NOON_US, changed

POLICY = changed(captaincy=CaptaincySettings(vetoers=("agent-4",)))


def said(by, word):
    return f.DecisionOverridden(
        at_us=NOON_US + SECOND_US, decision_id=HELD, by=by, word=word, reason="it smells"
    )


def test_an_agent_that_holds_the_veto_ends_what_waits():
    state = held()
    assert ending(told(state, said("agent:agent-4", "veto"), POLICY)) == ("vetoed", ("agent:agent-4",))
    assert state.holds.by_id == {}


@pytest.mark.parametrize(
    ("by", "word", "because"),
    [
        ("agent:agent-4", "allow", "never an allow"),
        ("agent:coder-2", "allow", "never an allow"),
        ("agent:coder-2", "veto", "holds no veto"),
    ],
)
def test_what_no_agent_may_say_changes_nothing(by, word, because):
    state = held()
    assert because in refusal(told(state, said(by, word), POLICY))
    assert list(state.holds.by_id) == [HELD]


def test_without_a_word_of_the_policy_no_agent_vetoes():
    assert "holds no veto" in refusal(told(held(), said("agent:agent-4", "veto")))
