"""Value: what is said about a candidate, and when nothing is."""

from __future__ import annotations

import json

import msgspec
import pytest

from engine.core.statistics.off_policy import Logged
from simulator.off_policy import Floors, Row, columns_of, text, to_json, value_of
from tests.off_policy.plain import SURE, canary

NAMES = {"candidate_name": "heal@2", "incumbent_name": "heal@1"}


def alone(rows, **values):
    """The value of a candidate beside an incumbent that did all there is."""
    units: dict[str, int] = {}
    mine = columns_of(rows, units)
    theirs = [
        Row(
            row.unit, Logged("", row.decision.choice, 1.0, row.decision.reward, ((row.decision.choice, 1.0),))
        )
        for row in rows
    ]
    return value_of(mine, columns_of(theirs, units), **NAMES, **values)


def mixed(count=400, *, chance=0.5, wanted=SURE, choices=("restart", "wait")):
    return [
        Row(f"e{n}", Logged("", choices[n % len(choices)], chance, float(n % 3 > 0), wanted))
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (0.95, "heal@2 is worth more than heal@1, by 0."),
        (0.65, "heal@2 is worth less than heal@1, by 0."),
        (0.8, "no difference between heal@2 and heal@1 is shown: it lies between -0."),
    ],
)
def test_the_verdict_says_which_is_worth_more_and_by_how_much(candidate, said):
    found = value_of(*canary(1, candidate=candidate), **NAMES)
    assert found.verdict.startswith(said)
    best = next(each for each in found.estimates if each.estimator == "doubly_robust")
    assert best.difference.low <= candidate - 0.8 <= best.difference.high
    assert f"{abs(best.difference.high):.4f}" in found.verdict


def test_every_estimator_answers_for_both_sides_and_their_difference():
    found = value_of(*canary(2), **NAMES)
    assert [each.estimator for each in found.estimates] == ["ips", "snips", "doubly_robust", "model"]
    for each in found.estimates[:3]:
        assert each.candidate.low <= 0.9 <= each.candidate.high
        assert each.incumbent.low <= 0.8 <= each.incumbent.high
        assert each.difference.value == pytest.approx(each.candidate.value - each.incumbent.value)


def test_a_mean_of_rewards_stays_among_rewards():
    found = value_of(*canary(3, episodes=1200, share=0.1, candidate=0.96), **NAMES)
    interval = next(each for each in found.estimates if each.estimator == "snips").candidate
    assert interval.high <= 1.0


@pytest.mark.parametrize(
    ("rows", "floors", "why"),
    [
        ([], {}, "no decision of heal@2 is in this history with the chance it had"),
        (mixed(60), {"effective": 1.0}, "60 episodes of at least 100"),
        (mixed(wanted=(("reboot", 1.0),)), {}, "support is 0 % of at least 99.0 %"),
        (mixed(wanted=(("restart", 0.9), ("reboot", 0.1))), {}, "support is 90.0 % of at least 99.0 %"),
        (mixed(150), {}, "all weights together are worth 75.0 effective episodes of at least 100"),
        (mixed(chance=0.1), {}, "the logged chances do not add up: weights average 5.000 where 1.000"),
    ],
    ids=["empty", "few episodes", "no support", "little support", "few effective", "wrong chances"],
)
def test_nothing_is_said_where_the_history_does_not_carry_it(rows, floors, why):
    found = alone(rows, floors=Floors(**floors))
    assert found.estimates == ()
    assert found.verdict.startswith("nothing is said about heal@2: ")
    assert why in found.verdict
    assert "nothing is said about heal@2" in text(found)


@pytest.mark.parametrize(("well", "kind"), [(1.0, "badly"), (0.0, "well")])
def test_nothing_is_said_where_all_of_it_ended_alike(well, kind):
    rows = [Row(f"e{n}", Logged("", "restart", 1.0, well, SURE)) for n in range(500)]
    assert f"only 0.0 effective episodes went {kind}" in alone(rows).verdict


def test_every_reason_is_told_at_once():
    found = alone(mixed(40, wanted=(("reboot", 0.5), ("restart", 0.5))))
    assert len(found.candidate.abstains) == 3


def test_a_candidate_is_valued_even_where_its_incumbent_cannot_be():
    units: dict[str, int] = {}
    mine = columns_of(
        [Row(f"e{n}", Logged("", "new", 1.0, float(n % 4 > 0), (("new", 1.0),))) for n in range(400)], units
    )
    theirs = columns_of([Row("e1", Logged("", "new", 1.0, 1.0, (("old", 1.0),)))], units)
    found = value_of(mine, theirs, **NAMES)
    assert found.verdict.startswith("heal@2 is worth 0.")
    assert "nothing is said about heal@1: 1 episode of at least 100" in found.verdict
    assert all(each.difference is None and each.incumbent is None for each in found.estimates)
    assert "heal@1: 1 episode of at least 100" in text(found)


def test_the_weights_of_an_episode_count_together():
    rows = [
        Row(f"e{n // 10}", Logged("", ("restart", "wait")[n // 10 % 2], 0.5, float(n % 3 > 0), SURE))
        for n in range(4000)
    ]
    found = alone(rows)
    assert found.candidate.decisions == 4000
    assert found.candidate.episodes == 400
    assert found.candidate.effective == pytest.approx(200)


def test_one_seed_gives_the_same_bytes():
    first, again, other = (to_json(value_of(*canary(4), seed=seed, **NAMES)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_the_text_has_every_figure_of_the_json_and_fits_a_terminal():
    found = value_of(*canary(5), **NAMES, notes=("left out 3 decisions: not allowed, or held",), logged=0.81)
    told, shown = json.loads(to_json(found)), text(found)
    assert max(map(len, shown.splitlines())) <= 100
    for estimate in told["estimates"]:
        for side in ("candidate", "incumbent"):
            assert f"{estimate[side]['value']:.4f} ({estimate[side]['low']:.4f}" in shown
        assert f"{estimate['difference']['value']:+.4f}" in shown
    assert "note: left out 3 decisions" in shown
    assert "whoever decided: 0.8100" in shown
    assert [line[:15] for line in shown.splitlines() if line.startswith(">")] == ["> doubly robust"]


def test_what_is_named_strangely_cannot_act_on_a_terminal():
    found = msgspec.structs.replace(
        value_of(*canary(6), **NAMES), candidate_name="\x1b[2Jx", verdict="\x1b[2J"
    )
    assert "\x1b" not in text(found)
