"""Off-policy estimators: right on average wherever the candidate is supported."""

from __future__ import annotations

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.statistics import off_policy
from engine.core.statistics.off_policy import Logged

ACTS = ("restart", "scale", "wait")
POLICY = {"day": (0.2, 0.5, 0.3), "night": (0.6, 0.3, 0.1)}
CANDIDATE = {"day": (0.7, 0.1, 0.2), "night": (0.0, 0.5, 0.5)}
GOOD = {"day": (0.9, 0.4, 0.1), "night": (0.3, 0.8, 0.6)}
WORLDS = 60
TRUTH = fmean(sum(p * r for p, r in zip(CANDIDATE[x], GOOD[x], strict=True)) for x in POLICY)


def world(seed: int, episodes: int = 300) -> list[list[Logged]]:
    """Episodes of one to three decisions, all of whose chances are known."""
    draw = random.Random(seed)
    made = []
    for number in range(episodes):
        episode = []
        for _ in range(1 + number % 3):
            context = draw.choice(("day", "night"))
            (place,) = draw.choices(range(3), POLICY[context])
            reward = float(draw.random() < GOOD[context][place])
            wanted = tuple(zip(ACTS, CANDIDATE[context], strict=True))
            episode.append(Logged(context, ACTS[place], POLICY[context][place], reward, wanted))
        made.append(episode)
    return made


def ips(episodes):
    return sum(map(off_policy.ips, episodes)) / sum(map(len, episodes))


def doubly_robust(episodes):
    models = off_policy.cross_fitted(episodes)
    return sum(map(off_policy.doubly_robust, episodes, models)) / sum(map(len, episodes))


@pytest.mark.parametrize("estimate", [ips, off_policy.self_normalised, doubly_robust])
def test_on_average_over_many_histories_it_is_the_truth(estimate):
    found = [estimate(world(seed)) for seed in range(WORLDS)]
    error = (sum((one - TRUTH) ** 2 for one in found) / WORLDS) ** 0.5
    assert abs(fmean(found) - TRUTH) < 4 * error / WORLDS**0.5


def test_the_truth_is_not_what_the_log_earned():
    logged = fmean(decision.reward for seed in range(50) for episode in world(seed) for decision in episode)
    assert abs(logged - TRUTH) > 0.05


def test_doubly_robust_varies_less_than_inverse_propensity():
    plain, robust = ([estimate(world(seed)) for seed in range(WORLDS)] for estimate in (ips, doubly_robust))
    assert sum((one - TRUTH) ** 2 for one in robust) < 0.7 * sum((one - TRUTH) ** 2 for one in plain)


def test_doubly_robust_survives_a_useless_model():
    useless = off_policy.RewardModel(cells={}, choices={}, everything=(70.0, 10))
    found = [
        sum(off_policy.doubly_robust(one, useless) for one in episodes) / sum(map(len, episodes))
        for episodes in map(world, range(WORLDS))
    ]
    error = (sum((one - TRUTH) ** 2 for one in found) / WORLDS) ** 0.5
    assert abs(fmean(found) - TRUTH) < 4 * error / WORLDS**0.5


def test_doubly_robust_survives_wrong_chances_where_the_model_is_right():
    known = off_policy.RewardModel(
        cells={(x, act): (10 * good, 10) for x in GOOD for act, good in zip(ACTS, GOOD[x], strict=True)},
        choices={},
        everything=(0.0, 0),
    )
    found = []
    for episodes in map(world, range(WORLDS)):
        wrong = [[Logged(d[0], d[1], d[2] / 2, d[3], d[4]) for d in map(tuple_of, one)] for one in episodes]
        found.append(sum(off_policy.doubly_robust(one, known) for one in wrong) / sum(map(len, wrong)))
        assert ips(wrong) == pytest.approx(2 * ips(episodes))
    error = (sum((one - TRUTH) ** 2 for one in found) / WORLDS) ** 0.5
    assert abs(fmean(found) - TRUTH) < 4 * error / WORLDS**0.5


