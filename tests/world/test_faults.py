"""Each fault does what it says, and shows where it must."""

from collections import Counter

import pytest
from msgspec import structs

from engine.core.vocabulary.facts import (
    EpisodeClosed,
    IncumbentActed,
    MetricObserved,
    OutcomeReported,
    ProposalReceived,
    TimePassed,
)
from engine.core.vocabulary.units import DAY_US, HOUR_US
from simulator.world.characters import EQUAL, GOOD
from simulator.world.faults import Faults
from tests.world.worlds import NO_SHADOW, facts_in, lived, near, starring, watched, work_of

STORY = starring(EQUAL, base=0.05)


def outcomes(sink):
    return sink.kinds(OutcomeReported, IncumbentActed)


def test_lost_outcomes_are_never_told():
    world, _ = watched(STORY, 3, faults=Faults(lost=0.3))
    lost = sum(truth.told is None for truth in world.books.truths)
    assert near(lost, 0.3 * len(world.books.truths), len(world.books.truths), 0.3)


def test_outcomes_can_be_lost_in_one_side_alone():
    world, _ = watched(STORY, 3, share=0.5, faults=Faults(lost=0.5, on="candidate"))
    lost = Counter(truth.actor for truth in world.books.truths if truth.told is None)
    assert lost["candidate"] > 100
    assert lost["people"] == 0
    world, _ = watched(STORY, 3, share=0.5, faults=Faults(lost=0.5, on="others"))
    lost = Counter(truth.actor for truth in world.books.truths if truth.told is None)
    assert lost["people"] > 100
    assert lost["candidate"] == 0


def test_late_outcomes_come_after_the_time_they_are_late_by():
    _, sink = watched(STORY, 3, faults=Faults(late=1.0, late_us=2 * HOUR_US))
    closed = {fact.episode: fact.at_us for fact in sink.kinds(EpisodeClosed)}
    told = outcomes(sink)
    assert len(told) > 500
    assert all(fact.at_us == closed[fact.proposal_id.split(":")[0]] + 2 * HOUR_US for fact in told)


def test_duplicated_outcomes_come_twice():
    _, sink = watched(STORY, 3, faults=Faults(duplicated=1.0))
    assert {*Counter(fact.proposal_id for fact in outcomes(sink)).values()} == {2}


def test_wrong_outcomes_say_the_opposite():
    world, sink = watched(STORY, 3, faults=Faults(wrong=1.0))
    assert all(truth.told is truth.failed for truth in world.books.truths)
    told = outcomes(sink)
    assert sum(not fact.ok for fact in told) == sum(not truth.failed for truth in world.books.truths)


def test_mislabelled_outcomes_name_the_other_side():
    world, sink = watched(STORY, 3, share=0.5, faults=Faults(mislabelled=1.0))
    actors = {truth.episode: truth.actor for truth in world.books.truths}
    told = sink.kinds(OutcomeReported)
    assert len(told) > 900
    assert not sink.kinds(IncumbentActed)
    for fact in told:
        acted = actors[fact.proposal_id.split(":")[0]] == "candidate"
        assert (fact.by == "executor") is not acted


def test_swapped_arms_let_the_other_side_act():
    plain = watched(STORY, 3, share=0.2)[0].books.truths
    swapped = watched(STORY, 3, share=0.2, faults=Faults(swapped=1.0))[0].books.truths
    before = {truth.episode: truth.actor for truth in plain}
    after = {truth.episode: truth.actor for truth in swapped}
    both = before.keys() & after.keys()
    assert len(both) > 900
    assert all((before[one] == "candidate") is not (after[one] == "candidate") for one in both)


def test_a_swap_gives_the_work_of_a_version_to_the_candidate():
    work = structs.replace(work_of(STORY), incumbent="scale-busy@0")
    story = structs.replace(STORY, works=(work,))
    plain = watched(story, 2, share=0.2)[0].books.arms(work.name)
    swapped = watched(story, 2, share=0.2, faults=Faults(swapped=1.0))[0].books.arms(work.name)
    assert plain["incumbent"].episodes == pytest.approx(swapped["candidate"].episodes, abs=3)
    assert plain["candidate"].episodes == pytest.approx(swapped["incumbent"].episodes, abs=3)


