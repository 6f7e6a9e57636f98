"""Value against the incumbent: a difference, within an interval that holds the true one."""

from random import Random

from engine.core.kpis.standing import difference


def counts(*stages):
    return [number for stage in (*stages, *[(0, 0, 0, 0)] * (3 - len(stages))) for number in stage]


def test_without_a_canary_beside_control_there_is_no_difference():
    assert difference(counts((5, 1, 0, 0))).missing == "no canary acted beside its incumbent"
    assert difference(counts((0, 0, 5, 1))).value is None


def test_stages_are_compared_within_themselves():
    # Both fail in a tenth of a bad month at 1 %, and in a hundredth later: pooled, the canary looks better.
    found = difference(counts((10, 1, 990, 99), (0, 0, 0, 0), (500, 5, 500, 5)))
    assert abs(found.value) < 1e-12


def test_its_interval_holds_the_true_difference_far_oftener_than_it_must():
    chance, missed = Random(11), 0
    for _ in range(200):
        stage = [0, 0, 0, 0]
        wrong = False
        for number in range(400):
            place = 0 if chance.random() < 0.5 else 2
            stage[place] += 1
            stage[place + 1] += chance.random() < (0.1 if place == 0 else 0.2)
            if number % 40 == 39:
                found = difference(counts(tuple(stage)))
                wrong = wrong or not found.interval.low <= 0.1 <= found.interval.high
        missed += wrong
    assert missed <= 10, missed
