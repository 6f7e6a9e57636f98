"""Memory: it says what it was told, never grows past its bound, and gives up where nothing comes twice."""

import pytest

from engine.core.decide import assess
from engine.core.gates import blast_radius, validation
from engine.core.policy import Remembered
from engine.core.vocabulary.facts import encode
from engine.core.vocabulary.memory import Memory
from tests.builders import NOON_US, impact, proposal, shipped, state_under


def assessed(asked, known):
    _, assessment = assess(shipped(), state_under().episodes, asked, NOON_US, known)
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


@pytest.mark.parametrize("module", [blast_radius, validation], ids=lambda module: module.GATE)
def test_what_a_gate_failed_at_is_tried_again(module, monkeypatch):
    known = Remembered()

    def broken(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(module, "judge", broken)
        assert f"{module.GATE}.failed" in assessed(proposal(), known).decode()
    assert assessed(proposal(), known) == assessed(proposal(), Remembered(0))