def test_a_jump_changes_what_the_clock_says_and_not_what_happens():
    jumps = ((DAY_US, 5 * HOUR_US), (2 * DAY_US, -9 * HOUR_US))
    world, sink = watched(STORY, 3, faults=Faults(jumps=jumps))
    plain, other = watched(STORY, 3)
    assert world.books.truths == plain.books.truths
    moved = Counter(
        told.at_us - meant.at_us
        for told, meant in zip(sink.told, other.told, strict=True)
        if not isinstance(told, OutcomeReported)
    )
    assert {*moved} == {0, 5 * HOUR_US, -4 * HOUR_US}


def test_a_burst_comes_at_once_and_changes_nothing_else():
    world, sink = watched(STORY, 2, faults=Faults(bursts=((DAY_US, 300),)))
    plain, _ = watched(STORY, 2)
    burst = [one for one in world.books.truths if "-burst-" in one.episode]
    assert len(burst) == 300
    assert {one.at_us for one in burst} == {STORY.start_us + DAY_US}
    rest = [one for one in world.books.truths if "-burst-" not in one.episode]
    assert rest == plain.books.truths
    asked = [fact.at_us for fact in sink.kinds(ProposalReceived)]
    assert Counter(asked)[STORY.start_us + DAY_US] >= 300


def test_what_ended_badly_shows_in_what_is_measured():
    _, calm = watched(starring(GOOD, base=0.0), 2)
    _, ill = watched(starring(GOOD, base=0.6), 2)
    assert max(fact.value for fact in calm.kinds(MetricObserved)) < 5
    assert sum(fact.value > 20 for fact in ill.kinds(MetricObserved)) > 20


def test_time_passes_every_hour():
    _, sink = watched(STORY, 2)
    assert [fact.at_us for fact in sink.kinds(TimePassed)] == [
        STORY.start_us + hour * HOUR_US for hour in range(48)
    ]


# ---------------------------------------------------------------- what the real engine makes of them


def canary(faults, days=3.0):
    world, journal = lived(
        starring(EQUAL, base=0.05), days, faults=faults, plan=NO_SHADOW | {"automatic": True}
    )
    return world, journal


def test_mislabelled_outcomes_pause_the_rollout():
    world, _ = canary(Faults(mislabelled=0.05))
    assert world.books.paused
    assert "though decided as" in world.books.paused[0].reason


def test_swapped_arms_pause_the_rollout():
    world, _ = canary(Faults(swapped=0.05))
    assert world.books.paused
    assert world.books.stages == {"scale-busy@1": "canary_1"}


def test_without_faults_nothing_pauses_it():
    world, _ = canary(Faults())
    assert not world.books.paused


def test_lost_outcomes_of_the_candidate_count_as_its_failures():
    story = starring(EQUAL, base=0.02)
    world, journal = lived(
        story, 12, faults=Faults(lost=0.9, on="candidate"), plan=NO_SHADOW | {"automatic": True}
    )
    assert world.books.stages == {"scale-busy@1": "rolled_back"}
    assert len(facts_in(journal, OutcomeReported)) > 0


def test_a_burst_runs_into_the_limits():
    world, journal = lived(starring(EQUAL), 1.5, faults=Faults(bursts=((DAY_US, 300),)))
    denied = [truth for truth in world.books.truths if "-burst-" in truth.episode]
    assert len(denied) == 300
    assert {truth.actor for truth in denied} == {"people"}
    words = Counter(
        record.body.partition(b'"word":"')[2].partition(b'"')[0].decode()
        for record in journal.read()
        if b'"-burst-' in record.body or b"-burst-0-" in record.body
    )
    assert words["deny"] > 100
