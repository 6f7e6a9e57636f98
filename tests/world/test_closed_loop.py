"""The world against the real engine: one side acts in each episode, and crashes leave no trace."""

from collections import Counter

import pytest
from msgspec import structs

from engine.adapters.journal_memory import MemoryJournal
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.state import state_hash
from engine.core.vocabulary.facts import (
    OutcomeReported,
    PromotionAsked,
    PromotionReady,
    PromotionRefused,
    StageChanged,
    TimePassed,
    VerdictReached,
)
from engine.core.vocabulary.rollouts import Evidence, SeriesLimit
from engine.core.vocabulary.units import DAY_US, HOUR_US
from simulator.world.characters import COLLUDING, EQUAL, HARMFUL, HARMFUL_LATE, USELESS
from simulator.world.faults import Faults
from simulator.world.people import awake
from simulator.world.running import World
from simulator.world.sink import Engine, Nobody
from simulator.world.stories import BOTH_STORY, GOOD_STORY, HARMFUL_STORY, cast
from tests.world.worlds import (
    NO_SHADOW,
    SHORT_SHADOW,
    busier,
    facts_in,
    lived,
    near,
    policy_of,
    replayed,
    starring,
    with_partner,
)

STORY = busier(BOTH_STORY, 0.05, incidents=200.0)


def history(journal):
    return [(record.key, record.body) for record in journal.read()]


@pytest.fixture(scope="module")
def both():
    """Six days of both candidates, one day of them in shadow."""
    return lived(STORY, 6)


def test_whatever_is_to_be_executed_is_done_once_and_nothing_else_is(both):
    world, journal = both
    executed = {
        fact.verdict.proposal_id
        for fact in facts_in(journal, VerdictReached)
        if fact.verdict.word == "allow" and not fact.verdict.shadowed
    }
    done = Counter(truth.proposal_id for truth in world.books.truths if truth.proposal_id)
    assert len(done) > 800
    assert {*done.values()} == {1}
    # What began in the last hours has not ended yet.
    open_ones = executed - {*done}
    assert {*done} <= executed
    assert len(open_ones) < 20


def test_exactly_one_side_deals_with_each_episode(both):
    world, journal = both
    assert len({truth.episode for truth in world.books.truths}) == len(world.books.truths)
    executed = Counter(
        fact.verdict.episode
        for fact in facts_in(journal, VerdictReached)
        if fact.verdict.word == "allow" and not fact.verdict.shadowed
    )
    assert {*executed.values()} == {1}


def test_outcomes_by_the_executor_are_those_of_executed_proposals(both):
    world, journal = both
    acted = {truth.proposal_id for truth in world.books.truths if truth.proposal_id}
    told = facts_in(journal, OutcomeReported)
    assert {fact.proposal_id for fact in told if fact.by == "executor"} == acted
    assert not acted & {fact.proposal_id for fact in told if fact.by == "incumbent"}


def test_a_canary_gets_its_share():
    plan = NO_SHADOW | {"canary_episodes": 100_000}
    world, _ = lived(starring(EQUAL, base=0.02), 14, plan=plan)
    truths = [truth for truth in world.books.truths if truth.stage == "canary_1"]
    assert len(truths) > 4000
    mine = sum(truth.actor == "candidate" for truth in truths)
    assert near(mine, 0.01 * len(truths), len(truths), 0.01)


def test_people_press_the_button_only_when_they_are_awake(both):
    _, journal = both
    (ada,) = [person for person in STORY.people if person.role == "captain"]
    asked = facts_in(journal, PromotionAsked)
    assert asked
    assert all(awake(ada, fact.at_us) for fact in asked)


def test_without_a_captain_nobody_presses():
    story = structs.replace(STORY, people=STORY.people[1:])
    world, journal = lived(story, 3)
    assert world.books.ready
    assert not facts_in(journal, PromotionAsked)
    assert {*world.books.stages.values()} == {"shadow"}


class Reluctant(Nobody):
    """Says once that a step is ready, and takes it when it was asked for the third time."""

    def __init__(self):
        self.asked = []
        self.told = False

    def tell(self, fact):
        common = {"at_us": fact.at_us, "capability": "scale-busy@1", "evidence": Evidence(since_us=0)}
        if isinstance(fact, TimePassed) and not self.told:
            self.told = True
            return (PromotionReady(stage="canary_1", **common),)
        if isinstance(fact, PromotionAsked):
            self.asked.append(fact.at_us)
            if len(self.asked) == 3:
                return (StageChanged(was="shadow", now="canary_1", by="ada", reason="", **common),)
            return (PromotionRefused(stage="shadow", by="ada", reason="not yet", likely_us=None, **common),)
        return ()


