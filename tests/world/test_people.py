"""People answer after a while, or sleep."""

from msgspec import structs

from engine.core.vocabulary.facts import IncumbentActed, PersonSeen
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US
from simulator.world.characters import EQUAL
from simulator.world.people import answer, awake, wakes_at
from simulator.world.stories import Person
from tests.world.worlds import starring, watched

ADA = Person(name="ada", role="captain", asleep_from=22)
BEN = Person(name="ben", role="responder", asleep_from=6)


def test_somebody_sleeps_over_midnight():
    assert [awake(ADA, hour * HOUR_US) for hour in (21, 22, 23, 0, 5, 6)] == [1, 0, 0, 0, 0, 1]


def test_somebody_gets_up_after_their_sleep_and_an_awake_one_at_once():
    assert wakes_at(ADA, DAY_US + 23 * HOUR_US) == 2 * DAY_US + 6 * HOUR_US
    assert wakes_at(ADA, 12 * HOUR_US) == 12 * HOUR_US


def test_the_first_who_is_awake_answers():
    assert answer([ADA, BEN], 12 * HOUR_US, 1.0, 0.0) == (ADA, 5 * MINUTE_US)
    assert answer([ADA, BEN], 0, 2.0, 0.0) == (BEN, 10 * MINUTE_US)


def test_a_page_wakes_somebody_or_waits_until_the_morning():
    assert answer([ADA], 0, 1.0, 0.89) == (ADA, 15 * MINUTE_US)
    assert answer([ADA], 0, 1.0, 0.91) == (ADA, 6 * HOUR_US + 5 * MINUTE_US)


def test_where_all_sleep_incidents_end_badly_at_night_and_are_told_in_the_morning():
    story = starring(EQUAL, base=0.0, people=(structs.replace(ADA, wakes=0.0),))
    world, sink = watched(story, 3, share=0.0)
    nightly = [truth for truth in world.books.truths if not awake(ADA, truth.at_us)]
    assert len(nightly) > 50
    assert all(truth.failed == (truth.ended_us - truth.at_us > story.patience_us) for truth in nightly)
    assert sum(truth.failed for truth in nightly) > 0.8 * len(nightly)
    assert not any(truth.failed for truth in world.books.truths if awake(ADA, truth.at_us))
    told = sink.kinds(IncumbentActed)
    assert told
    assert all(awake(ADA, fact.at_us) or fact.at_us % DAY_US < 23 * HOUR_US for fact in told)


def test_people_are_seen_when_they_get_up():
    _, sink = watched(starring(EQUAL, people=(ADA,)), 3)
    assert [fact.at_us % DAY_US for fact in sink.kinds(PersonSeen)] == [6 * HOUR_US] * 3
