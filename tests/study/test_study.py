"""The study: small, seeded, and judged by the core's own functions."""

import numpy as np
import pytest

from benchmarks.study import exact, shadow
from benchmarks.study.bounds import upper
from benchmarks.study.cases import Case, cases, run
from benchmarks.study.page import BEGIN, END, tables
from benchmarks.study.ramps import ARRIVED, ROLLED_BACK, Climb
from benchmarks.study.worlds import Weather
from tests.house.tree import ROOT

SEED = 11


def climbed(ratio, count=400, seed=SEED, **given):
    world = Weather("constant", 0.02, ratio=ratio).world()
    return Climb(world, count, np.random.default_rng(seed), **given).run()


def test_canaries_in_arrays_are_judged_as_the_core_judges_them():
    found = exact.check(np.random.SeedSequence(SEED), canaries=12)
    assert found.canaries == 12 * len(exact.WEATHERS)
    assert found.complete, found


def test_the_comparison_with_the_core_can_fail():
    log = exact.Log.of(2)
    world = Weather("constant", 0.02, ratio=1.0).world()
    ends = Climb(world, 2, np.random.default_rng(SEED), log=log).run()
    log.looks[0][3] = (log.looks[0][3][0] * 2, *log.looks[0][3][1:])
    assert not exact.compare(log, ends).complete


def test_good_ones_are_seldom_rolled_back_and_bad_ones_seldom_arrive():
    good, bad = climbed(1.0), climbed(1.25)
    assert (good.end == ROLLED_BACK).mean() < 0.09
    assert (good.end == ARRIVED).mean() > 0.9
    assert (bad.end == ARRIVED).mean() < 0.09


def test_five_fold_harm_is_found_at_one_per_cent_within_5000_decisions_and_7_failures():
    ends = climbed(5.0, hold=True)
    assert (ends.end == ROLLED_BACK).all()
    assert np.median(ends.episodes) <= 5_000
    assert np.median(ends.canary_failures) <= 7


def test_the_same_seed_gives_the_same_study():
    one, other, another = climbed(1.0, 50), climbed(1.0, 50), climbed(1.0, 50, seed=12)
    assert (one.episodes == other.episodes).all()
    assert (one.episodes != another.episodes).any()


def test_pairs_need_far_fewer_episodes_than_a_canary_at_one_per_cent():
    found, _ = shadow.pairs(np.random.default_rng(SEED), 400, 0.04, 0.02, 0.5, episodes=20_000)
    assert np.median(found[found != shadow.NEVER]) < 700


def test_the_bound_covers_what_it_bounds():
    assert upper(0, 20_000) < 0.0004
    assert 0.05 < upper(1000, 20_000) < 0.056
    assert upper(5, 5) == 1.0


def test_every_case_has_its_row_in_the_tables():
    asked = cases(20, 10)
    kinds = {case.kind for case in asked}
    quick = [case for case in asked if case.kind not in {"climb", "hold", "late"}]
    assert kinds == {"exact", "hold", "late", "pairs", "agreement", "points", "clusters", "lateness", "climb"}
    seeds = np.random.SeedSequence(SEED).spawn(len(quick))
    small = [Case(case.name, case.kind, case.words, min(case.count, 10)) for case in quick]
    found = [run(case, seed) for case, seed in zip(small, seeds, strict=True)]
    text = tables({"seed": SEED, "minutes": 0.1, "cases": found})
    assert text.count("**ours, in pairs**") == 3
    assert text.count("it is reported") == 3


@pytest.mark.parametrize("mark", [BEGIN, END])
def test_the_page_has_its_marks(mark):
    assert (ROOT / "docs" / "why" / "earned-authority.md").read_text().count(mark) == 1
