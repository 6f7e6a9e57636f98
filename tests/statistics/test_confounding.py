"""Confounding: arms that go with entities are found, arms that are drawn are left alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.statistics.confounding import OfEntity, confounding
from engine.core.vocabulary.rollouts import ArmTally


def entities(seed: int, *, count: int, each: int, share: float, fixed: bool, spread: float = 0.0):
    """Entities with episodes, assigned to arms one by one or whole."""
    draw = random.Random(seed)
    made = {}
    for number in range(count):
        rate = min(1.0, max(0.0, 0.2 + draw.gauss(0, spread)))
        # Dealt in turn, so that both arms have some.
        whole = number % round(1 / share) == 0
        tallies = {True: [0, 0], False: [0, 0]}
        for _ in range(each):
            tally = tallies[whole if fixed else draw.random() < share]
            tally[0] += 1
            tally[1] += draw.random() < rate
        made[f"m{number}"] = OfEntity(ArmTally(*tallies[True]), ArmTally(*tallies[False]))
    return made


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize(("count", "each"), [(3, 500), (20, 50), (200, 5), (500, 1)])
def test_arms_drawn_an_episode_at_a_time_are_left_alone(share, count, each):
    warned = [
        seed
        for seed in range(100)
        if confounding(entities(seed, count=count, each=each, share=share, fixed=False, spread=0.2))
    ]
    assert len(warned) <= 1, "entities may differ as they like: each is in both arms"


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize(("count", "each"), [(20, 50), (200, 10), (1000, 3)])
def test_arms_that_are_given_to_whole_entities_are_found(share, count, each):
    for seed in range(20):
        found = confounding(entities(seed, count=count, each=each, share=share, fixed=True))
        assert found is not None
        assert found.clumping == pytest.approx(1.0)
        assert (found.canary_entities, found.control_entities) == (
            count // round(1 / share),
            count - count // round(1 / share),
        )


def test_an_entity_in_each_arm_is_worth_two_episodes():
    found = confounding({
        "old": OfEntity(ArmTally(0, 0), ArmTally(900, 20)),
        "new": OfEntity(ArmTally(900, 90), ArmTally(0, 0)),
    })  # fmt: skip
    assert found is not None
    assert found.units == 2
    assert found.by_chance == found.at_best == 1.0
    assert found.explained


def test_entities_that_differ_are_worth_fewer_episodes_than_entities_that_do_not():
    alike, different = (
        confounding(entities(1, count=40, each=50, share=0.5, fixed=True, spread=spread))
        for spread in (0.0, 0.15)
    )
    assert alike.design_effect < 1.7 < 3 < different.design_effect
    assert 40 <= different.units < alike.units <= 2000


def test_a_difference_far_over_that_between_entities_is_not_explained_by_them():
    ours = {f"c{i}": OfEntity(ArmTally(100, 60 + i), ArmTally(0, 0)) for i in range(10)}
    theirs = {f"k{i}": OfEntity(ArmTally(0, 0), ArmTally(100, 5 + i)) for i in range(10)}
    found = confounding(ours | theirs)
    assert found is not None
    assert not found.explained
    assert found.by_chance < 0.05
    assert confounding(entities(3, count=20, each=100, share=0.5, fixed=True, spread=0.1)).explained


def test_of_very_many_entities_the_bound_is_on_the_same_side_as_the_count():
    few, many = (
        confounding(entities(5, count=count, each=20, share=0.5, fixed=True, spread=0.1))
        for count in (16, 400)
    )
    assert [few.explained, many.explained] == [True, True]
    worse = {f"c{i}": OfEntity(ArmTally(20, 12 + i % 3), ArmTally(0, 0)) for i in range(100)} | {
        f"k{i}": OfEntity(ArmTally(0, 0), ArmTally(20, 2 + i % 3)) for i in range(100)
    }
    assert confounding(worse).explained is False


def test_the_reason_names_what_is_confounded_and_how_little_it_is_worth():
    found = confounding(
        {
            "a": OfEntity(ArmTally(500, 50), ArmTally(0, 0)),
            "b": OfEntity(ArmTally(0, 0), ArmTally(500, 10)),
            "c": OfEntity(ArmTally(0, 0), ArmTally(500, 30)),
        },
        called="machines",
    )
    assert found.reason.startswith("arms and machines coincide: 1 in the canary, 2 in control.")
    assert "there are 3 units here, not 1,500" in found.reason
    assert "even the clearest difference between so few arises by chance in 33%" in found.reason
    assert found.units == 3
    many = confounding(entities(1, count=40, each=50, share=0.5, fixed=True, spread=0.15), called="hosts")
    assert f"2,000 episodes are worth about {many.units:,.0f}; " in many.reason
    assert "of all ways to deal these hosts to the arms differ as much" in many.reason
    assert found.reason.endswith("Assign episodes instead")


@pytest.mark.parametrize(
    "only",
    [{}, {"a": OfEntity(ArmTally(9, 1), ArmTally(0, 0))}, {"a": OfEntity(ArmTally(0, 0), ArmTally(0, 0))}],
)
def test_without_two_arms_there_is_nothing_to_compare(only):
    assert confounding(only) is None


tallies = st.integers(0, 60).flatmap(lambda n: st.builds(ArmTally, st.just(n), st.integers(0, n)))


@given(st.dictionaries(st.text(max_size=3), st.builds(OfEntity, tallies, tallies), max_size=12))
def test_every_figure_is_what_it_says_it_is(held):
    found = confounding(held)
    if found is None:
        return
    used = [one for one in held.values() if one.episodes]
    assert 0 < found.clumping <= 1
    assert found.canary_entities + found.control_entities == len(used)
    assert found.design_effect >= 1
    assert len(used) <= found.units <= sum(one.episodes for one in used)
    assert 0 < found.at_best <= found.by_chance + 1e-9 <= 1 + 2e-9
    assert min(found.canary_entities, found.control_entities) >= 1
    assert confounding(dict(reversed(held.items()))) == found
