"""Shadow: what the candidate wanted beside what the incumbent did, an episode at a time."""

import msgspec
import pytest

from tests.courses import MINUTE_US, OLD, QUICK, Course


def shadow(**values):
    return Course(msgspec.structs.replace(QUICK, **values)).to("shadow")


def judged(course):
    course.later(11 * MINUTE_US)
    candidate = course.candidate
    return candidate.compared, candidate.agreed, list(candidate.disagreements)


def test_the_same_action_with_the_same_arguments_agrees():
    course = shadow()
    course.propose("e")
    course.propose("e", OLD)
    assert judged(course) == (1, 1, [])


def test_people_who_act_are_an_incumbent_too():
    course = shadow()
    course.propose("e")
    course.incumbent("e")
    assert judged(course) == (1, 1, [])


def test_a_report_on_the_candidates_own_wish_says_that_the_incumbent_did_the_same():
    course = shadow()
    course.outcome(course.propose("e"), ok=True)
    assert judged(course) == (1, 1, [])


@pytest.mark.parametrize(
    ("compare", "agreed"),
    [("arguments", (1, 0, ["the same action with other arguments"])), ("action", (1, 1, []))],
)
def test_other_arguments_differ_unless_only_actions_are_compared(compare, agreed):
    course = shadow(compare=compare)
    course.propose("e")
    course.propose("e", OLD, args={"service": "db"})
    assert judged(course) == agreed


def test_another_action_differs():
    course = shadow()
    course.propose("e", action="service.restart")
    course.propose("e", OLD)
    assert judged(course) == (1, 0, ["another action"])


def test_wanting_nothing_where_the_incumbent_acted_differs():
    course = shadow()
    course.incumbent("e")
    assert judged(course) == (1, 0, ["it wanted nothing, and the incumbent acted"])


def test_wanting_to_act_where_the_incumbent_did_not_differs():
    course = shadow()
    course.propose("e")
    assert judged(course) == (1, 0, ["it wanted to act, and the incumbent did not"])


def test_what_a_rule_held_names_the_rule():
    course = shadow()
    course.propose("e", confidence=0.1)
    course.incumbent("e")
    compared, agreed, (reason,) = judged(course)
    assert (compared, agreed) == (1, 0)
    assert reason.startswith("held or denied by escalation")


def test_an_episode_counts_once_however_many_decisions_it_holds():
    course = shadow()
    for _ in range(20):
        course.propose("e", args={"service": "web"})
        course.propose("e", OLD)
    assert judged(course)[0] == 1


def test_a_disagreement_knows_how_often_it_went_wrong_for_the_incumbent():
    course = shadow()
    for number, ok in enumerate((True, False, False)):
        course.incumbent(f"e-{number}", ok=ok)
    judged(course)
    (found,) = course.candidate.disagreements.values()
    assert (found.episodes, found.failures, found.example) == (3, 2, "e-2")


def test_the_incumbents_second_run_measures_the_noise():
    course = shadow()
    for number in range(4):
        course.propose(f"e-{number}", OLD)
        twin = course.propose(f"e-{number}", f"{OLD}+twin", args={"service": "db" if number == 0 else "web"})
        assert twin.shadowed
        course.propose(f"e-{number}")
    judged(course)
    assert (course.candidate.twins, course.candidate.twins_agreed) == (4, 3)
    assert (course.candidate.compared, course.candidate.agreed) == (4, 4)


def test_disagreement_keeps_it_in_shadow():
    course = shadow()
    for number in range(100):
        course.propose(f"e-{number}")
        course.propose(f"e-{number}", OLD, args={"service": "db" if number % 5 == 0 else "web"})
        course.later(40 * MINUTE_US)
    (refused,) = course.ask()
    assert "evidence of agreement" in refused.reason
    assert refused.likely_us is None, "evidence that shrinks will not be there at any time"
