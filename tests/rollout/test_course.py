"""Courses: evidence over time, worked out again from the journal, is the engine's own."""

import pytest

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.units import DAY_US
from engine.core.work.rollout.showing import show
from simulator import course as courses
from simulator.course import Courses, point_of
from tests.courses import NAME, NEW, Course


@pytest.fixture(scope="module")
def it() -> Course:
    made = Course().to("canary_1")
    for number in range(400):
        made.episode(f"canary-{number}", fails={"canary": number % 7 == 0, "control": number % 9 == 0})
    return made


@pytest.mark.parametrize("most", [7, 1_000_000])
def test_what_is_read_in_pieces_is_what_the_engine_knows(it, most):
    read = Courses()
    while read.read(it.journal, most):
        pass
    shown = read.shown(it.journal, NAME, it.now_us)
    assert shown.behind == 0
    assert shown.standing == show(it.loop.state.rollouts, NAME, it.now_us)
    assert shown.course.samples[-1].point == point_of(it.candidate, it.now_us)
    assert [mark.stage for mark in shown.course.marks] == ["replayed", "shadow", "canary_1"]
    verdicts = [each.verdict for each in it.facts(f.VerdictReached) if each.verdict.assignment]
    assert shown.course.decisions == len(verdicts)
    assert {each.name for each in shown.against} >= {"evidence of harm", "failures over the limit"}


def test_a_stage_ends_with_the_evidence_its_step_was_taken_on(it):
    read = Courses()
    read.read(it.journal, 1_000_000)
    samples = read.shown(it.journal, NAME, it.now_us).course.samples
    last = [each.point for each in samples if each.point.stage == "shadow"][-1]
    (step,) = [each for each in it.facts(f.StageChanged) if each.now == "canary_1"]
    asked = {each.name: each.measured for each in step.evidence.requirements}
    assert last.agreement == asked["evidence of agreement"]
    kept = read.shown(it.journal, NAME, it.now_us).course.shadow
    assert (kept.evidence.compared, kept.evidence.agreed) == (step.evidence.compared, step.evidence.agreed)


def test_who_was_rolled_back_keeps_what_it_did():
    fallen = Course().to("canary_1")
    for number in range(400):
        fallen.episode(f"canary-{number}", fails={"canary": True, "control": False})
        if fallen.stage == "rolled_back":
            break
    read = Courses()
    read.read(fallen.journal, 1_000_000)
    shown = read.shown(fallen.journal, NAME, fallen.now_us)
    assert shown.standing.stage == shown.course.marks[-1].stage == "rolled_back"
    assert shown.course.spent["canary"].executed > 0
    (step,) = [each for each in fallen.facts(f.StageChanged) if each.now == "rolled_back"]
    harm = {each.name: each.measured for each in step.evidence.requirements}["evidence of harm"]
    assert shown.course.samples[-1].point.bad == harm


def test_costs_are_counted_by_who_carried_out(it):
    read = Courses()
    read.read(it.journal, 1_000_000)
    spent = read.shown(it.journal, NAME, it.now_us).course.spent
    begun = it.candidate.since_us
    acted = [
        each.verdict
        for each in it.facts(f.VerdictReached)
        if each.at_us >= begun and each.verdict.word == "allow" and not each.verdict.shadowed
    ]
    for arm, versions in (("canary", {NEW}), ("control", {"heal@1"})):
        own = [each for each in acted if each.capability in versions]
        assert spent[arm].executed == len(own), arm
        assert spent[arm].cost_usd == pytest.approx(sum(float(each.impact.cost_usd) for each in own))


def test_steps_are_kept_with_who_and_why(it):
    read = Courses()
    read.read(it.journal, 1_000_000)
    newest = read.shown(it.journal, NAME, it.now_us).steps[0]
    assert isinstance(newest[1], f.StageChanged)
    assert newest[1].by == "ann"


def test_a_picture_stays_small_and_keeps_the_ends_of_stages(it, monkeypatch):
    monkeypatch.setattr(courses, "_MOST_SAMPLES", 20)
    read = Courses()
    read.read(it.journal, 1_000_000)
    samples = read.shown(it.journal, NAME, it.now_us).course.samples
    assert 5 < len(samples) <= 22
    assert {each.point.stage for each in samples} == {"shadow", "canary_1"}
    assert samples[-1].point == point_of(it.candidate, it.now_us)


def test_another_journal_in_its_place_is_read_anew(it):
    read, other = Courses(), Course()
    read.read(it.journal, 1_000_000)
    other.later(DAY_US)
    read.read(other.journal, 1_000_000)
    assert read.shown(other.journal, NAME, other.now_us).course is None
