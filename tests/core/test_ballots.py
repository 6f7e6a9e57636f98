"""Choosing among alternatives: approval voting and Borda's count, and what each promises."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.work.ballots import approval, borda

NAMES = ("a", "b", "c", "d")
RULES = pytest.mark.parametrize("rule", [approval, borda], ids=["approval", "borda"])
partial = st.lists(st.sampled_from(NAMES), unique=True, max_size=4)
complete = st.permutations(NAMES)
elections = st.lists(partial, max_size=9)
some = st.lists(partial, min_size=1, max_size=9)
full_elections = st.lists(complete, min_size=1, max_size=9)


def cast(ballots):
    return {f"voter-{number}": ballot for number, ballot in enumerate(ballots)}


def points(outcome):
    return {score.alternative: score.points for score in outcome.scores}


# ---------------------------------------------------------------- what both promise


@RULES
@given(elections, st.data())
def test_whose_ballot_it_is_makes_no_difference(rule, ballots, data):
    others = data.draw(st.permutations(ballots))
    assert rule(NAMES, cast(ballots)) == rule(NAMES, cast(others))
    renamed = {f"someone-{9 - number}": ballot for number, ballot in enumerate(ballots)}
    assert rule(NAMES, cast(ballots)) == rule(NAMES, renamed)


@RULES
@given(elections, complete)
def test_the_names_of_alternatives_make_no_difference(rule, ballots, names):
    other = dict(zip(NAMES, names, strict=True))
    one = rule(NAMES, cast(ballots))
    two = rule(names, cast([[other[each] for each in ballot] for ballot in ballots]))
    assert {other[each] for each in one.winners} == set(two.winners)
    assert {other[name]: got for name, got in points(one).items()} == points(two)


@RULES
@given(elections, complete)
def test_the_order_in_which_they_are_put_to_the_vote_makes_no_difference(rule, ballots, order):
    assert set(rule(NAMES, cast(ballots)).winners) == set(rule(order, cast(ballots)).winners)


@given(some, st.integers(0, 8))
def test_whoever_approves_of_a_winner_too_does_not_make_it_lose(ballots, which):
    which %= len(ballots)
    before = approval(NAMES, cast(ballots))
    for winner in before.winners:
        raised = [*ballots]
        raised[which] = list({*ballots[which], winner})
        assert winner in approval(NAMES, cast(raised)).winners


@given(some, st.integers(0, 8), st.integers(0, 3))
def test_whoever_raises_a_winner_does_not_make_it_lose(ballots, which, place):
    which %= len(ballots)
    for winner in borda(NAMES, cast(ballots)).winners:
        ballot = ballots[which]
        if winner not in ballot:
            continue
        others = [each for each in ballot if each != winner]
        higher = min(place, ballot.index(winner))
        raised = [*ballots]
        raised[which] = [*others[:higher], winner, *others[higher:]]
        assert winner in borda(NAMES, cast(raised)).winners


@given(some, st.integers(0, 8))
def test_whoever_ranks_a_winner_first_that_they_left_out_does_not_make_it_lose(ballots, which):
    which %= len(ballots)
    for winner in borda(NAMES, cast(ballots)).winners:
        if winner in ballots[which]:
            continue
        raised = [*ballots]
        raised[which] = [winner, *ballots[which]]
        assert winner in borda(NAMES, cast(raised)).winners


@RULES
@given(elections)
def test_all_who_have_the_most_win_and_nobody_else(rule, ballots):
    outcome = rule(NAMES, cast(ballots))
    got = points(outcome)
    best = max(got.values())
    assert outcome.winners == tuple(name for name in NAMES if got[name] == best and best > 0)
    assert outcome.winner == (outcome.winners[0] if len(outcome.winners) == 1 else None)


@RULES
def test_where_nobody_chooses_anything_nothing_wins(rule):
    for ballots in ({}, {"ann": []}, {"ann": ["nothing of it"]}):
        outcome = rule(NAMES, ballots)
        assert (outcome.winners, outcome.winner) == ((), None)
    assert rule((), {"ann": ["a"]}).winners == ()


@RULES
def test_a_tie_names_everybody_and_no_winner(rule):
    outcome = rule(NAMES, {"ann": ["b", "a"], "ben": ["a", "b"]})
    assert (outcome.winners, outcome.winner) == (("a", "b"), None)


@RULES
@given(elections)
def test_naming_something_twice_or_something_else_changes_nothing(rule, ballots):
    noisy = [["z", *ballot, *ballot, "z"] for ballot in ballots]
    assert rule(NAMES, cast(ballots)) == rule(NAMES, cast(noisy))


# ---------------------------------------------------------------- what one promises


@given(elections)
def test_a_loser_that_is_taken_away_leaves_the_winners_of_approval(ballots):
    outcome = approval(NAMES, cast(ballots))
    for loser in set(NAMES) - set(outcome.winners):
        left = [name for name in NAMES if name != loser]
        assert approval(left, cast(ballots)).winners == outcome.winners


def test_a_loser_that_is_taken_away_may_change_the_winner_of_borda():
    ballots = cast([["a", "b", "c"]] * 3 + [["b", "c", "a"]] * 2)
    assert borda(("a", "b", "c"), ballots).winner == "b"
    assert borda(("a", "b"), ballots).winner == "a"


@given(full_elections)
def test_points_of_borda_are_by_place(ballots):
    got = points(borda(NAMES, cast(ballots)))
    for name in NAMES:
        assert got[name] == sum(2 * (3 - ballot.index(name)) for ballot in ballots)


@given(elections)
def test_every_ballot_has_the_same_points_in_borda(ballots):
    said = [ballot for ballot in ballots if ballot]
    assert sum(points(borda(NAMES, cast(ballots))).values()) == len(said) * 4 * 3


@given(full_elections)
def test_what_loses_to_every_other_never_wins_in_borda(ballots):
    def beaten(one, by):
        return 2 * sum(ballot.index(by) < ballot.index(one) for ballot in ballots) > len(ballots)

    outcome = borda(NAMES, cast(ballots))
    for name in NAMES:
        if all(beaten(name, other) for other in NAMES if other != name):
            assert name not in outcome.winners


@given(complete, st.integers(1, 9))
def test_where_all_agree_borda_puts_them_in_their_order(ballot, many):
    got = points(borda(NAMES, cast([ballot] * many)))
    assert all(got[one] > got[other] for one, other in pairwise(ballot))
