"""What being woken costs people is counted from the journal's facts alone."""

import pytest
from msgspec import structs

from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import HOUR_US, MINUTE_US, SECOND_US
from engine.core.work.escalations.loads import loads
from tests.escalations.ladders import LADDER, Bridge
from tests.escalations.test_climbing import ADA, BEN, acknowledge

QUICK = structs.replace(LADDER, rounds=1)


@pytest.fixture
def bridge():
    return Bridge(QUICK)


def clear(bridge, name, key):
    at_us = bridge.now_us
    fact = e.EscalationCleared(at_us=at_us, escalation_id=name, key=key, by="engine", until_us=at_us)
    bridge.take(fact)
    bridge.settle()


def at_three(_person, _at_us):
    return 3


def counted(bridge, hour_of=at_three):
    return loads(bridge.facts, hour_of)


def test_time_to_acknowledge_is_from_the_first_page_to_that_person(bridge):
    name = bridge.raise_("alert:1")
    bridge.wait(160)
    acknowledge(bridge, name, BEN)
    found = counted(bridge)
    assert found.acknowledged.median_us == 160 * SECOND_US
    ben = next(each for each in found.people if each.person == "ben")
    assert (ben.acknowledged.count, ben.acknowledged.longest_us) == (1, 10 * SECOND_US)
    ada = next(each for each in found.people if each.person == "ada")
    assert (ada.wakes, ada.acknowledged.count, ada.acknowledged.median_us) == (1, 0, None)


def test_each_hour_is_that_of_whoever_was_woken(bridge):
    name = bridge.raise_("alert:1")
    bridge.wait(160)
    acknowledge(bridge, name, BEN)
    hours = {"ada": 3, "ben": 11, "cy": 19}
    found = counted(bridge, lambda person, _: hours[person])
    assert [(each.hour, each.wakes, each.acknowledged.count) for each in found.hours] == [
        (3, 1, 0), (11, 1, 1), (19, 1, 0)
    ]  # fmt: skip
    assert {each.person: each.by_night for each in found.people} == {"ada": 1, "ben": 0, "cy": 0}


@pytest.mark.parametrize(("acts", "after_s", "needless"), [(False, 5, 1), (True, 59, 1), (True, 61, 0)])
def test_what_went_away_by_itself_woke_somebody_needlessly(bridge, acts, after_s, needless):
    name = bridge.raise_("alert:1")
    if acts:
        acknowledge(bridge, name, ADA)
    bridge.wait(after_s)
    clear(bridge, name, "alert:1")
    found = counted(bridge)
    assert (found.escalations, found.needless) == (1, needless)
    assert found.people[0].needless == needless


def test_what_a_person_ended_or_nobody_answered_was_not_needless(bridge):
    name = bridge.raise_("alert:1")
    end = e.EscalationEnded(
        at_us=bridge.now_us, escalation_id=name, how="cancelled", by=PersonId("ada"), detail="ada: resolve"
    )
    bridge.take(end)
    bridge.raise_("alert:2")
    bridge.until(bridge.now_us + HOUR_US)
    found = counted(bridge)
    assert (found.woke, found.needless, found.exhausted) == (2, 0, 1)


def test_rings_are_pages_to_people_and_another_try_is_none(bridge):
    name = bridge.raise_("alert:1")
    slack = next(iter(bridge[name].sendings))
    bridge.report(slack, failure="broken")
    bridge.wait(3)
    acknowledge(bridge, name, ADA)
    found = counted(bridge)
    assert (found.rings, found.people[0].rings) == (1, 1)
    assert found.rings_each == 1.0


def test_drills_and_what_was_raised_earlier_are_left_out(bridge):
    bridge.raise_("drill:1", kind="drill")
    bridge.wait(MINUTE_US // SECOND_US)
    bridge.raise_("alert:1")
    assert counted(bridge).escalations == 1
    assert loads(bridge.facts[-1:], at_three).escalations == 0
    assert loads([], at_three).rings_each == 0.0


def test_a_decision_that_somebody_answered_at_once_was_not_needless(bridge):
    name = bridge.raise_("decision:d_1", kind="decision")
    acknowledge(bridge, name, ADA)
    bridge.wait(1)
    clear(bridge, name, "decision:d_1")
    assert counted(bridge).needless == 0
