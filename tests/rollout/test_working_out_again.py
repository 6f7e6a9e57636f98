"""Steps are worked out again whatever else follows beside them."""

from msgspec import structs

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.rollouts import RolloutPlan, SeriesLimit
from simulator.rederive import rederive
from tests.courses import MINUTE_US, QUICK, Course

BOTH = ("heal", "mend")


def plan(**values) -> RolloutPlan:
    return structs.replace(QUICK, **values)


def both_in_canary(course: Course) -> None:
    """Bring two rollouts to their first canary stage, and have each canary do something."""
    for name in BOTH:
        course.replay(f"{name}@2")
    for number in range(90):
        for name in BOTH:
            course.propose(f"{name}-{number}", f"{name}@2")
            course.outcome(course.propose(f"{name}-{number}", f"{name}@1"), ok=True)
        course.later(35 * MINUTE_US)
    for name in BOTH:
        course.ask(f"{name}@2")
        mine = (course.propose(f"{name}-canary-{number}", f"{name}@2") for number in range(2000))
        course.ended(next(verdict for verdict in mine if not verdict.shadowed))


def test_two_rolled_back_and_undone_by_one_fact_are_no_difference():
    guardrails = (SeriesLimit(series="errors", above=5.0, share=0.05),)
    course = Course(plan(guardrails=guardrails, undo_on_rollback=True), established=("heal@1", "mend@1"))
    both_in_canary(course)
    for _ in range(100):
        following = course.tell(f.MetricObserved(at_us=course.now_us, series="errors", value=9.0))
        if following:
            break
    kinds = [type(fact).__name__ for fact in following]
    assert kinds == ["StageChanged", "UndoRequested"] * 2
    again = rederive(course.journal)
    assert again.difference == ""
    assert again.recorded == again.rederived > 6


def test_steps_after_a_restart_are_worked_out_as_well():
    course = Course().to("canary_1")
    course.loop.snapshot()
    course.reopen()
    course.abort()
    again = rederive(course.journal)
    assert (again.recorded, again.difference) == (again.rederived, "")


def test_a_pause_by_a_person_is_no_step_and_one_by_the_engine_is():
    course = Course().to("canary_1")
    before = rederive(course.journal).recorded
    course.pause()
    assert rederive(course.journal).recorded == before
    course.resume()
    while True:
        verdict = course.propose(f"mixed-{course.serial}")
        if verdict.shadowed:
            # The candidate's shadowed decision, and yet the engine itself carried it out.
            followed = course.outcome(verdict, ok=True, by="executor")
            break
    assert [type(fact).__name__ for fact in followed] == ["RolloutPaused"]
    again = rederive(course.journal)
    assert (again.recorded, again.difference) == (before + 1, "")
