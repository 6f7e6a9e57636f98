"""The escalation gate: when the agent is unsure, or the cost is high, a person decides."""

from decimal import Decimal

import pytest

from engine.core.gates import escalation
from engine.core.gates.escalation import EscalationSettings
from engine.core.vocabulary.actions import RISK_LEVELS, RiskLevel
from engine.core.vocabulary.verdicts import Check, Wait
from tests.builders import answer, ask, impact, proposal

SETTINGS = EscalationSettings(
    below_confidence=0.7,
    above_cost_usd=Decimal(50),
    confidence_from=RiskLevel.LOW,
    role="responder",
    owner="captain",
)
LOW = RiskLevel.LOW


def judged(confidence=0.9, touched=None, risk=LOW):
    return escalation.judge(SETTINGS, confidence, touched or impact(), risk)


@pytest.mark.parametrize("confidence", [0.7, 0.70000001, 1.0])
def test_exactly_at_the_confidence_is_not_under_it(confidence):
    said = judged(confidence)
    assert (said.ruling, said.reason, said.rule, said.owner, said.waits) == (
        "allow",
        "",
        "escalation",
        "captain",
        (),
    )


@pytest.mark.parametrize("confidence", [0.0, 0.5, 0.6999999999])
def test_under_the_confidence_a_person_is_asked(confidence):
    said = judged(confidence)
    assert said.ruling == "escalate"
    assert (said.rule, said.owner) == ("escalation.below_confidence", "captain")
    assert said.waits == (Wait(kind="person", role="responder"),)
    assert Check("confidence", confidence, 0.7) in said.checks


def test_a_missing_confidence_counts_as_zero_and_says_that_it_is_missing():
    said = judged(None)
    assert said.ruling == "escalate"
    assert said.reason == "no confidence was given, under 70%"
    assert Check("confidence", 0.0, 0.7) in said.checks


@pytest.mark.parametrize(("confidence", "shown"), [(0.5, "50%"), (0.0, "0%"), (0.07, "7%"), (0.695, "69.5%")])
def test_a_low_confidence_is_shown(confidence, shown):
    assert judged(confidence).reason == f"the confidence is {shown}, under 70%"


@pytest.mark.parametrize("confidence", [0.6999, 0.699999999, 0.7 - 2**-53])
def test_the_reason_never_says_that_a_number_is_under_itself(confidence):
    assert not judged(confidence).reason.startswith("the confidence is 70%")


def test_exactly_at_the_cost_is_not_over_it():
    assert judged(touched=impact(50)).ruling == "allow"
    said = judged(touched=impact("50.000000000001"))
    assert (said.ruling, said.rule) == ("escalate", "escalation.above_cost_usd")
    assert said.reason == "50.000000000001 USD is over 50 USD"
    assert Check("cost_usd", "50.000000000001", "50") in said.checks


def test_both_reasons_are_given_and_the_confidence_names_the_rule():
    said = judged(0.1, impact(60))
    assert said.reason == "the confidence is 10%, under 70% and 60 USD is over 50 USD"
    assert said.rule == "escalation.below_confidence"
    assert len(said.waits) == 1


@pytest.mark.parametrize("risk", RISK_LEVELS)
def test_confidence_is_asked_for_from_its_risk_level_on(risk):
    assert judged(None, risk=risk).ruling == ("allow" if risk == "SAFE" else "escalate")


def test_a_costly_read_is_held_even_where_no_confidence_is_asked_for():
    said = judged(None, impact(51), RiskLevel.SAFE)
    assert (said.ruling, said.rule, said.reason) == (
        "escalate",
        "escalation.above_cost_usd",
        "51 USD is over 50 USD",
    )


def test_the_shipped_policy_spares_harmless_reads_and_nothing_else():
    read = proposal("file.read", {"path": "src/a.py"}, confidence=None)
    assert ask(read).word == "allow"
    decided = ask(proposal(confidence=None))
    assert decided.word == "hold"
    assert decided.waits == (Wait(kind="person", role="responder"),)
    assert answer(decided, "escalation").ruling == "escalate"
