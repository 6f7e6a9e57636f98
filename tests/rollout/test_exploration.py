"""Exploration: one draw for both sides, so exactly one of them acts; what comes of it is no episode's end."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.statistics import risk_ratio, thresholds
from engine.core.vocabulary.facts import IncumbentActed, OutcomeReported, VerdictReached
from engine.core.vocabulary.rollouts import RolloutSettings
from engine.core.vocabulary.units import HOUR_US
from engine.core.work.rollout import episodes
from engine.core.work.rollout.assignment import chance_of_canary, drawn_anew, standing
from engine.core.work.rollout.candidates import Candidate, Rollouts
from tests.builders import verdict
from tests.courses import MINUTE_US, NAME, NEW, OLD, QUICK, Course
from tests.statistics.walks import at_most

READ = {"action": "file.read", "args": {"path": "a"}}
STAGES = {"canary_1": 0.01, "canary_10": 0.1, "canary_50": 0.5}
words = st.text(min_size=1, max_size=20)


def under_way(stage, exploration):
    """A rollout in one stage, with nothing in it yet."""
    return Rollouts(
        settings=RolloutSettings(plan=QUICK, exploration=exploration),
        live={NAME: OLD},
        candidates={NAME: Candidate(capability=NEW, stage=stage, since_us=0)},
    )


@pytest.fixture(scope="module")
def at_ten():
    """A course in its second canary stage; under exploration, which the stages before had as well."""
    return Course(exploration=0.1).to("canary_10")


@given(words, words, st.sampled_from(list(STAGES)), st.floats(0, 0.1), st.booleans())
def test_exactly_one_side_acts_on_one_action_of_a_unit(unit, action, stage, exploration, safe):
    rollouts = under_way(stage, exploration)
    mine = standing(rollouts, NEW, action, unit, safe=safe)
    theirs = standing(rollouts, OLD, action, unit, safe=safe)
    assert mine.acting != theirs.acting
    assert mine.assignment == theirs.assignment, "both know the same arm, with the same chance"
    assert mine.acting == (mine.assignment.arm == "canary")


@pytest.mark.parametrize("stage", STAGES)
def test_the_chance_that_is_logged_is_how_often_it_happens(stage):
    rollouts, runs, exploration = under_way(stage, 0.1), 40_000, 0.1
    seen = [standing(rollouts, NEW, "file.read", f"e-{n}", safe=True).assignment for n in range(runs)]
    chance = chance_of_canary(STAGES[stage], exploration)
    assert {round(each.chance, 9) for each in seen} == {round(chance, 9), round(1 - chance, 9)}
    canaries, explored = sum(each.arm == "canary" for each in seen), sum(each.explored for each in seen)
    assert abs(canaries - runs * chance) < 4 * (runs * chance * (1 - chance)) ** 0.5
    assert abs(explored - runs * exploration) < 4 * (runs * exploration * (1 - exploration)) ** 0.5


def test_the_draw_knows_nothing_of_the_episodes_own_arm():
    rollouts, runs = under_way("canary_50", 0.1), 40_000
    sticky = [standing(rollouts, NEW, "a", f"e-{n}", safe=False).assignment.arm for n in range(runs)]
    drawn = [drawn_anew(NEW, f"e-{n}", "a", 0.1) for n in range(runs)]
    both = sum(arm == "canary" and other == "control" for arm, other in zip(sticky, drawn, strict=True))
    assert abs(both - runs / 40) < 4 * (runs / 40) ** 0.5


def test_without_exploration_nothing_is_drawn_anew():
    course = Course().to("canary_10")
    assert not any(course.propose(f"e-{number}", **READ).assignment.explored for number in range(100))


def test_what_may_change_something_is_never_drawn_anew(at_ten):
    assert not any(at_ten.propose(f"f-{number}").assignment.explored for number in range(300))


def crossed(course, arm, prefix):
    """An episode of the other arm in which a safe decision was drawn into this one: its name, and both."""
    for number in range(20_000):
        name = f"{prefix}-{number}"
        if drawn_anew(NEW, name, "file.read", 0.1) == arm:
            own = course.propose(name)
            if own.assignment.arm != arm:
                return name, own, course.propose(name, **READ), course.propose(name, OLD, **READ)
    raise AssertionError("nothing of that kind was drawn")


@pytest.mark.parametrize("arm", ["canary", "control"])
def test_what_comes_of_it_counts_for_whoever_acted_and_for_no_episode(at_ten, arm):
    before = msgspec.structs.replace(at_ten.candidate)
    name, own, mine, theirs = crossed(at_ten, arm, f"x-{arm}")
    acted = mine if arm == "canary" else theirs
    assert [mine.shadowed, theirs.shadowed].count(False) == 1
    assert not acted.shadowed
    if own.shadowed:
        own = at_ten.propose(name, OLD)
    at_ten.outcome(acted, ok=False)
    at_ten.outcome(own, ok=True)
    after = at_ten.candidate
    was, now = (getattr(each, f"explored_{arm}") for each in (before, after))
    assert (now.episodes, now.failures) == (was.episodes + 1, was.failures + 1)
    assert after.late == before.late
    episode = after.episodes[name]
    assert (episode.ended, episode.failed) == (True, False)


def test_without_an_outcome_it_is_no_failure_of_anybody(at_ten):
    at_ten.later(30 * MINUTE_US)
    before = at_ten.candidate
    counted = (before.canary, before.control, before.canary_failures, before.control_failures)
    names = (f"silent-{n}" for n in range(5_000) if drawn_anew(NEW, f"silent-{n}", "file.read", 0.1))
    for name, _ in zip(names, range(20), strict=False):
        at_ten.propose(name, **READ)
        at_ten.propose(name, OLD, **READ)
    at_ten.later(30 * MINUTE_US)
    after = at_ten.candidate
    assert (after.canary, after.control, after.canary_failures, after.control_failures) == counted
    assert after.awaited == {}


def test_people_who_take_what_was_drawn_to_them_end_no_episode_of_the_canarys(at_ten):
    name, _, mine, _ = crossed(at_ten, "control", "people")
    assert mine.shadowed
    before = at_ten.candidate.explored_control
    at_ten.tell(
        IncumbentActed(
            at_us=at_ten.now_us,
            episode=name,
            capability=NAME,
            action="file.read",
            args={"path": "b"},
            ok=False,
            by="ann",
        )
    )
    after = at_ten.candidate
    assert after.explored_control.failures == before.failures + 1
    assert not after.episodes[name].ended


ACTIONS = ("file.read", "file.list", "cache.clear")
"""The last changes something, so its arm is always its episode's."""


