"""Whatever happens, in whatever order: evidence stays a number, moves the right way, and is never made up."""

from math import exp, isfinite, log

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.statistics import agreement, detector, mixture, onset, paired, risk_ratio, sample_ratio

shares = st.sampled_from([0.001, 0.01, 0.1, 0.5, 0.9]) | st.floats(0.0005, 0.9995)
failed = st.lists(st.tuples(st.booleans(), shares), max_size=60)
ruled_out = st.sampled_from([4.0, 2.0, 1.25]) | st.floats(0.1, 10.0)


def bad_after(episodes):
    values = risk_ratio.begin_bad()
    for in_canary, share in episodes:
        risk_ratio.see_bad(values, in_canary, share)
    return risk_ratio.bad(values)


def good_after(episodes, ratio):
    values = risk_ratio.begin_good()
    for in_canary, share in episodes:
        risk_ratio.see_good(values, in_canary, share, ratio)
    return risk_ratio.good(values)


def agreement_after(agreed, share=0.95):
    values = agreement.begin()
    for each in agreed:
        agreement.see(values, each, share)
    return agreement.e_value(values)


def level_after(points, limit=0.03):
    values = detector.begin()
    for bad in points:
        detector.see(values, bad, limit)
    return detector.level(values)


@given(failed, ruled_out)
def test_evidence_is_never_negative_and_always_a_number(episodes, ratio):
    ratios = sample_ratio.begin()
    for in_canary, share in episodes:
        sample_ratio.see(ratios, in_canary, share)
    found = bad_after(episodes), good_after(episodes, ratio), sample_ratio.e_value(ratios)
    assert all(isfinite(each) and each >= 0 for each in found)


@given(failed.flatmap(lambda it: st.tuples(st.just(it), st.permutations(it))), ruled_out)
def test_the_order_of_failures_does_not_matter_to_the_evidence_of_no_harm(both, ratio):
    assert good_after(both[0], ratio) == pytest.approx(good_after(both[1], ratio), rel=1e-9)


@given(st.lists(st.booleans(), max_size=80).flatmap(lambda it: st.tuples(st.just(it), st.permutations(it))))
def test_the_order_of_comparisons_does_not_matter_to_agreement(both):
    assert agreement_after(both[0]) == pytest.approx(agreement_after(both[1]), rel=1e-9)


def test_the_order_matters_to_evidence_of_harm_since_late_harm_is_harm():
    first = [(True, 0.1)] * 20 + [(False, 0.1)] * 200
    assert bad_after(first[::-1]) > 100 * bad_after(first)


@given(failed.filter(lambda it: any(not in_canary for in_canary, _ in it)), ruled_out, st.data())
def test_another_failure_of_the_canarys_always_speaks_against_it(episodes, ratio, data):
    at = data.draw(st.sampled_from([at for at, each in enumerate(episodes) if not each[0]]))
    worse = [*episodes[:at], (True, episodes[at][1]), *episodes[at + 1 :]]
    assert bad_after(worse) >= bad_after(episodes)
    assert good_after(worse, ratio) <= good_after(episodes, ratio)


@given(st.lists(st.booleans(), max_size=80).filter(lambda it: not all(it)), st.data())
def test_another_agreement_always_speaks_for_it_and_another_bad_point_against(seen, data):
    at = data.draw(st.sampled_from([at for at, each in enumerate(seen) if not each]))
    more = [*seen[:at], True, *seen[at + 1 :]]
    assert agreement_after(more) >= agreement_after(seen)
    assert level_after(more) >= level_after(seen)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_pairs_that_end_alike_say_nothing_and_both_directions_mirror_each_other(pairs):
    worse, better, discordant = paired.begin(), paired.begin(), paired.begin()
    for candidate, incumbent in pairs:
        paired.see(worse, candidate, incumbent)
        paired.see(better, incumbent, candidate, "better")
        if candidate != incumbent:
            paired.see(discordant, candidate, incumbent)
    assert worse == better == discordant


@given(st.floats(0.0005, 0.9995), st.lists(st.floats(1.0001, 1000.0), min_size=1, max_size=5))
def test_odds_and_probabilities_are_the_same_bet(null, odds):
    by_odds, by_chance = mixture.begin([1.0] * len(odds)), mixture.begin([1.0] * len(odds))
    alternatives = [k * null / (k * null + 1 - null) for k in odds]
    happened, did_not = mixture.odds_factors(null, odds)
    for row, saw in ((happened, True), (did_not, False)):
        mixture.multiply(by_odds, row)
        mixture.bet(by_chance, saw, null, alternatives)
    assert by_odds == pytest.approx(by_chance, rel=1e-9)