def test_a_refused_wish_is_repeated_the_next_day():
    sink, world = Reluctant(), World(HARMFUL_STORY, 7)
    world.run(sink, HARMFUL_STORY.start_us + 6 * DAY_US)
    days = [(at_us - HARMFUL_STORY.start_us) // DAY_US for at_us in sink.asked]
    assert days == [0, 1, 2]
    assert len(world.books.refused) == 2
    assert world.books.stages == {"scale-busy@1": "canary_1"}


def test_the_useless_one_stays_in_shadow():
    world, _ = lived(starring(USELESS, base=0.05), 5)
    assert world.books.stages == {"scale-busy@1": "shadow"}
    assert "candidate" not in world.books.arms("scale-busy")


def test_a_crash_leaves_no_trace():
    plain, journal = lived(STORY, 3)
    broken, other = lived(STORY, 3, faults=Faults(crashes=(1, 7, 500, 501, 2_000, 2_521)))
    assert broken._sink.restarts == 6
    assert history(journal) == history(other)
    assert plain.books == broken.books


def test_a_world_that_begins_again_on_its_own_journal_goes_on_where_it_was(tmp_path):
    whole, journal = lived(STORY, 3)
    path = tmp_path / "journal.db"
    first = SqliteJournal(path)
    lived(STORY, 1.7, journal=first)
    first.close()
    second = SqliteJournal(path)
    again, _ = lived(STORY, 3, journal=second)
    assert history(journal) == history(second)
    assert whole.books == again.books
    second.close()


def test_state_after_a_restart_is_the_state_before_it():
    journal = MemoryJournal()
    engine = Engine(policy_of(STORY, **SHORT_SHADOW), journal)
    World(STORY, 7).run(engine, STORY.start_us + 3 * DAY_US, replayed(STORY))
    before = state_hash(engine.loop.state)
    engine.crash()
    assert engine.restarts == 1
    assert state_hash(engine.loop.state) == before


def test_stopping_in_between_changes_nothing():
    whole, journal = lived(STORY, 3)
    other = MemoryJournal()
    world, engine = World(STORY, 7), Engine(policy_of(STORY, **SHORT_SHADOW), other)
    opening = replayed(STORY)
    for hour in range(5, 73, 17):
        world.run(engine, STORY.start_us + hour * HOUR_US, opening)
        opening = []
    world.run(engine, STORY.start_us + 3 * DAY_US)
    assert history(journal) == history(other)
    assert whole.books == world.books


def test_the_other_line_of_work_does_not_notice_what_a_candidate_is_like():
    good, _ = lived(STORY, 4)
    late, _ = lived(cast(STORY, HARMFUL_LATE, "scale-busy"), 4)

    def ends(world):
        return [
            (one.episode, one.candidate_failed, one.incumbent_failed)
            for one in world.books.truths
            if one.work == "restart-unhealthy"
        ]

    assert ends(good) == ends(late)


def test_telling_a_world_that_does_not_run_is_a_mistake():
    with pytest.raises(ValueError, match="not running"):
        World(STORY, 7)._tell(replayed(STORY)[0])


def test_a_world_lives_by_the_day_until_all_is_decided():
    story = busier(cast(HARMFUL_STORY, HARMFUL), 0.1)
    world = World(story, 7)
    days = [*world.by_day(Engine(policy_of(story, **SHORT_SHADOW), MemoryJournal()), replayed(story))]
    assert days == [*range(1, len(days) + 1)]
    assert world.books.stages == {"scale-busy@1": "rolled_back"}
    assert world.now_us == story.start_us + len(days) * DAY_US
    (end,) = [step.at_us for step in world.books.steps if step.now == "rolled_back"]
    assert 0 <= world.now_us - end <= DAY_US


def test_a_story_without_a_verdict_ends_with_its_days():
    story = structs.replace(starring(USELESS, base=0.05), days=2)
    assert [*World(story, 7).by_day(Engine(policy_of(story), MemoryJournal()))] == [1, 2]


@pytest.mark.long
@pytest.mark.parametrize("seed", [7, 8])
def test_a_good_one_goes_all_the_way(seed):
    world, journal = lived(GOOD_STORY, 75, seed=seed, plan={})
    steps = [step.now for step in facts_in(journal, StageChanged)]
    assert steps == ["replayed", "shadow", "canary_1", "canary_10", "canary_50", "live"]
    assert world.books.arms("restart-unhealthy")["candidate"].avoidable == 0


@pytest.mark.long
@pytest.mark.parametrize("seed", [7, 8])
def test_a_subtly_harmful_one_is_stopped_at_one_per_cent(seed):
    world, journal = lived(HARMFUL_STORY, 45, seed=seed, plan={})
    steps = facts_in(journal, StageChanged)
    assert [step.now for step in steps] == ["replayed", "shadow", "canary_1", "rolled_back"]
    arms = world.books.arms("scale-busy", ("canary_1",))
    assert arms["candidate"].episodes + arms["people"].episodes < 15_000
    assert world.books.arms("scale-busy")["candidate"].avoidable <= 10
    assert steps[-1].by == "engine"


@pytest.mark.long
def test_one_that_turns_once_it_is_trusted_loses_its_authority_again():
    story = busier(cast(GOOD_STORY, HARMFUL_LATE), 0.05)
    world, _ = lived(structs.replace(story, days=120), 90, plan=SHORT_SHADOW)
    assert world.books.stages["restart-unhealthy@4"] == "rolled_back"
    assert "live" in [step.now for step in world.books.steps]


@pytest.mark.long
def test_colluding_ones_are_found_by_a_guardrail_that_somebody_else_measures_and_by_nothing_else():
    story = with_partner(busier(cast(HARMFUL_STORY, COLLUDING), 0.04))
    story = structs.replace(story, works=(structs.replace(story.works[0], checked=True),))
    blind, _ = lived(story, 25, plan=SHORT_SHADOW)
    assert blind.books.stages == {"scale-busy@1": "live"}
    guardrail = SeriesLimit(series="scale-busy/still_down", above=0.5, share=0.1)
    seeing, _ = lived(story, 25, plan=SHORT_SHADOW | {"guardrails": (guardrail,)})
    assert seeing.books.stages == {"scale-busy@1": "rolled_back"}
    assert "still_down" in seeing.books.steps[-1].reason


def test_characters_share_their_incidents():
    one = lived(starring(HARMFUL, base=0.05), 2)[0].books.truths
    other = lived(starring(EQUAL, base=0.05), 2)[0].books.truths
    assert [truth.episode for truth in one] == [truth.episode for truth in other]
    assert [truth.incumbent_failed for truth in one] == [truth.incumbent_failed for truth in other]
