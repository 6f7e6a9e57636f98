"""Memory: it says what it was told, never grows past its bound, and gives up where nothing comes twice."""

from itertools import product

import pytest

from engine.core.decide import assess
from engine.core.gates import blast_radius, risk, rules, validation
from engine.core.policy import Remembered
from engine.core.provenance import heard, wanted
from engine.core.vocabulary.facts import encode
from engine.core.vocabulary.memory import Memory
from engine.core.vocabulary.units import HOUR_US
from tests.builders import NOON_US, changed, impact, proposal, rule_book, shipped, state_under


def assessed(asked, known, policy=None, at_us=NOON_US):
    _, assessment = assess(policy or shipped(), state_under().episodes, asked, at_us, known)
    return encode(assessment)


def test_a_full_memory_starts_again_while_it_helps():
    memory = Memory[int](2)
    for number in range(6):
        memory.keep(number, number)
        assert [memory.find(number) for _ in range(3)] == [number] * 3
    assert memory.find(0) is None


def test_where_nothing_comes_twice_it_gives_up():
    memory = Memory[int](2)
    for number in range(3):
        memory.keep(number, number)
    memory.keep(9, 9)
    assert memory.find(9) is None


def test_a_proposal_that_comes_again_is_not_asked_about_again(monkeypatch):
    known = Remembered()
    first = assessed(proposal(), known)
    monkeypatch.setattr(blast_radius, "judge", lambda *_: pytest.fail("asked again"))
    monkeypatch.setattr(validation, "judge", lambda *_: pytest.fail("asked again"))
    assert assessed(proposal(proposal_id="p-2", agent="coder-2", rationale="another"), known) == first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"impact": impact("1.0")}, {"impact": impact("1.00")}),
        ({"confidence": 0.0}, {"confidence": -0.0}),
        ({"confidence": 0.0}, {"confidence": None}),
        ({"args": {"service": "1"}}, {"args": {"service": 1}}),
        ({"environment": "production"}, {"environment": " production"}),
    ],
)
def test_equal_numbers_that_are_written_differently_are_not_mixed_up(one, other):
    known = Remembered()
    for values in (one, other, one):
        asked = proposal(**values)
        assert assessed(asked, known) == assessed(asked, Remembered(0))


@pytest.mark.parametrize(
    "condition",
    [
        "agent == 'coder-2' && hour_utc >= 22 && cost_usd > 25.0",
        "weekday == 4 || version == '2'",
        "args_text.contains('web-2') && hour_utc == 23",
        "unknown_targets > 0 && confidence < 0.5",
        "files > 100",
    ],
)
def test_what_fires_at_some_moments_only_is_never_taken_for_quiet(condition):
    known, policy = Remembered(), changed(rules=rule_book((condition, "deny")))
    for hours, agent, cost, service, version in [
        *product((0, 11, 12), ("coder-1", "coder-2"), ("1", "26"), ("web-1", "web-2", "a@b.cd"), "12")
    ] * 4:
        asked = proposal(
            agent=agent, impact=impact(cost), args={"service": service}, capability=f"heal@{version}"
        )
        at_us = NOON_US + hours * HOUR_US
        fresh = assessed(asked, Remembered(0), policy, at_us)
        assert assessed(asked, known, policy, at_us) == fresh


def test_rules_that_are_known_to_be_quiet_are_not_asked_again(monkeypatch):
    known = Remembered()
    first = [assessed(proposal(), known) for _ in range(3)]
    monkeypatch.setattr(rules, "judge", lambda *_: pytest.fail("asked again"))
    assert assessed(proposal(proposal_id="p-2", agent="coder-2", episode="other"), known) == first[0]


@pytest.mark.parametrize(
    ("module", "asked", "gate"),
    [
        (blast_radius, "judge", "blast_radius"),
        (validation, "judge", "validation"),
        (risk, "assess", "risk"),
        (risk, "traces", "risk"),
        (wanted, "addresses_of", "rules"),
        (heard, "origins", "rules"),
    ],
)
def test_what_a_gate_failed_at_is_tried_again(module, asked, gate, monkeypatch):
    known = Remembered()

    def broken(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(module, asked, broken)
        assert f"{gate}.failed" in assessed(proposal(), known).decode()
    assert assessed(proposal(), known) == assessed(proposal(), Remembered(0))
