"""The way down: at once, whatever else is there, and the work goes back to the incumbent."""

import msgspec
import pytest

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.rollouts import SeriesLimit
from tests.courses import MINUTE_US, NEW, OLD, QUICK, Course


def plan(**values):
    return msgspec.structs.replace(QUICK, **values)


def in_arm(course, arm, prefix="e"):
    """An episode of one arm, with both decisions in it."""
    for number in range(10_000):
        mine = course.propose(f"{prefix}-{number}")
        if mine.assignment.arm == arm:
            return f"{prefix}-{number}", mine
    raise AssertionError(f"no episode fell to {arm}")


def rolled_back(course):
    (fact,) = [each for each in course.facts(f.StageChanged) if each.now == "rolled_back"]
    return fact


def test_harm_is_rolled_back_at_one_per_cent_after_a_few_failures():
    course = Course().to("canary_1")
    for number in range(5_000):
        course.episode(f"e-{number}", fails={"canary": True, "control": number % 50 == 0}, minutes=1)
        if course.stage == "rolled_back":
            break
    fact = rolled_back(course)
    assert fact.by == "engine"
    assert fact.evidence.canary.failures <= 7
    assert "evidence of harm is" in fact.reason
    assert course.live == OLD


def test_after_a_rollback_every_open_episode_is_the_incumbents():
    course = Course().to("canary_50")
    name, mine = in_arm(course, "canary")
    assert not mine.shadowed
    assert course.propose(name, OLD).shadowed
    course.abort()
    assert course.propose(name).shadowed
    assert not course.propose(name, OLD).shadowed


def test_a_failure_counts_when_its_episode_is_judged_and_not_before():
    course = Course().to("canary_1")
    before = list(course.candidate.bad)
    _, mine = in_arm(course, "canary")
    course.outcome(mine, ok=False)
    assert course.candidate.bad == before, "who reports sooner must not look worse for it"
    course.later(11 * MINUTE_US)
    assert course.candidate.bad != before
    assert course.candidate.canary_failures == 1


def test_an_action_that_is_not_forbidden_ends_nothing():
    course = Course(plan(never=("service.restart",))).to("canary_50")
    _, mine = in_arm(course, "canary")
    course.outcome(mine, ok=True)
    assert course.stage == "canary_50"


def test_a_forbidden_action_that_was_carried_out_ends_it_however_well_it_went():
    course = Course().to("canary_50")
    course.policy = msgspec.structs.replace(
        course.policy,
        policy_hash="with never",
        rollouts=msgspec.structs.replace(course.policy.rollouts, plan=plan(never=("cache.clear",))),
    )
    course.reopen()
    course.loop.adopt(course.now_us)
    _, mine = in_arm(course, "canary")
    course.outcome(mine, ok=True)
    assert rolled_back(course).reason == "it carried out cache.clear, which it never may"


def test_a_guardrail_that_goes_bad_rolls_back():
    course = Course(plan(guardrails=(SeriesLimit(series="shop/errors", above=5.0, share=0.05),)))
    course.to("canary_1")
    for point in range(300):
        course.now_us += MINUTE_US
        bad = point % 50 == 0
        course.tell(f.MetricObserved(at_us=course.now_us, series="shop/errors", value=9.0 if bad else 1.0))
    assert course.stage == "canary_1", "two of a hundred are under the five that are fine"
    for _ in range(12):
        course.now_us += MINUTE_US
        course.tell(f.MetricObserved(at_us=course.now_us, series="shop/errors", value=9.0))
    assert "guardrail shop/errors" in rolled_back(course).reason


def test_a_live_version_that_fails_too_often_gives_way_to_the_one_before():
    course = Course().to("live")
    for number in range(100):
        mine = course.propose(f"live-{number}")
        if mine.shadowed:
            break
        course.outcome(mine, ok=False)
        course.later(12 * MINUTE_US)
    assert (course.stage, course.live) == ("rolled_back", OLD)
    assert "failures over the limit" in rolled_back(course).reason


def test_in_an_outage_that_strikes_both_arms_nobody_is_rolled_back():
    course = Course().to("canary_50")
    for number in range(200):
        course.episode(f"outage-{number}", fails=True, minutes=11)
    assert course.candidate.canary_failures > 60, "with none beside it a dozen would have been enough"
    assert course.stage == "canary_50"


def test_the_limit_counts_where_control_does_not_fail():
    # Evidence of harm comes first; it is taken away here to look at the other.
    course = Course().to("canary_50")
    for number in range(200):
        before = list(course.candidate.bad)
        course.episode(f"e-{number}", fails={"canary": True, "control": False}, minutes=11)
        course.candidate.bad = before
        if course.stage == "rolled_back":
            break
    assert "failures over the limit" in rolled_back(course).reason


def test_beside_control_an_episode_nobody_reported_accuses_nobody():
    course = Course().to("canary_50")
    before = list(course.candidate.limit)
    for number in range(10):
        course.propose(f"silent-{number}")
    course.later(11 * MINUTE_US)
    assert course.candidate.limit == before


def test_a_live_version_is_held_against_what_control_failed_at_when_it_was_promoted():
    course = Course(plan(failure_share=0.2)).to("live")
    control = course.facts(f.StageChanged)[-1].evidence.control
    assert course.candidate.promoted_on == control
    assert 0.25 < control.failures / control.episodes < 0.4
    for number in range(300):
        mine = course.propose(f"live-{number}")
        course.outcome(mine, ok=number % 3 > 0)
        course.later(12 * MINUTE_US)
    assert course.stage == "live", "it fails as often as what it replaced did"


