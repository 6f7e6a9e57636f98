"""Blast radius, consensus and escalation: more impact is never ruled less strictly."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.core.gates import blast_radius, consensus, escalation
from engine.core.vocabulary.actions import RISK_LEVELS, Action, BlastCaps
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.verdicts import RULING_RANK
from tests.builders import shipped
from tests.strategies import impacts

caps = st.none() | st.builds(
    BlastCaps,
    cost_usd=st.integers(0, 200).map(Decimal),
    files=st.integers(0, 20),
    api_calls=st.integers(0, 2000),
)
confidences = st.none() | st.floats(0, 1) | st.sampled_from([0.7, 0.6999999])


def acting(own):
    return Action(name="try", kind="write", risk="LOW", blast=own)


def more(one: Impact, other: Impact) -> Impact:
    """The larger of both, part by part."""
    return Impact(
        cost_usd=max(one.cost_usd, other.cost_usd),
        files=max(one.files, other.files),
        api_calls=max(one.api_calls, other.api_calls),
    )


def rank(said):
    return RULING_RANK[said.ruling]


@given(caps, impacts, impacts)
def test_blast_radius_is_monotone_in_impact(own, one, other):
    low, high = (blast_radius.judge(shipped().blast, acting(own), i) for i in (one, more(one, other)))
    assert rank(low) <= rank(high)


@given(caps, impacts)
def test_blast_radius_denies_exactly_what_passes_a_cap(own, touched):
    said = blast_radius.judge(shipped().blast, acting(own), touched)
    limits = own or shipped().blast.caps
    passed = [m for m in ("cost_usd", "files", "api_calls") if getattr(touched, m) > getattr(limits, m)]
    assert said.ruling == ("deny" if passed else "allow")
    assert [m for m in ("cost_usd", "files", "api_calls") if f"{m}, not" in said.reason] == passed


@given(impacts, impacts)
def test_consensus_is_monotone_in_impact_and_waits_only_when_it_holds(one, other):
    low, high = (consensus.judge(shipped().consensus, i) for i in (one, more(one, other)))
    assert rank(low) <= rank(high)
    for said in (low, high):
        assert bool(said.waits) == (said.ruling == "consensus") == bool(said.reason)


@given(impacts, impacts, confidences, confidences, st.sampled_from(RISK_LEVELS), st.sampled_from(RISK_LEVELS))
def test_escalation_is_monotone_in_impact_doubt_and_risk(one, other, sure, unsure, low_risk, high_risk):
    sure, unsure = max(sure or 0.0, unsure or 0.0), min(sure or 0.0, unsure or 0.0)
    low_risk, high_risk = sorted((low_risk, high_risk), key=RISK_LEVELS.index)
    low = escalation.judge(shipped().escalation, sure, one, low_risk)
    high = escalation.judge(shipped().escalation, unsure, more(one, other), high_risk)
    assert rank(low) <= rank(high)
    assert bool(high.waits) == (high.ruling == "escalate") == bool(high.reason)


@given(impacts, st.sampled_from(RISK_LEVELS))
def test_a_missing_confidence_is_ruled_as_zero_is(touched, risk):
    missing = escalation.judge(shipped().escalation, None, touched, risk)
    zero = escalation.judge(shipped().escalation, 0.0, touched, risk)
    assert (missing.ruling, missing.rule, missing.checks, missing.waits) == (
        zero.ruling,
        zero.rule,
        zero.checks,
        zero.waits,
    )
