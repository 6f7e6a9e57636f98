"""Incidents come with the load and with deploys, and are the same whoever deals with them."""

import pytest
from msgspec import structs

from engine.core.vocabulary.units import DAY_US, HOUR_US
from simulator.world.characters import HARMFUL, USELESS
from simulator.world.incidents import deploys, extra, hardness, incidents
from simulator.world.stories import GOOD_STORY, RECENT_US, SERVICES, cast

STORY = structs.replace(GOOD_STORY, days=28)
WORK = STORY.works[0]
CHECKOUT = SERVICES[0]


def coming(story=STORY, seed=7, service=CHECKOUT):
    return [*incidents(story, seed, story.works[0], service)]


def test_the_same_seed_has_the_same_incidents_and_another_seed_others():
    assert coming() == coming()
    assert coming() != coming(seed=8)


def test_they_do_not_depend_on_who_will_deal_with_them():
    assert coming(cast(STORY, HARMFUL)) == coming(cast(STORY, USELESS))


def test_they_are_in_order_of_time_and_each_has_a_name_of_its_own():
    found = coming()
    assert [one.at_us for one in found] == sorted(one.at_us for one in found)
    assert len({one.episode for one in found}) == len(found)


def test_a_service_that_is_deployed_more_often_keeps_its_incidents_and_gets_more():
    calm, busy = structs.replace(CHECKOUT, deploys=0.0), structs.replace(CHECKOUT, deploys=6.0)
    few = {one.episode: (one.at_us, one.ending, one.wish) for one in coming(service=calm)}
    many = {one.episode: (one.at_us, one.ending, one.wish) for one in coming(service=busy)}
    assert few.items() < many.items()
    assert len(many) > 1.3 * len(few)


def test_they_follow_the_load():
    found = coming(service=structs.replace(CHECKOUT, deploys=0.0))
    hours = [one.at_us % DAY_US // HOUR_US for one in found]
    assert sum(9 <= hour < 17 for hour in hours) > 3 * sum(hour < 5 for hour in hours)


def test_there_are_as_many_as_the_story_says():
    found = [one for service in SERVICES for one in coming(service=structs.replace(service, deploys=0.0))]
    working = [one for one in found if (one.at_us // DAY_US + 3) % 7 < 5]
    assert len(working) / 20 == pytest.approx(WORK.incidents, rel=0.05)
    assert (len(found) - len(working)) / 8 == pytest.approx(WORK.incidents / 2, rel=0.1)


def test_deploys_fall_into_office_hours_of_working_days():
    found = deploys(STORY, 7, CHECKOUT)
    assert len(found) / 20 == pytest.approx(CHECKOUT.deploys, rel=0.5)
    assert all(8 <= at_us % DAY_US / HOUR_US < 18 and (at_us // DAY_US + 3) % 7 < 5 for at_us in found)
    assert deploys(STORY, 7, structs.replace(CHECKOUT, deploys=0.0)) == []


def test_what_breaks_after_a_deploy_is_harder():
    assert hardness(1.0, RECENT_US - 1) == 1.5 * hardness(1.0, RECENT_US)
    assert hardness(2.0, RECENT_US) > hardness(1.0, RECENT_US)


def test_work_that_never_comes_makes_no_incident():
    idle = structs.replace(STORY, works=(structs.replace(WORK, incidents=0.0),))
    assert coming(idle) == []
    assert coming(service=structs.replace(CHECKOUT, share=0.0)) == []


def test_extra_incidents_leave_the_usual_ones_as_they_are():
    before = coming()
    names = [f"extra-{number}" for number in range(5)]
    assert [one.episode for one in extra(STORY, 7, "burst-0", WORK, iter(names))] == names
    assert coming() == before