@pytest.mark.parametrize("then", [0, 50, 2000])
def test_at_the_ceiling_evidence_is_lost_and_never_made(then):
    row = [True] * 2000 + [False] * then
    values = mixture.begin((1.0,))
    for happened in row:
        mixture.bet(values, happened, 0.5, (0.75,))
    truth = sum(log(1.5) if happened else log(0.5) for happened in row)
    assert log(values[0]) <= truth if values[0] else truth < 0
    assert values[0] <= mixture.CEILING


def test_every_process_is_cut_at_the_ceiling():
    bad, ratio, level, agreed = (
        risk_ratio.begin_bad(),
        sample_ratio.begin(),
        detector.begin(),
        agreement.begin(),
    )
    for _ in range(20_000):
        risk_ratio.see_bad(bad, True, 0.01)
        sample_ratio.see(ratio, True, 0.01)
        detector.see(level, True, 0.03)
        agreement.see(agreed, True, 0.95)
    for values in (bad, ratio, level, agreed):
        assert max(values) == mixture.CEILING
    found = risk_ratio.bad(bad), sample_ratio.e_value(ratio), detector.level(level), agreement.e_value(agreed)
    assert all(1e299 < each <= 3.0001e300 for each in found)


def test_what_was_lost_below_every_number_does_not_come_back():
    values = mixture.begin((1.0,))
    for _ in range(2000):
        mixture.bet(values, False, 0.5, (0.75,))
    assert values == [0.0]
    mixture.bet(values, True, 0.5, (0.75,))
    assert mixture.e_value(values) == 0.0


def test_evidence_of_harm_is_not_lost_however_long_all_went_well():
    values = risk_ratio.begin_bad()
    for _ in range(30_000):
        risk_ratio.see_bad(values, False, 0.5)
    before = risk_ratio.bad(values)
    for _ in range(40):
        risk_ratio.see_bad(values, True, 0.5)
    assert before < 1 < 25 < risk_ratio.bad(values)


@given(failed, failed)
def test_state_that_was_written_and_read_goes_on_as_if_it_had_not_been(before, after):
    straight = risk_ratio.begin_bad()
    for in_canary, share in before:
        risk_ratio.see_bad(straight, in_canary, share)
    restored = msgspec.json.decode(msgspec.json.encode(straight), type=list[float])
    for in_canary, share in after:
        risk_ratio.see_bad(straight, in_canary, share)
        risk_ratio.see_bad(restored, in_canary, share)
    assert msgspec.json.encode(restored) == msgspec.json.encode(straight)


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_the_onset_mixture_is_what_its_formula_says(path):
    values = onset.begin(1)
    logs, kept, formula = [log(1.6) if x else log(0.7) for x in path], 1.0, 0.0
    for happened in path:
        onset.multiply(values, [1.6 if happened else 0.7])
    block, left = 0, 1
    for k in range(len(path)):
        stake = 1 / ((block + 1) * (block + 2)) / 2**block
        formula += stake * exp(sum(logs[k:]))
        kept -= stake
        left -= 1
        if not left:
            block, left = block + 1, 2 ** (block + 1)
    assert onset.e_value(values, [1.0]) == pytest.approx(formula + kept, rel=1e-9)


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_the_detector_is_what_its_formula_says(path):
    happened, did_not = mixture.odds_factors(0.2, detector.ODDS)
    formula = 0.0
    for weight, up, down in zip(detector.WEIGHTS, happened, did_not, strict=True):
        for k in range(len(path)):
            product = weight
            for x in path[k:]:
                product *= up if x else down
            formula += product
    assert level_after(path, 0.2) == pytest.approx(formula, rel=1e-9)


@pytest.mark.parametrize("module", [agreement, detector, paired])
def test_what_is_staked_adds_up_to_one(module):
    assert sum(module.WEIGHTS) == pytest.approx(1.0, abs=1e-15)
    assert len(module.WEIGHTS) == len(module.ODDS)


def test_what_is_staked_on_harm_and_on_none_adds_up_to_one():
    for weights in (risk_ratio.BAD_WEIGHTS, risk_ratio.GOOD_WEIGHTS, sample_ratio.WEIGHTS):
        assert sum(weights) == pytest.approx(1.0, abs=1e-15)
