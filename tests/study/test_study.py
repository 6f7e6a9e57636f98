"""The study: small, seeded, and judged by the core's own functions and by the engine."""

import json

import numpy as np
import pytest

from benchmarks.study import clusters, exact, lateness, machine, page, peers, points, shadow
from benchmarks.study.answers import block, told
from benchmarks.study.bounds import at_most, upper
from benchmarks.study.cases import WEATHERS, Case, cases
from benchmarks.study.product import LIMITS, PLAN
from benchmarks.study.ramps import ARRIVED, ROLLED_BACK, Climb, Log
from benchmarks.study.worlds import Weather
from tests.house.tree import ROOT

pytestmark = pytest.mark.unmeasured

SEED = 11
PAGE, FIGURES = ROOT / "docs" / page.PAGE, ROOT / "docs" / page.FIGURES


def dice(seed=SEED):
    return np.random.default_rng(seed)


def climbed(ratio, count=400, seed=SEED, base=0.02, **given):
    return Climb(Weather("constant", base, ratio=ratio).world(), count, dice(seed), **given).run()


# ---------------------------------------------------------------- is it the product's rule?


def test_canaries_in_arrays_are_judged_as_the_core_judges_them():
    found = exact.check(np.random.SeedSequence(SEED), canaries=4, most_failures=700)
    assert found.canaries == 4 * len(exact.WEATHERS)
    assert found.complete, found


@pytest.mark.long
def test_several_hundred_canaries_in_arrays_are_judged_as_the_core_judges_them():
    found = exact.check(np.random.SeedSequence(SEED + 1), canaries=60)
    assert found.canaries == 60 * len(exact.WEATHERS)
    assert found.complete, found


@pytest.mark.parametrize("place", [0, 1], ids=["harm", "no harm"])
def test_the_comparison_with_the_core_sees_one_bit(place):
    log = Log.of(2)
    world = Weather("constant", 0.02, ratio=1.0).world()
    ends = Climb(world, 2, dice(), log=log, most_failures=100).run()
    look = list(log.looks[0][3])
    look[place] = np.nextafter(look[place], 2.0)
    log.looks[0][3] = tuple(look)
    found = exact.compare(log, ends)
    assert found.same_bits == found.events - 1
    assert not found.complete


def test_the_comparison_with_the_core_sees_another_end():
    log = Log.of(2)
    ends = Climb(Weather("constant", 0.02, ratio=5.0).world(), 2, dice(), log=log).run()
    ends.end[0] = ARRIVED
    assert exact.compare(log, ends).same_ends == 1


@pytest.mark.long
def test_the_engine_ends_as_the_arrays_say():
    found = machine.compare(np.random.SeedSequence(SEED), rollouts=2)
    assert found.rollouts == 2 * len(machine.WORLDS)
    assert found.live
    assert found.rolled_back
    assert found.complete, found


def test_an_engine_that_is_told_something_else_ends_otherwise():
    rollout = machine.Rollout("a")
    rollout.run(0.02, 40.0, dice(), most=3_000)
    after, last = rollout.changes[-1]
    assert last.now == "rolled_back"
    other = [(canary, failed and not canary) for canary, failed in rollout.seen]
    told_so, told_other = (
        Climb(machine.Told([seen]), 1, dice(), most_episodes=10**6).run() for seen in (rollout.seen, other)
    )
    assert (told_so.end[0], told_so.episodes[0]) == (ROLLED_BACK, after)
    assert told_other.end[0] != ROLLED_BACK


def test_the_comparison_with_the_engine_sees_what_is_still_under_way():
    found = machine.compare(np.random.SeedSequence(SEED), rollouts=1, most=60)
    assert found.under_way == found.rollouts == found.same == found.same_bits


# ---------------------------------------------------------------- what it shows, in small


def test_good_ones_are_seldom_rolled_back_and_bad_ones_seldom_arrive():
    good, bad = climbed(1.0), climbed(1.25, most_failures=1_500)
    # 5 % of 400 and four deviations of chance.
    assert (good.end == ROLLED_BACK).sum() <= 20 + 4 * 4.4
    assert (good.end == ARRIVED).mean() > 0.9
    assert (bad.end == ARRIVED).sum() <= 20 + 4 * 4.4


def test_five_fold_harm_is_found_at_one_per_cent_within_5000_decisions_and_7_failures():
    ends = climbed(5.0, hold=True)
    assert (ends.end == ROLLED_BACK).all()
    assert np.median(ends.episodes) <= 5_000
    assert np.median(ends.canary_failures) <= 7


def test_a_canary_waits_for_its_episodes_though_the_evidence_is_there():
    # So many fail that the evidence to leave 1 % is there before the canary had twenty episodes.
    log = Log.of(40)
    Climb(Weather("constant", 0.15).world(), 40, dice(), log=log, most_failures=400).run()
    waited = 0
    for events, looks in zip(log.events, log.looks, strict=True):
        first = next((n for n, look in enumerate(looks[:-1]) if look[1] >= LIMITS.good), None)
        if first is None or looks[first][0] >= LIMITS.bad:
            continue
        own = sum(well + mine for well, _, mine in events[: first + 1])
        # A step up begins with evidence of 1, and one more failure cannot make 2 of that.
        assert (looks[first + 1][1] > 2) == (own < PLAN.canary_episodes)
        waited += own < PLAN.canary_episodes
    assert waited > 5


def test_pairs_need_far_fewer_episodes_than_a_canary_at_one_per_cent():
    found, _ = shadow.pairs(dice(), 400, 0.04, 0.02, 0.75, episodes=20_000)
    held = climbed(2.0, hold=True)
    assert np.median(found[found != shadow.NEVER]) <= 500
    assert np.median(held.episodes) > 50 * np.median(found)


