"""From the facts of real rollouts to rows: chances, outcomes, what is alike, and what is left out."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from engine.core.vocabulary.facts import OutcomeReported
from engine.core.vocabulary.rollouts import RolloutPlan
from engine.errors import InputError
from engine.ports import Entry
from engine.runtime.loop import fact_of
from simulator.off_policy import columns_of, value_of
from simulator.off_policy.history import PEOPLE, History, Told
from tests.courses import MINUTE_US, NEW, OLD, QUICK, Course

OTHER = {"args": {"service": "db"}}


def told(course: Course, capability: str = NEW) -> Told:
    """What the journal of a course says, once everything in it is over."""
    course.later(20 * MINUTE_US)
    history = History(capability)
    for record in course.journal.read():
        history.take(fact_of(record))
    return history.told()


def kinds(rows) -> Counter[tuple[str, float]]:
    return Counter((row.decision.choice, row.decision.chance) for row in rows)


@pytest.fixture(scope="module")
def at_ten():
    """A course that has earned 10 %, for others to go on from. Built once: it takes a while."""
    return Course().to("canary_10")


def fork(course: Course, plan: RolloutPlan = QUICK, **settings: float) -> Course:
    """Another course with the same journal so far, from now on under this plan."""
    other = Course(plan, **settings)
    other.journal = type(course.journal)()
    for record in course.journal.read():
        other.journal.append([Entry(record.key, record.body)])
    other.now_us, other.serial = course.now_us, course.serial
    other.reopen()
    if plan is not QUICK or settings:
        other.policy = msgspec.structs.replace(other.policy, policy_hash="another")
        other.reopen()
        other.loop.adopt(other.now_us)
    return other


def test_nothing_is_told_of_a_version_that_was_in_no_rollout():
    course = Course()
    course.episode("e-1")
    found = told(course)
    assert (found.candidate, found.incumbent) == ([], [])


def test_in_shadow_what_both_would_do_counts_and_what_only_one_would_has_no_support():
    course = Course().to("shadow")
    for number in range(10):
        course.episode(f"alike-{number}", fails=number == 0)
    for number in range(30):
        course.episode(f"other-{number}", **OTHER)
    found = told(course)
    assert kinds(found.candidate) == {("same", 1.0): 10, ("incumbent", 1.0): 30}
    assert kinds(found.incumbent) == {("same", 1.0): 10, ("incumbent", 1.0): 30}
    assert columns_of(found.candidate).support == 0.25
    assert columns_of(found.incumbent).support == 1.0
    assert sum(row.decision.reward for row in found.candidate if row.decision.choice == "same") == 9
    assert found.incumbent_name == OLD
    assert found.logged == pytest.approx(39 / 40)


def test_in_a_canary_each_decision_has_the_chance_its_arm_had(at_ten):
    course = fork(at_ten)
    for number in range(200):
        course.episode(f"e-{number}", **OTHER)
    found = told(course)
    canary = kinds(found.candidate)["candidate", 0.1]
    own = [row for row in found.candidate if row.unit.startswith("e-")]
    assert kinds(own) == {
        ("candidate", 0.1): kinds(own)["candidate", 0.1],
        ("incumbent", 0.9): 200 - kinds(own)["candidate", 0.1],
    }
    assert 5 <= canary <= 40
    theirs = [row for row in found.incumbent if row.unit.startswith("e-")]
    assert kinds(theirs) == kinds(own)
    assert {row.decision.wanted for row in theirs} == {(("incumbent", 1.0),)}


def test_what_both_do_alike_counts_once_and_fully_in_either_arm(at_ten):
    course = fork(at_ten)
    for number in range(60):
        course.episode(f"e-{number}")
    found = told(course)
    own = [row for row in found.candidate if row.unit.startswith("e-")]
    assert kinds(own) == {("same", 1.0): 60}
    assert columns_of(own).weight.tolist() == [1.0] * 60


def test_where_one_side_is_silent_nothing_counts_as_alike(at_ten):
    course = fork(at_ten)
    for number in range(20):
        course.episode(f"e-{number}")
    course.propose("lonely")
    found = told(course)
    assert "same" not in {row.decision.choice for row in found.candidate}
    assert any("none counts as decided alike" in note for note in found.notes)


def test_no_outcome_by_the_horizon_is_a_failure_and_a_later_one_counts_for_nothing(at_ten):
    course = fork(at_ten)
    late = []
    for number in range(40):
        mine, theirs = course.propose(f"e-{number}"), course.propose(f"e-{number}", OLD, **OTHER)
        late += [verdict for verdict in (mine, theirs) if not verdict.shadowed]
    course.later(11 * MINUTE_US)
    for verdict in late:
        course.outcome(verdict, ok=True)
    found = told(course)
    executed = [
        row for row in found.candidate if row.unit.startswith("e-") and row.decision.choice == "candidate"
    ]
    assert executed
    assert {row.decision.reward for row in executed} == {0.0}


def test_what_is_not_over_yet_is_left_out_in_both_arms(at_ten):
    course = fork(at_ten)
    before = len(told(course).candidate)
    for number in range(30):
        mine, theirs = course.propose(f"e-{number}"), course.propose(f"e-{number}", OLD)
        for verdict in (mine, theirs):
            if not verdict.shadowed:
                course.outcome(verdict, ok=True)
    history = History(NEW)
    for record in course.journal.read():
        history.take(fact_of(record))
    found = history.told()
    assert len(found.candidate) == before
    assert "left out 60 decisions: not over when the history ended" in found.notes


def test_what_was_under_way_at_a_pause_is_left_out(at_ten):
    course = fork(at_ten)
    course.propose("e-1")
    course.propose("e-1", OLD)
    course.pause()
    assert "left out 2 decisions: under way when the rollout was paused" in told(course).notes


def test_shadow_is_left_out_once_there_is_a_canary(at_ten):
    found = told(fork(at_ten))
    assert {row.unit.partition("-")[0] for row in found.candidate} == {"canary_1"}
    assert any("made in shadow" in note for note in found.notes)


def test_people_as_incumbent_are_unseen_where_the_candidate_has_the_episode(at_ten):
    course = fork(at_ten)
    arms = Counter()
    for number in range(80):
        mine = course.propose(f"p-{number}")
        if mine.shadowed:
            course.incumbent(f"p-{number}", ok=True, service="db")
        else:
            course.outcome(mine, ok=True)
        arms["control" if mine.shadowed else "canary"] += 1
        course.later(11 * MINUTE_US)
    found = told(course)
    assert found.incumbent_name == PEOPLE
    theirs = [row for row in found.incumbent if row.unit.startswith("p-")]
    assert kinds(theirs) == {("incumbent", 0.9): arms["control"], ("candidate", 0.1): arms["canary"]}
    assert columns_of(theirs).support == 1.0


def test_people_who_help_out_in_the_canarys_episode_are_no_incumbent_of_it(at_ten):
    course = fork(at_ten)
    helped = 0
    for number in range(80):
        mine = course.propose(f"p-{number}")
        if not mine.shadowed:
            course.incumbent(f"p-{number}", ok=True)
            helped += 1
        course.later(11 * MINUTE_US)
    notes = told(course).notes
    assert helped
    assert any(note.startswith(f"left out {helped} decision") and "done by people" in note for note in notes)


def test_an_explored_decision_has_the_chance_of_either_way_to_be_let(at_ten):
    course = fork(at_ten, exploration=0.2)
    read = {"action": "file.read"}
    for number in range(1200):
        mine = course.propose(f"x-{number}", **read, args={"path": "src/a.py"})
        theirs = course.propose(
            f"x-{number}", OLD, **read, args={"path": ("src/a.py", "src/b.py")[number % 2]}
        )
        for verdict, failing in ((mine, 4), (theirs, 2)):
            if not verdict.shadowed:
                course.outcome(verdict, ok=number // 2 % failing > 0)
        course.now_us += MINUTE_US
    found = told(course)
    own = [row for row in found.candidate if row.unit.startswith("x-")]
    chance = 0.8 * 0.1 + 0.2 / 2
    alone = [row for row in own if row.decision.choice != "same"]
    assert set(kinds(alone)) == {("candidate", chance), ("incumbent", 1 - chance)}
    assert sum(columns_of(alone).weight) == pytest.approx(600, rel=0.25)
    # Both share one draw, so that of what both want alike one is always let.
    assert len(own) - len(alone) == 600


def test_people_who_act_before_anybody_proposes_have_the_arm_the_engine_draws(at_ten):
    course = fork(at_ten)
    for number in range(100):
        course.incumbent(f"p-{number}", ok=True, service="db")
        course.propose(f"p-{number}")
        course.later(11 * MINUTE_US)
    found = told(course)
    theirs = kinds(row for row in found.incumbent if row.unit.startswith("p-"))
    assert theirs["incumbent", 0.9] + theirs["candidate", 0.1] == 100
    assert 1 <= theirs["candidate", 0.1] <= 25


def test_whole_hosts_given_to_an_arm_are_warned_about(at_ten):
    by_service = msgspec.structs.replace(QUICK, unit="argument:service")
    course = fork(at_ten, by_service)
    for number in range(400):
        name, own = f"e-{number}", {"args": {"service": f"web-{number % 20}"}}
        for verdict in (course.propose(name, **own), course.propose(name, OLD, **own)):
            if not verdict.shadowed:
                course.outcome(verdict, ok=number % 7 > 0)
        course.later(12 * MINUTE_US)
    first, *_ = told(course).notes
    assert first.startswith("arms and values of service coincide: ")
    assert first.endswith("Assign episodes instead")


@pytest.mark.parametrize("by", ["executor", "incumbent"])
def test_a_history_whose_arms_were_mixed_up_is_refused(at_ten, by):
    course = fork(at_ten)
    shadowed = by == "executor"
    verdict = next(
        verdict for number in range(200) if (verdict := course.propose(f"e-{number}")).shadowed is shadowed
    )
    course.tell(
        OutcomeReported(
            at_us=course.now_us,
            proposal_id=verdict.proposal_id,
            agent=verdict.agent,
            capability=verdict.capability,
            action=verdict.action,
            ok=True,
            by=by,
        )
    )
    with pytest.raises(InputError, match=f"not decided as it says: {verdict.proposal_id} was"):
        told(course)


def test_an_incumbent_of_today_is_not_the_candidate_of_its_own_past():
    course = Course().to("live")
    course.replay("heal@3")
    for number in range(5):
        course.episode(f"new-{number}")
        course.propose(f"new-{number}", "heal@3")
    assert (
        "heal@3" in {f.capability for f in course.facts(type(course.facts()[0]))} if course.facts() else True
    )
    units = {row.unit for row in told(course).candidate}
    assert not {unit for unit in units if unit.startswith("new-")}


@pytest.mark.parametrize(("mine", "theirs", "said"), [(0.0, 0.35, "worth more"), (0.5, 0.1, "worth less")])
def test_the_value_of_a_rollout_is_the_truth_of_its_world(at_ten, mine, theirs, said):
    course, draw = fork(at_ten), random.Random(7)
    for number in range(1500):
        alike = draw.random() < 0.5
        own = course.propose(f"e-{number}")
        old = course.propose(f"e-{number}", OLD, **({} if alike else OTHER))
        for verdict, failing in ((own, mine), (old, theirs)):
            if not verdict.shadowed:
                course.outcome(verdict, ok=draw.random() >= (0.2 if alike else failing))
        course.now_us += 3 * MINUTE_US
        if course.stage != "canary_10":
            break
    found = told(course)
    units: dict[str, int] = {}
    rows = [[row for row in side if row.unit.startswith("e-")] for side in (found.candidate, found.incumbent)]
    value = value_of(
        columns_of(rows[0], units), columns_of(rows[1], units), candidate_name=NEW, incumbent_name=OLD
    )
    assert value.candidate.support == 1.0
    assert said in value.verdict