def alarmed(seed, needed, count=250):
    """Whether an equal candidate is called worse: three decisions an episode, half of them fail."""
    rng, rollouts = random.Random(seed), under_way("canary_50", 0.05)
    candidate, plan = rollouts.candidates[NAME], QUICK
    for number in range(count):
        unit, at_us = f"{seed}-{number}", (number + 1) * HOUR_US
        for action in ACTIONS:
            for capability in (NEW, OLD):
                stands = standing(rollouts, capability, action, unit, safe=action != "cache.clear")
                proposal = f"{unit}-{action}-{capability}"
                said = verdict(
                    "allow",
                    at_us,
                    proposal_id=proposal,
                    capability=capability,
                    action=action,
                    shadowed=not stands.acting,
                    assignment=stands.assignment,
                )
                episodes.fold_verdict(rollouts, VerdictReached(at_us=at_us, verdict=said))
                if not stands.acting:
                    continue
                done = OutcomeReported(
                    at_us=at_us,
                    proposal_id=proposal,
                    agent="coder-1",
                    capability=capability,
                    action=action,
                    ok=rng.random() < 0.8,
                    by="executor",
                )
                episodes.fold_outcome(rollouts, done)
        episodes.judge_due(candidate, plan, at_us + plan.horizon_us)
        if risk_ratio.bad(candidate.bad) >= needed:
            return True
    assert candidate.explored_canary.episodes > 0
    assert not candidate.mixed_up
    assert candidate.late == 0
    return False


@pytest.mark.long
def test_an_equal_candidate_is_not_called_worse_more_often_for_it():
    runs = 150
    wrong = sum(alarmed(seed, thresholds.needed(0.05)) for seed in range(runs))
    assert at_most(wrong, runs, 0.95) <= 0.1, f"{wrong} of {runs}"