def tuple_of(decision: Logged) -> tuple[str, str, float, float, off_policy.Wanted]:
    return decision.context, decision.choice, decision.chance, decision.reward, decision.wanted


def test_no_episode_is_predicted_by_a_model_that_has_seen_it():
    episodes = [[Logged("", "act", 1.0, float(i), (("act", 1.0),))] for i in range(20)]
    models = off_policy.cross_fitted(episodes)
    for place, model in enumerate(models):
        others = [i for i in range(20) if i % off_policy.FOLDS != place % off_policy.FOLDS]
        assert model.predict("", "act") == pytest.approx(fmean(others))


@pytest.mark.parametrize(
    ("seen", "expected"), [(10, 0.0), (9, 10 / 19)], ids=["enough in its context", "too few in its context"]
)
def test_a_coarser_mean_is_taken_where_a_cell_has_too_few_rewards(seen, expected):
    day = [Logged("day", "act", 1.0, 1.0, ()) for _ in range(10)]
    night = [Logged("night", "act", 1.0, 0.0, ()) for _ in range(seen)]
    assert off_policy.learn([day, night]).predict("night", "act") == pytest.approx(expected)


def test_what_was_never_chosen_is_expected_to_go_as_everything_does():
    model = off_policy.learn([[Logged("day", "act", 1.0, 1.0, ()), Logged("day", "wait", 1.0, 0.0, ())]])
    assert model.predict("day", "other") == 0.5
    assert off_policy.learn([]).predict("day", "other") == 0.0


def test_without_any_weight_there_is_no_self_normalised_value():
    with pytest.raises(ZeroDivisionError):
        off_policy.self_normalised([[Logged("", "wait", 0.5, 1.0, (("restart", 1.0),))]])


decisions = st.builds(
    Logged,
    st.sampled_from(["day", "night"]),
    st.sampled_from(ACTS),
    st.floats(0.05, 1.0),
    st.floats(0.0, 1.0),
    st.sampled_from([(("restart", 1.0),), (("wait", 0.25), ("scale", 0.75)), (("other", 1.0),)]),
)
histories = st.lists(st.lists(decisions, min_size=1, max_size=3), min_size=1, max_size=20)


@given(histories)
def test_the_self_normalised_value_lies_among_the_rewards_it_weighs(episodes):
    weighed = [d.reward for one in episodes for d in one if off_policy.weight(d)]
    if weighed:
        assert min(weighed) - 1e-9 <= off_policy.self_normalised(episodes) <= max(weighed) + 1e-9


@given(histories)
def test_a_log_that_did_what_the_candidate_would_is_worth_its_mean(episodes):
    own = [[Logged(d.context, d.choice, 1.0, d.reward, ((d.choice, 1.0),)) for d in one] for one in episodes]
    mean = fmean(d.reward for one in own for d in one)
    assert ips(own) == pytest.approx(mean)
    assert off_policy.self_normalised(own) == pytest.approx(mean)
    assert off_policy.support(own, off_policy.chosen(own)) == 1.0


@given(st.lists(st.floats(0.0, 1e6), min_size=1))
def test_effective_episodes_are_no_more_than_those_with_weight(values):
    found = off_policy.effective_sample_size(values)
    assert 0 <= found <= sum(value > 0 for value in values) * (1 + 1e-9)


@given(st.integers(1, 50), st.floats(0.1, 1e3))
def test_episodes_of_equal_weight_all_count(count, weight):
    assert off_policy.effective_sample_size([weight] * count) == pytest.approx(count)


@given(histories)
def test_support_is_a_share(episodes):
    possible = off_policy.chosen(episodes)
    assert 0 <= off_policy.support(episodes, possible) <= 1 + 1e-9
    assert off_policy.support(episodes, ()) == 0.0
    assert off_policy.support([], possible) == 1.0
