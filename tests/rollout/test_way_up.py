"""The way up: a step at a time, on evidence, by a captain's word or as the plan says; never without."""

import msgspec
import pytest

from engine.core.vocabulary import facts as f
from tests.courses import DAY_US, MINUTE_US, NEW, OLD, QUICK, Course


def plan(**values):
    return msgspec.structs.replace(QUICK, **values)


def missing(refused):
    return [each.name for each in refused.evidence.requirements if not each.met]


def test_a_good_candidate_comes_to_be_live_on_evidence_alone():
    course = Course().to("live")
    assert (course.stage, course.live) == ("live", NEW)
    steps = [(fact.was, fact.now) for fact in course.facts(f.StageChanged)]
    assert steps == [
        ("unproven", "replayed"),
        ("replayed", "shadow"),
        ("shadow", "canary_1"),
        ("canary_1", "canary_10"),
        ("canary_10", "canary_50"),
        ("canary_50", "live"),
    ]
    for fact in course.facts(f.StageChanged):
        assert all(each.met for each in fact.evidence.requirements), fact
        assert fact.evidence.requirements, "every step carries what it was taken on"


def test_once_live_it_acts_and_its_forerunner_is_shadowed():
    course = Course().to("live")
    assert not course.propose("e").shadowed
    assert course.propose("e", OLD).shadowed


def test_in_shadow_the_candidate_decides_and_the_incumbent_acts():
    course = Course().to("shadow")
    mine, theirs = course.propose("e"), course.propose("e", OLD)
    assert (mine.word, mine.shadowed) == ("allow", True)
    assert (theirs.word, theirs.shadowed) == ("allow", False)


def test_nobody_heard_of_is_in_no_rollout():
    course = Course()
    assert course.propose("e").shadowed
    assert course.propose("e").assignment is msgspec.UNSET
    (refused,) = course.ask()
    assert refused.reason.startswith("it must show in a replay what it would have done")
    assert missing(refused) == ["decisions replayed"]


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ({"decisions": 9}, "decisions replayed"),
        ({"unsafe": 1}, "harmful ones allowed in replay"),
        ({"failed": 31}, "failed ones in replay"),
    ],
)
def test_a_replay_that_went_badly_begins_nothing(shown, name):
    course = Course()
    assert course.replay(**shown) == ()
    assert course.stage == "unproven"
    (refused,) = course.ask()
    assert missing(refused) == [name]


def test_without_a_replay_shadow_begins_by_word_where_the_plan_asks_for_none():
    course = Course(plan(replay_decisions=0))
    (begun,) = course.ask()
    assert (begun.was, begun.now) == ("unproven", "shadow")


def test_a_refusal_says_what_is_missing_and_when_it_may_be_there():
    course = Course().to("shadow")
    for number in range(30):
        course.episode(f"e-{number}", minutes=35)
    (refused,) = course.ask()
    assert course.stage == "shadow"
    assert {"whole days in shadow", "evidence of agreement"} <= set(missing(refused))
    assert "whole days in shadow 0 of 2" in refused.reason
    assert refused.likely_us is None, "no whole day is over: nobody can say"
    for number in range(20):
        course.episode(f"f-{number}", minutes=35)
    (refused,) = course.ask()
    assert refused.likely_us is not None
    assert 0 < refused.likely_us - course.now_us < 3 * DAY_US


def test_a_wish_that_was_refused_is_not_kept():
    course = Course().to("shadow")
    course.ask()
    course.through_shadow()
    assert course.stage == "shadow"
    assert course.candidate.ready
    course.ask()
    assert course.stage == "canary_1"


def test_people_are_told_once_that_the_evidence_is_there():
    course = Course()
    course.through_shadow()
    for number in range(20):
        course.episode(f"more-{number}", minutes=35)
    (ready,) = course.facts(f.PromotionReady)
    assert (ready.capability, ready.stage) == (NEW, "canary_1")
    assert not course.facts(f.PromotionRefused)


def test_an_automatic_plan_takes_the_step_by_itself():
    course = Course(plan(automatic=True))
    course.through_shadow()
    assert course.stage == "canary_1"
    assert course.facts(f.StageChanged)[-1].by == "engine"


def test_only_the_version_that_was_asked_for_goes_up():
    course = Course()
    course.through_shadow()
    (refused,) = course.ask("heal@3")
    assert "heal@2 is on its way" in refused.reason
    assert course.stage == "shadow"
    assert course.ask(OLD)[0].reason == "it is live already"


def test_another_version_waits_until_the_way_is_free():
    course = Course().to("shadow")
    assert course.replay("heal@3") == ()
    course.abort()
    assert [fact.now for fact in course.replay("heal@3")] == ["replayed", "shadow"]


@pytest.mark.parametrize("scope", [("all", ""), ("capability", "heal"), ("capability", NEW)])
def test_behind_a_stop_nothing_gains_authority(scope):
    course = Course()
    course.through_shadow()
    course.stop(*scope)
    (refused,) = course.ask()
    assert "is stopped, and behind a stop nothing gains authority" in refused.reason
    course.unstop(*scope)
    assert course.ask()[0].now == "canary_1"


def test_an_automatic_step_waits_for_the_end_of_a_stop():
    course = Course(plan(automatic=True))
    course.replay()
    course.stop("capability", "heal")
    for number in range(90):
        # Denied while stopped, so nothing is wanted and nothing was done: they agree on that.
        course.episode(f"e-{number}", minutes=35)
    assert course.stage == "shadow"
    course.unstop("capability", "heal")
    course.later(MINUTE_US)
    assert course.stage == "canary_1"


def test_days_must_have_passed_and_been_used():
    course = Course().to("shadow")
    for number in range(120):
        course.episode(f"e-{number}", minutes=11)
    course.later(10 * DAY_US)
    (refused,) = course.ask()
    assert missing(refused) == ["different days with episodes"], "a clock set forward is no shadow time"


def test_an_old_replay_counts_no_more():
    course = Course(plan(replay_age_us=1 * DAY_US))
    course.through_shadow()
    (refused,) = course.ask()
    assert missing(refused) == ["days since the replay"]


def test_no_data_never_promotes():
    course = Course(plan(automatic=True)).to("shadow")
    for _ in range(40):
        course.later(DAY_US)
    assert course.stage == "shadow"
    course = Course(plan(automatic=True))
    course.through_shadow()
    for _ in range(400):
        course.later(DAY_US)
    assert course.stage == "canary_1"
