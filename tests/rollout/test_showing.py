"""What people are shown of a rollout: intervals, warnings from its data, whether holding back was right."""

from __future__ import annotations

from msgspec import structs

from engine.core.statistics.intervals import rate, ratio
from engine.core.work.rollout.showing import show
from tests.courses import MINUTE_US, NAME, NEW, OLD, QUICK, Course


def shown(course):
    return show(course.loop.state.rollouts, NAME, course.now_us)


def test_rates_are_those_of_the_stage_and_their_ratio_of_the_whole_rollout():
    course = Course().to("canary_50")
    for number in range(60):
        course.episode(f"e-{number}", fails=number % 4 == 0)
    seen, candidate = shown(course), course.candidate
    assert seen.rates.canary == rate(candidate.canary_failures, candidate.canary, 0.05)
    assert seen.rates.control == rate(candidate.control_failures, candidate.control, 0.05)
    assert sum(candidate.failed[4:]) == candidate.canary_failures + candidate.control_failures
    assert sum(candidate.failed[:4]) > 10, "the stages before count too"
    pairs = [(0.01, *candidate.failed[:2]), (0.1, *candidate.failed[2:4]), (0.5, *candidate.failed[4:])]
    assert seen.rates.ratio == ratio(pairs, 0.05)
    assert seen.rates.ratio.low < 1 < seen.rates.ratio.high


def test_in_shadow_nobody_fails_and_there_are_no_rates():
    assert shown(Course().to("shadow")).rates is None


def by_service(services):
    course = Course(structs.replace(QUICK, unit="argument:service")).to("shadow")
    course.through_shadow()
    for number in range(60):
        args = {"service": f"s-{number}"}
        course.outcome(course.propose(f"more-{number}", OLD, args=args), ok=True)
        course.outcome(course.propose(f"more-{number}", args=args), ok=True, by="incumbent")
        course.later(35 * MINUTE_US)
    course.ask()
    assert course.stage == "canary_1"
    # The stage alone is what this is about, and 1 % of a few services is none.
    course.candidate.stage = "canary_50"
    for number in range(services * 12):
        args = {"service": f"web-{number % services}"}
        for verdict in (
            course.propose(f"n-{number}", args=args),
            course.propose(f"n-{number}", OLD, args=args),
        ):
            if not verdict.shadowed:
                course.outcome(verdict, ok=number % 5 > 0)
        course.later(11 * MINUTE_US)
    return course


def test_where_arm_and_entity_coincide_the_data_say_how_little_the_episodes_are_worth():
    course = by_service(6)
    assert len(course.candidate.entities) == 6
    warning = shown(course).confounded
    assert warning.startswith("arms and values of service coincide: ")
    assert "6 units here, not 72" in warning


def test_before_there_are_data_the_plan_itself_is_warned_of():
    course = Course(structs.replace(QUICK, unit="argument:service")).to("shadow")
    assert shown(course).confounded.startswith("the arm is drawn for each service, not for each episode")
    assert shown(Course().to("shadow")).confounded == ""


def held_back(course, name, *, ok):
    """An episode in which the incumbent acts and the candidate wants what is not allowed."""
    course.propose(name, NEW, action="no.such_action")
    course.outcome(course.propose(name, OLD), ok=ok)
    course.later(11 * MINUTE_US)


def test_holding_back_is_right_where_the_incumbents_act_went_wrong():
    course = Course().to("shadow")
    for number in range(8):
        held_back(course, f"e-{number}", ok=number == 0)
    seen = shown(course).held_back
    assert (seen.went_wrong, seen.went_well) == (7, 1)
    assert seen.better > 2 > 1 > seen.worse
    assert shown(Course().to("canary_1")).held_back is None
