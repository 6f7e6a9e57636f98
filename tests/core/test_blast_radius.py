"""The blast radius gate: the most one single action may touch."""

from decimal import Decimal

import pytest

from engine.core.gates import blast_radius
from engine.core.gates.blast_radius import BlastSettings
from engine.core.vocabulary.actions import Action, BlastCaps
from engine.core.vocabulary.verdicts import Check
from tests.builders import answer, ask, impact, proposal

CAPS = BlastCaps(cost_usd=Decimal(100), files=10, api_calls=1000)
SETTINGS = BlastSettings(caps=CAPS, owner="captain")


def action(**blast):
    caps = BlastCaps(**blast) if blast else None
    return Action(name="try", kind="write", risk="LOW", blast=caps)


def judged(touched, acting=None):
    return blast_radius.judge(SETTINGS, acting or action(), touched)


@pytest.mark.parametrize(
    "touched", [impact(), impact(100), impact(0, 10), impact(0, 0, 1000), impact(100, 10, 1000)]
)
def test_exactly_at_a_cap_is_within_it(touched):
    said = judged(touched)
    assert (said.ruling, said.reason, said.rule, said.owner) == ("allow", "", "limits.blast", "captain")


@pytest.mark.parametrize(
    ("touched", "measure", "measured", "limit"),
    [
        (impact("100.000000000001"), "cost_usd", "100.000000000001", "100"),
        (impact(0, 11), "files", 11, 10),
        (impact(0, 0, 1001), "api_calls", 1001, 1000),
    ],
)
def test_just_past_a_cap_is_denied_with_measure_limit_and_owner(touched, measure, measured, limit):
    said = judged(touched)
    assert said.ruling == "deny"
    assert said.reason == f"one action may touch at most {limit} {measure}, not {measured}"
    assert (said.rule, said.owner, said.waits) == (f"limits.blast.{measure}", "captain", ())
    assert Check(measure, measured, limit) in said.checks


def test_every_cap_that_is_passed_is_named():
    said = judged(impact(101, 11, 1001))
    assert said.reason == (
        "one action may touch at most 100 cost_usd, not 101 and 10 files, not 11 and 1000 api_calls, not 1001"
    )
    assert said.rule == "limits.blast.cost_usd"


def test_every_answer_carries_all_three_checks():
    expected = (Check("cost_usd", "2", "100"), Check("files", 3, 10), Check("api_calls", 4, 1000))
    assert judged(impact(2, 3, 4)).checks == expected


def test_an_action_with_caps_of_its_own_is_held_to_those_alone():
    tight = action(cost_usd=Decimal(1), files=0, api_calls=0)
    assert judged(impact(1), tight).ruling == "allow"
    said = judged(impact(2), tight)
    assert (said.ruling, said.rule) == ("deny", "actions.try.blast.cost_usd")
    wide = action(cost_usd=Decimal(500), files=50, api_calls=5)
    assert judged(impact(500, 50), wide).ruling == "allow"
    assert judged(impact(0, 0, 6), wide).rule == "actions.try.blast.api_calls"


def test_an_unknown_action_is_held_to_the_general_caps():
    said = blast_radius.judge(SETTINGS, None, impact(0, 11))
    assert said.rule == "limits.blast.files"


def test_the_shipped_caps_are_100_usd_10_files_and_1000_calls():
    said = answer(ask(proposal(impact=impact(100, 10, 1000))), "blast_radius")
    assert [check.limit for check in said.checks] == ["100", 10, 1000]
    assert said.ruling == "allow"
    assert ask(proposal(impact=impact(0, 11))).word == "deny"
