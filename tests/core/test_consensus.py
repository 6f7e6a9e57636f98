"""The consensus gate: what is large enough needs the votes of several."""

from decimal import Decimal

import pytest

from engine.core.gates import consensus
from engine.core.gates.consensus import ConsensusSettings
from engine.core.vocabulary.verdicts import Check, Wait
from tests.builders import answer, ask, impact, proposal

SETTINGS = ConsensusSettings(from_cost_usd=Decimal(50), from_files=5, votes=3, voters=5, owner="captain")
VOTES = Wait(kind="votes", role="voters", needed=3, of=5)


@pytest.mark.parametrize("touched", [impact(), impact("49.999999999999"), impact(0, 4), impact(0, 0, 10**6)])
def test_under_both_thresholds_no_votes_are_needed(touched):
    said = consensus.judge(SETTINGS, touched)
    assert (said.ruling, said.reason, said.rule, said.owner, said.waits) == (
        "allow",
        "",
        "consensus",
        "captain",
        (),
    )


@pytest.mark.parametrize(
    ("touched", "reason", "rule"),
    [
        (impact(50), "50 cost_usd reaches 50: 3 of 5 votes are needed", "consensus.from_cost_usd"),
        (impact(50, 5), "50 cost_usd reaches 50: 3 of 5 votes are needed", "consensus.from_cost_usd"),
        (impact(0, 5), "5 files reaches 5: 3 of 5 votes are needed", "consensus.from_files"),
        (impact("0.01", 9), "9 files reaches 5: 3 of 5 votes are needed", "consensus.from_files"),
    ],
)
def test_exactly_at_a_threshold_votes_are_needed(touched, reason, rule):
    said = consensus.judge(SETTINGS, touched)
    assert (said.ruling, said.reason, said.rule, said.owner) == ("consensus", reason, rule, "captain")
    assert said.waits == (VOTES,)


def test_both_measures_are_shown_whatever_the_answer():
    for touched in (impact(1, 2), impact(60, 7)):
        cost, files = str(touched.cost_usd), touched.files
        said = consensus.judge(SETTINGS, touched)
        assert said.checks == (Check("cost_usd", cost, "50"), Check("files", files, 5))


def test_the_shipped_policy_holds_five_files_for_three_of_five_votes():
    decided = ask(proposal("cache.clear", impact=impact(0, 5)))
    assert decided.word == "hold"
    assert answer(decided, "consensus").ruling == "consensus"
    assert VOTES in decided.waits
    assert ask(proposal("cache.clear", impact=impact(0, 4))).word == "allow"
