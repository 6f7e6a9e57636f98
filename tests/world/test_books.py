"""The books add up: who dealt with what, what it cost, and what need not have happened."""

from engine.core.vocabulary.units import MINUTE_US
from simulator.world.characters import HARMFUL
from simulator.world.stories import AGENT_COST_CENTS, PERSON_MINUTE_CENTS, REPAIR_US
from tests.world.worlds import starring, watched

STORY = starring(HARMFUL)


def test_an_outage_costs_until_its_incident_is_dealt_with_and_longer_if_that_failed():
    world, _ = watched(STORY, 2, share=0.5)
    cents = {service.name: service.minute_cents for service in STORY.services}
    for truth in world.books.truths:
        outage_us = truth.ended_us - truth.at_us + (REPAIR_US if truth.failed else 0)
        work = AGENT_COST_CENTS if truth.actor == "candidate" else 5 * PERSON_MINUTE_CENTS
        assert truth.cost_cents == outage_us * cents[truth.service] // MINUTE_US + work


def test_arms_add_up_to_all_episodes():
    world, _ = watched(STORY, 2, share=0.5)
    arms = world.books.arms("scale-busy")
    truths = world.books.truths
    assert {*arms} == {"candidate", "people"}
    assert sum(arm.episodes for arm in arms.values()) == len(truths)
    assert sum(arm.failures for arm in arms.values()) == sum(truth.failed for truth in truths)
    assert sum(arm.cost_cents for arm in arms.values()) == sum(truth.cost_cents for truth in truths)
    assert arms["candidate"].minutes > 0


def test_avoidable_is_what_only_the_candidate_fails_at():
    world, _ = watched(STORY, 2, share=0.5)
    arms = world.books.arms("scale-busy")
    mine = [truth for truth in world.books.truths if truth.actor == "candidate"]
    assert arms["candidate"].avoidable == sum(one.failed and not one.incumbent_failed for one in mine)
    assert arms["candidate"].avoidable > 0.5 * arms["candidate"].failures
    assert arms["people"].avoidable == 0


def test_arms_can_be_counted_for_some_stages_alone():
    world, _ = watched(STORY, 2, stage="canary_10")
    assert world.books.arms("scale-busy", ("canary_1",)) == {}
    assert world.books.arms("scale-busy", ("canary_10",)) == world.books.arms("scale-busy")


def test_another_line_of_work_is_not_counted():
    world, _ = watched(STORY, 1)
    assert world.books.arms("restart-unhealthy") == {}
