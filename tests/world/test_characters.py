"""Every character is as it says: its true rates, and what it is told of it."""

from itertools import islice

import pytest
from msgspec import structs

from engine.core.vocabulary.facts import MetricObserved, OutcomeReported
from engine.core.vocabulary.units import DAY_US, HOUR_US
from simulator.world.characters import (
    CHARACTERS,
    COLLUDING,
    EQUAL,
    FLAPPING,
    GOOD,
    HARMFUL,
    HARMFUL_LATE,
    USELESS,
)
from simulator.world.stories import BOTH_STORY, cast
from simulator.world.trials import trials
from tests.world.worlds import busier, near, proposals, starring, watched, with_partner, work_of

DAYS = 4


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=lambda one: one.name)
def test_what_happens_is_as_probable_as_the_truth_says(character):
    story = starring(character)
    world, _ = watched(story, DAYS, share=0.5)
    for arm in world.books.arms(work_of(story).name).values():
        assert arm.episodes > 700
        rate = arm.probability / arm.episodes
        assert near(arm.failures, arm.probability, arm.episodes, rate)


@pytest.mark.parametrize(
    ("character", "times"), [(GOOD, 0.6), (EQUAL, 1.0), (HARMFUL, 5.0), (HARMFUL_LATE, 1.0), (FLAPPING, 5.6)]
)
def test_a_character_fails_so_many_times_as_often_as_people(character, times):
    story = starring(character, base=0.04)
    world, _ = watched(story, DAYS, share=0.5)
    arms = world.books.arms(work_of(story).name)
    rates = {actor: arm.probability / arm.episodes for actor, arm in arms.items()}
    # The flapping one fails in the afternoon, when there is more to do: that makes more of five times.
    assert rates["candidate"] / rates["people"] == pytest.approx(times, rel=0.1)


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=lambda one: one.name)
def test_a_character_agrees_as_often_as_it_says(character):
    story = starring(character)
    _, sink = watched(story, DAYS)
    asked = proposals(sink.told)
    agreed = sum(proposal.action == work_of(story).action for proposal in asked)
    assert near(agreed, character.agrees * len(asked), len(asked), character.agrees)


def test_the_useless_one_fails_in_half_of_its_episodes_at_least():
    story = starring(USELESS)
    world, _ = watched(story, DAYS)
    assert all(truth.probability == 0.5 for truth in world.books.truths)


def test_the_one_that_turns_when_trusted_turns_when_it_is_live():
    story = starring(HARMFUL_LATE)
    before = watched(story, 2, stage="canary_50")[0].books.arms(work_of(story).name)["candidate"]
    after = watched(story, 2, stage="live")[0].books.arms(work_of(story).name)["candidate"]
    assert before.episodes == after.episodes
    assert before.avoidable == 0
    assert after.failures > 4 * before.failures


def test_one_that_turns_on_a_date_turns_then():
    story = starring(structs.replace(HARMFUL_LATE, trusted=None, after_us=2 * DAY_US))
    world, _ = watched(story, 4)
    turned = [truth.at_us >= story.start_us + 2 * DAY_US for truth in world.books.truths if truth.avoidable]
    assert turned
    assert all(turned)


def test_the_flapping_one_fails_after_noon():
    world, _ = watched(starring(FLAPPING), DAYS)
    hours = [truth.at_us % DAY_US // HOUR_US for truth in world.books.truths if truth.avoidable]
    assert hours
    assert min(hours) >= 12


def test_colluding_ones_report_success_where_there_was_none():
    story = cast(busier(BOTH_STORY, 0.1), COLLUDING)
    one, other = (work.candidate for work in story.works)
    works = tuple(
        structs.replace(work, candidate=structs.replace(work.candidate, partner=partner.agent))
        for work, partner in zip(story.works, (other, one), strict=True)
    )
    world, sink = watched(structs.replace(story, works=works), DAYS)
    failed = [truth for truth in world.books.truths if truth.failed]
    hidden = [truth for truth in failed if truth.told]
    assert near(len(hidden), 0.9 * len(failed), len(failed), 0.9)
    vouched = [fact for fact in sink.kinds(OutcomeReported) if fact.detail]
    assert {fact.detail for fact in vouched} == {f"{other.agent} says so", f"{one.agent} says so"}
    assert all(fact.ok for fact in vouched)
    made = [truth for truth in world.books.truths if "-again-" in truth.episode]
    assert near(len(made), 0.1 * len(world.books.truths), len(world.books.truths), 0.1)


def test_whoever_looks_from_outside_is_told_no_stories():
    story = with_partner(starring(COLLUDING))
    story = structs.replace(story, works=(structs.replace(work_of(story), checked=True),))
    world, sink = watched(story, 2)
    measured = [fact for fact in sink.kinds(MetricObserved) if fact.series == "scale-busy/still_down"]
    assert [fact.value for fact in measured] == [float(truth.failed) for truth in world.books.truths]
    reported = sum(not fact.ok for fact in sink.kinds(OutcomeReported))
    assert reported < 0.2 * sum(fact.value for fact in measured)


def test_one_without_a_partner_hides_nothing_and_triggers_nothing():
    world, _ = watched(starring(COLLUDING), 2)
    assert all(truth.told is not truth.failed for truth in world.books.truths)
    assert not any("-again-" in truth.episode for truth in world.books.truths)


def test_trials_have_the_rates_they_are_asked_for():
    some = [*islice(trials(HARMFUL, base=0.02, share=0.1, seed=3), 100_000)]
    mine = [failed for canary, failed in some if canary]
    others = [failed for canary, failed in some if not canary]
    assert near(len(mine), 10_000, 100_000, 0.1)
    assert near(sum(mine), 0.1 * len(mine), len(mine), 0.1)
    assert near(sum(others), 0.02 * len(others), len(others), 0.02)


def test_trials_know_the_time_of_day():
    flapping = [*islice(trials(FLAPPING, base=0.1, share=1.0, seed=3, per_day=1000.0), 2_000)]
    morning = [failed for number, (_, failed) in enumerate(flapping) if number % 1000 < 500]
    assert near(sum(morning), 100, 1000, 0.1)
    assert sum(failed for _, failed in flapping) > 800
