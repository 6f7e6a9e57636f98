"""Missing outcomes: they hold up the next step until they are reported again, and roll nothing back."""

from __future__ import annotations

import random

import pytest

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.rollouts import RolloutPlan
from engine.core.vocabulary.units import HOUR_US
from engine.core.work.rollout import evidence, missing
from engine.core.work.rollout.candidates import Candidate, OpenEpisode
from engine.core.work.rollout.episodes import judge_due
from tests.courses import MINUTE_US, NEW, OLD, Course

PLAN = RolloutPlan()


def judged(seed, count, *, canary_fails, control_fails, canary_lost=0.0, control_lost=0.0, share=0.5):
    """A canary at 50 % that judged so many episodes, some of which nobody reported."""
    rng = random.Random(seed)
    candidate = Candidate(capability=NEW, stage="canary_50", since_us=0)
    for number in range(count):
        mine = rng.random() < share
        fails, lost = (canary_fails, canary_lost) if mine else (control_fails, control_lost)
        ended, at_us = rng.random() >= lost, (number + 1) * HOUR_US
        candidate.episodes[f"{number}"] = OpenEpisode(
            at_us,
            at_us - HOUR_US,
            "canary" if mine else "control",
            share,
            allowed=True,
            ended=ended,
            failed=ended and rng.random() < fails,
        )
        judge_due(candidate, PLAN, at_us)
    return candidate


def word(candidate):
    return evidence.judge(candidate, PLAN, None, 10**15)


def test_a_candidate_three_times_as_bad_is_not_promoted_over_a_control_whose_outcomes_are_lost():
    # The worked example of docs/why/statistics.md.
    candidate = judged(1, 12_000, canary_fails=0.068, control_fails=0.02, control_lost=0.05)
    unmet = {each.name for each in word(candidate).evidence.requirements if not each.met}
    assert unmet == {"control's outcomes missing", "evidence of outcomes missing in one arm"}, (
        "the comparison by itself sees nothing wrong"
    )
    weighed = word(candidate)
    assert weighed.word == "hold"
    reason, when = evidence.waits_for(candidate, PLAN, weighed, 10**15)
    lost, of = candidate.control_missing, candidate.control
    assert reason.startswith(f"control's outcomes are missing: {lost:,} of {of:,} (the canary's: 0 of ")
    assert when is None


def test_many_missing_in_both_arms_alike_hold_it_up_as_well():
    lost = {"canary_lost": 0.05, "control_lost": 0.05}
    candidate = judged(2, 6_000, canary_fails=0.02, control_fails=0.02, **lost)
    assert missing.uneven(candidate) < 20
    assert missing.said(candidate, PLAN).startswith("control's outcomes are missing")


def test_outcomes_that_only_the_canary_loses_are_called_the_canarys():
    candidate = judged(3, 3_000, canary_fails=0.1, control_fails=0.1, canary_lost=0.02)
    assert missing.said(candidate, PLAN).startswith("the canary's outcomes are missing")


def test_a_few_missing_in_both_arms_hold_up_nothing():
    lost = {"canary_lost": 0.002, "control_lost": 0.002}
    candidate = judged(4, 30_000, canary_fails=0.05, control_fails=0.05, **lost)
    assert candidate.control_missing > missing.FEW
    assert missing.said(candidate, PLAN) == ""
    assert word(candidate).word == "advance"


@pytest.mark.long
def test_outcomes_lost_alike_are_seldom_called_uneven():
    lost = {"canary_lost": 0.02, "control_lost": 0.02}
    wrong = sum(
        missing.uneven(judged(seed, 2_000, canary_fails=0.1, control_fails=0.1, **lost)) >= 20
        for seed in range(100)
    )
    assert wrong <= 10, f"{wrong} of 100, where 5 % is promised"


def lossy(course, count, prefix):
    """Episodes of which control's outcome never comes."""
    for number in range(count):
        mine, _ = course.propose(f"{prefix}-{number}"), course.propose(f"{prefix}-{number}", OLD)
        if not mine.shadowed:
            course.outcome(mine, ok=True)
        course.later(11 * MINUTE_US)


@pytest.fixture(scope="module")
def losing():
    course = Course().to("canary_50")
    lossy(course, 40, "lost")
    return course


def test_the_refusal_says_whose_outcomes_are_missing_and_how_to_go_on(losing):
    (refused,) = losing.ask()
    assert isinstance(refused, f.PromotionRefused)
    lost, of = refused.evidence.control_missing, refused.evidence.control.episodes
    assert lost > missing.FEW
    assert refused.reason.startswith(f"control's outcomes are missing: {lost} of {of}")
    assert "pause and resume" in refused.reason


def test_what_is_missing_in_control_rolls_nothing_back_and_once_repaired_it_counts_anew(losing):
    lossy(losing, 100, "more")
    assert losing.stage == "canary_50"
    harm = list(losing.candidate.bad)
    losing.pause("outcomes are lost")
    losing.resume("outcomes are lost")
    after = losing.candidate
    assert (after.canary, after.control, after.control_missing, after.good) == (0, 0, 0, [0.1, 0.75, 0.15])
    assert after.bad == harm, "what speaks against it is not forgotten"
    losing.earn("canary_50")
    assert losing.ask()[0].now == "live"


def test_a_pause_without_a_doubt_forgets_nothing():
    course = Course().to("canary_50")
    for number in range(10):
        course.episode(f"e-{number}", fails=number % 3 == 0)
    before = (course.candidate.canary, course.candidate.control, list(course.candidate.good))
    course.pause()
    course.resume()
    assert (course.candidate.canary, course.candidate.control, course.candidate.good) == before