def test_a_person_may_abort_without_a_reason_in_the_numbers():
    course = Course().to("canary_10")
    course.abort()
    assert (rolled_back(course).by, rolled_back(course).reason) == ("ann", "no")


def test_an_abort_without_a_rollout_takes_the_live_versions_authority():
    course = Course()
    course.abort()
    assert course.live is None
    assert course.propose("e", OLD).shadowed
    course.reopen()
    course.policy = msgspec.structs.replace(course.policy, policy_hash="again")
    course.reopen()
    course.loop.adopt(course.now_us)
    assert course.live is None, "what is established counts once"


def test_aborting_nothing_says_nothing():
    course = Course()
    course.abort()
    assert course.abort() == ()
    assert course.abort("other") == ()


def test_a_version_that_was_rolled_back_begins_anew_with_a_new_replay():
    course = Course().to("canary_1")
    course.abort()
    (refused,) = course.ask()
    assert refused.stage == "rolled_back"
    course.replay()
    assert course.stage == "shadow"
    assert course.candidate.compared == 0


@pytest.mark.parametrize("undo", [True, False])
def test_a_rollback_takes_back_what_was_done_where_the_plan_says_so(undo):
    course = Course(plan(undo_on_rollback=undo)).to("canary_50")
    _, first = in_arm(course, "canary", "a")
    course.ended(first)
    course.later(MINUTE_US)
    _, second = in_arm(course, "canary", "b")
    course.ended(second)
    _, failed = in_arm(course, "canary", "c")
    course.ended(failed, "failed")
    facts = course.abort()
    wished = [fact.of for fact in facts if isinstance(fact, f.UndoRequested)]
    assert wished == ([second.decision_id, first.decision_id] if undo else [])
    if undo:
        assert len(course.journal.tasks.all()) == 0, "a loop that performs nothing queues nothing"


def test_what_somebody_undid_already_is_not_undone_again():
    course = Course(plan(undo_on_rollback=True)).to("canary_50")
    _, mine = in_arm(course, "canary")
    course.ended(mine)
    course.tell(
        f.UndoRequested(
            at_us=course.now_us,
            effect_id="u_1",
            of=mine.decision_id,
            decision_id=mine.decision_id,
            proposal_id=mine.proposal_id,
            agent=mine.agent,
            capability=mine.capability,
            action=mine.action,
            by="ann",
        )
    )
    assert [fact for fact in course.abort() if isinstance(fact, f.UndoRequested)] == []


def test_in_a_rollout_both_arms_are_judged_by_its_evidence_and_not_by_their_past():
    course = Course().to("canary_50")
    name, _ = in_arm(course, "control")
    assert course.propose(name, OLD).word == "allow"
    course.pause()
    # Nobody compares it with anything now, and of its last fifty decisions 32 were right.
    held = course.propose(name, OLD)
    assert (held.word, held.waits[0].role) == ("hold", "responder")


def test_a_paused_canary_waits_and_the_incumbent_does_all_the_work():
    course = Course(calibrated=False).to("canary_50")
    name, _ = in_arm(course, "canary")
    course.pause()
    held = course.propose(name)
    assert (held.word, held.waits[0].kind) == ("hold", "resume")
    theirs = course.propose(name, OLD)
    assert (theirs.word, theirs.shadowed) == ("allow", False)
    course.resume()
    assert course.propose(name).word == "allow"


def test_what_happens_during_a_pause_speaks_neither_for_nor_against():
    course = Course().to("canary_50")
    _, mine = in_arm(course, "canary")
    course.pause()
    before = course.candidate
    counted = (list(before.bad), before.canary, before.control)
    course.outcome(mine, ok=False)
    course.later(60 * MINUTE_US)
    after = course.candidate
    assert (list(after.bad), after.canary, after.control) == counted


def test_an_outcome_from_the_wrong_arm_pauses_and_says_why():
    course = Course().to("canary_50")
    _, mine = in_arm(course, "control")
    assert mine.shadowed
    (paused,) = course.outcome(mine, ok=True, by="executor")
    assert isinstance(paused, f.RolloutPaused)
    assert paused.by == "engine"
    assert f"{mine.proposal_id} was executed though decided as shadowed" in paused.reason
    course.resume(paused.reason)
    assert course.loop.state.rollouts.paused == {}


def test_a_late_outcome_and_one_that_comes_twice_count_for_nothing():
    course = Course().to("canary_50")
    _, mine = in_arm(course, "canary")
    course.outcome(mine, ok=True)
    late = course.candidate.late
    course.outcome(mine, ok=False)
    assert course.candidate.late == late + 1
    _, other = in_arm(course, "canary", "late")
    course.later(11 * MINUTE_US)
    assert course.candidate.canary_failures >= 1, "no outcome by the horizon is a failure"
    counted = (course.candidate.canary, course.candidate.canary_failures)
    course.outcome(other, ok=True)
    assert (course.candidate.canary, course.candidate.canary_failures) == counted


def test_demotion_told_by_a_history_ends_a_rollout():
    course = Course().to("canary_1")
    course.tell(f.CapabilityDemoted(at_us=course.now_us, capability="heal", by="ann"))
    assert (course.stage, course.live) == ("unproven", None)
    assert course.propose("e").capability == NEW