def test_shadow_is_seldom_left_at_the_rate_that_must_be_passed():
    found = shadow.certified(dice(), 400, PLAN.agreement)
    rates = {rule: (when != shadow.NEVER).mean() for rule, when in found.items()}
    assert rates["ours"] <= 0.05 + 4 * 0.011
    assert rates["rate"] > 0.9
    assert min(rates["wilson"], rates["exact"]) > 0.15


def test_only_one_outcome_an_episode_assigned_by_episode_keeps_the_promise():
    wrong = {way: (clusters.judged(dice(), 400, 1.0, *way) == ROLLED_BACK).mean() for way in clusters.WAYS}
    kept = wrong.pop(("episode", "episode"))
    assert kept <= 0.05 + 4 * 0.011
    assert min(wrong.values()) > 2 * kept


def test_counting_failures_as_they_are_reported_takes_haste_for_harm():
    hasty, patient = (lateness.rolled_back(dice(), 400, 0.5, 500.0, way).mean() for way in lateness.WAYS)
    assert patient <= 0.05 + 4 * 0.011
    assert hasty > 3 * patient


def test_a_guardrail_alarms_soon_after_and_seldom_before():
    found = points.alarms(dice(), 200, 0.02, 0.3, 500, 800)["ours"]
    assert (found > 500).mean() > 0.95
    assert np.median(found[found > 500]) - 500 < 40


@pytest.mark.parametrize("rule", peers.RULES)
def test_every_other_rule_is_wrong_more_often_than_promised_in_some_world(rule):
    wrong = []
    for weather in WEATHERS.values():
        for ratio, end in ((1.0, ROLLED_BACK), (1.25, ARRIVED)):
            own = Weather(**{**weather.__dict__, "ratio": ratio})
            wrong.append((peers.climb(rule, own, peers.Schedule(), 60, dice()).end == end).mean())
    assert max(wrong) > 0.17


def test_drift_and_outages_strike_both_arms():
    for name in ("1 → 5 % fail", "outages"):
        world = WEATHERS[name].world()
        ends = Climb(world, 300, dice()).run()
        assert (ends.end == ROLLED_BACK).sum() <= 15 + 4 * 3.8, name


# ---------------------------------------------------------------- the study itself


def test_the_same_seed_gives_the_same_study():
    one, other, another = (climbed(1.0, 50, seed, most_failures=300) for seed in (SEED, SEED, 12))
    assert (one.episodes == other.episodes).all()
    assert (one.episodes != another.episodes).any()


def test_a_case_has_dice_of_its_own():
    asked = cases(20, 1, 1)
    seeds = [tuple(case.seed(SEED)) for case in asked]
    assert len(set(seeds)) == len(seeds) == len({case.name for case in asked})


def test_blocks_add_up_to_the_case():
    sizes = [size for size, _ in Case("pairs", {}, 12_345).blocks(SEED)]
    assert sizes == [5_000, 5_000, 2_345]


def test_the_bound_is_the_exact_one():
    # All that can happen in three throws of a fair coin.
    assert [round(at_most(hits, 3, 0.5), 12) for hits in range(3)] == [0.125, 0.5, 0.875]
    assert upper(5, 5) == 1.0
    # (1 - p)^n = 0.001 where nothing was hit.
    assert upper(0, 20_000) == pytest.approx(1 - 0.001 ** (1 / 20_000))
    assert at_most(380, 20_000, upper(380, 20_000)) == pytest.approx(0.001, rel=1e-6)


@pytest.mark.long
def test_every_case_can_be_answered_and_has_its_place_in_the_page():
    asked = [Case(case.kind, case.words, min(case.count, 6), weather=case.weather) for case in cases(6, 1, 1)]
    small = [case for case in asked if case.kind != "machine"]
    found = [
        told(case, [block(case, size, seed) for size, seed in case.blocks(SEED)], SEED) for case in small
    ]
    written = page.tables({"cases": found})
    marked = {mark[2] for mark in page.MARKED.finditer(PAGE.read_text())}
    assert marked == {*written, "proof"}


# ---------------------------------------------------------------- the page


def test_the_page_says_what_the_figures_say():
    text, figures = PAGE.read_text(), json.loads(FIGURES.read_text())
    assert page.rendered(text, figures) == text, "run `make study`, or put the page's tables back"


def test_the_figures_are_of_every_case_at_full_size():
    figures = json.loads(FIGURES.read_text())["cases"]
    asked = cases(20_000, 90, 75)
    assert [(case["kind"], case["count"]) for case in figures] == [(case.kind, case.count) for case in asked]


def test_the_figures_keep_the_promises():
    figures = json.loads(FIGURES.read_text())["cases"]
    ours = [
        case
        for case in figures
        if case["kind"] == "climb" and case["rule"] == "ours" and case["world"] in WEATHERS
    ]
    assert len(ours) == 2 * len(WEATHERS)
    for case in ours:
        wrong = case["rolled_back_at_most"] if case["ratio"] == 1 else case["arrived_at_most"]
        assert wrong <= 0.05, case
    (harm,) = [
        case
        for case in figures
        if (case["kind"], case.get("rule"), case.get("ratio"), case.get("base"))
        == ("hold", "ours", 5.0, 0.02)
    ]
    assert harm["median_decisions"] <= 5_000
    assert harm["failures"] <= 7
    assert all(case["complete"] for case in figures if case["kind"] in {"exact", "machine"})
