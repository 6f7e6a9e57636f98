"""Assignment: by hash, sticky, at the share it says, with the chance written down."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.work.rollout.assignment import bucket, in_canary
from tests.courses import MINUTE_US, NAME, NEW, OLD, QUICK, Course

units = st.text(min_size=1, max_size=40)
shares = st.floats(0, 1)


@given(units, shares, shares)
def test_a_unit_in_the_canary_stays_there_while_the_share_grows(unit, one, other):
    low, high = sorted((one, other))
    assert in_canary(NEW, unit, low) <= in_canary(NEW, unit, high)


@given(units)
def test_nobody_is_in_a_share_of_nothing_and_everybody_in_the_whole(unit):
    assert not in_canary(NEW, unit, 0.0)
    assert in_canary(NEW, unit, 1.0)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_what_it_says(share):
    hits = sum(in_canary(NEW, f"incident-{number}", share) for number in range(100_000))
    deviation = (100_000 * share * (1 - share)) ** 0.5
    assert abs(hits - 100_000 * share) < 4 * deviation


def test_two_rollouts_draw_apart():
    both = sum(
        in_canary("a@1", f"{number}", 0.05) and in_canary("b@1", f"{number}", 0.05)
        for number in range(50_000)
    )
    assert 80 < both < 175, "a twentieth of a twentieth of 50,000 is 125"


def test_buckets_use_all_64_bits():
    assert max(bucket(str(number)) for number in range(1000)).bit_length() == 64


def test_an_open_episode_keeps_its_arm_when_the_share_grows():
    course = Course().to("canary_1")
    course.earn("canary_1")
    early = {f"open-{number}": course.propose(f"open-{number}").assignment for number in range(300)}
    course.ask()
    assert course.stage == "canary_10"
    for name, before in early.items():
        again = course.propose(name)
        assert again.assignment == before
        assert again.shadowed == (before.arm == "control")
    assert sum(course.propose(f"new-{number}").assignment.arm == "canary" for number in range(300)) > 12


def test_exactly_one_version_acts_in_an_episode():
    course = Course().to("canary_50")
    for number in range(200):
        mine, theirs = course.propose(f"e-{number}"), course.propose(f"e-{number}", OLD)
        assert mine.shadowed != theirs.shadowed
        assert mine.assignment.arm == theirs.assignment.arm


def test_the_chance_of_an_arm_is_written_into_the_verdict():
    course = Course().to("canary_10")
    seen = {each.arm: each.chance for each in (course.propose(f"e-{n}").assignment for n in range(100))}
    assert seen == {"canary": 0.1, "control": 0.9}


def test_a_silent_episode_may_be_drawn_anew_and_a_busy_one_is_not():
    course = Course().to("canary_50")
    course.propose("busy")
    for _ in range(8):
        course.later(8 * MINUTE_US)
        course.propose("busy")
        assert "busy" in course.candidate.episodes
    course.later(21 * MINUTE_US)
    course.later(21 * MINUTE_US)
    assert "busy" not in course.candidate.episodes


def test_a_long_episode_is_judged_once():
    course = Course().to("canary_50")
    before = course.candidate.canary + course.candidate.control
    for _ in range(8):
        course.propose("busy")
        course.later(8 * MINUTE_US)
    assert course.candidate.canary + course.candidate.control == before + 1


def test_a_plan_may_assign_by_an_argument():
    own = msgspec.structs.replace(QUICK, unit="argument:service")
    course = Course(by_name={NAME: own}).to("shadow")
    assert course.propose("e", args={"service": "db"}).assignment.unit == "db"
    assert course.propose("e", args={}).assignment is msgspec.UNSET, "what cannot be assigned is in no arm"
