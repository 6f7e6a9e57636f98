"""Votes: who may vote, what counts, and when a vote is carried, lost or over."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import needs
from engine.core.evolve import evolve
from engine.core.state import decode_state, encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import AskPeople
from engine.core.vocabulary.units import HOUR_US, SECOND_US
from engine.core.vocabulary.verdicts import Wait
from engine.core.vocabulary.voting import Topic, Voter, VotingSettings
from engine.core.work.hold import MOST_CHANGES
from tests.answers import CAPTAIN, HELD, RESPONDER, answer, ending, held, override, refusal, stopped, told
from tests.builders import NOON_US, changed

VOTES = Wait(kind="votes", role="voters", needed=3, of=5)


def vote(voter="agent:coder-2", choice="for", *, owner=None, weight=1, after_us=SECOND_US, rationale="r"):
    return f.VoteCast(
        at_us=NOON_US + after_us,
        decision_id=HELD,
        voter=voter,
        owner=owner or voter,
        choice=choice,
        weight=weight,
        rationale=rationale,
    )


def voting(**values):
    return changed(voting=VotingSettings(**values))


def registered(**weights):
    names = {name.replace("_", "-"): weight for name, weight in weights.items()}
    voters = tuple(Voter(name=f"agent:{name}", weight=weight) for name, weight in names.items())
    return {"topics": (Topic(voters=voters),)}


def all_told(state, *facts, policy=None):
    for fact in facts[:-1]:
        assert told(state, fact, policy).facts == ()
    return told(state, facts[-1], policy)


def tick(after_us):
    return f.TimePassed(at_us=NOON_US + after_us, schedule="minute")


def counted(state):
    return [(each.voter, each.choice) for each in state.holds.by_id[HELD].votes]


# ---------------------------------------------------------------- the course of a vote


def test_three_of_five_who_agree_let_it_run():
    decisions = all_told(held(VOTES), vote("ann"), vote("agent:coder-2"), vote("ben", "against"), vote("cat"))
    assert ending(decisions) == ("approved", ("ann", "agent:coder-2", "cat"))
    assert (
        decisions.facts[0].reason
        == "the vote was carried: 3 for, 1 against, 0 abstaining, and it takes 3 of 5"
    )


@pytest.mark.parametrize(
    "words", [["against"] * 3, ["for", "against", "abstain", "against"], ["for", "for", *["abstain"] * 3]]
)
def test_once_too_few_can_agree_it_is_denied(words):
    votes = [vote(f"p{number}", word) for number, word in enumerate(words)]
    decisions = all_told(held(VOTES), *votes)
    how, by = ending(decisions)
    assert (how, len(by)) == ("denied", words.count("against"))
    assert decisions.effects == ()


def test_a_vote_may_be_changed_and_the_last_one_counts():
    state = held(VOTES)
    all_told(state, vote("ann"), vote("ann", "against"), vote("ben"), vote("ann", "abstain"))
    assert counted(state) == [("ben", "for"), ("ann", "abstain")]


def test_one_who_votes_three_times_has_one_vote():
    state = held(VOTES)
    assert all_told(state, vote("ann"), vote("ann"), vote("ann")).facts == ()
    assert counted(state) == [("ann", "for")]


def test_two_names_of_one_owner_have_one_vote():
    policy, state = voting(owners={"agent:coder-2": "ann", "agent:coder-3": "ann"}), held(VOTES)
    told(state, vote("agent:coder-2", owner="ann"), policy)
    assert refusal(told(state, vote("agent:coder-3", owner="ann"), policy)) == (
        "agent:coder-2 has voted for ann already, and one owner has one vote"
    )
    assert "one owner has one vote" in refusal(told(state, vote("ann"), policy))
    assert counted(state) == [("agent:coder-2", "for")]


@pytest.mark.parametrize("voter", ["coder-1", "agent:coder-1"])
def test_nobody_votes_on_what_they_proposed(voter):
    assert "nobody votes on what they proposed" in refusal(told(held(VOTES), vote(voter)))


@pytest.mark.parametrize("voter", ["ann", "agent:coder-2"])
def test_nobody_votes_on_what_is_theirs(voter):
    policy = voting(owners={"agent:coder-1": "ann", "agent:coder-2": "ann"})
    said = refusal(told(held(VOTES), vote(voter, owner="ann"), policy))
    assert said == "coder-1 belongs to ann, and nobody votes on what is theirs"


def test_who_claims_another_owner_or_weight_is_refused():
    policy = voting(owners={"agent:coder-2": "ann"})
    for wrong in (vote(), vote(owner="ben"), vote(owner="ann", weight=2)):
        assert "another owner or weight" in refusal(told(held(VOTES), wrong, policy))


def test_a_refused_change_leaves_the_earlier_vote():
    state = held(VOTES)
    told(state, vote("ann", "against"))
    evolve(state, stopped("action:cache.clear"))
    assert "stopped action:cache.clear" in refusal(told(state, vote("ann", "for")))
    assert counted(state) == [("ann", "against")]


def test_behind_a_stop_nobody_agrees_but_anybody_may_be_against():
    state = held(VOTES)
    evolve(state, stopped("all"))
    assert "ben stopped all" in refusal(told(state, vote("ann")))
    assert told(state, vote("ann", "against")).facts == ()
    assert "ben stopped all" in refusal(told(state, vote("agent:coder-2", "against"))), "agents are stopped"


def test_a_stopped_agent_has_no_vote():
    state = held(VOTES)
    evolve(state, stopped("agent:coder-2"))
    assert "stopped agent:coder-2" in refusal(told(state, vote("agent:coder-2", "against")))
    assert told(state, vote("agent:coder-3")).facts == ()


@pytest.mark.parametrize("waits", [(RESPONDER,), (CAPTAIN,)])
def test_what_waits_for_a_person_is_not_voted_on(waits):
    assert refusal(told(held(*waits), vote())) == "it does not wait for votes"


def test_in_shadow_nobody_votes():
    assert "in shadow" in refusal(told(held(VOTES, shadowed=True), vote()))


def test_after_its_time_nobody_votes():
    late = vote(after_us=changed().hold_us)
    assert "its time was over" in refusal(told(held(VOTES), late))


def test_under_another_policy_nobody_agrees():
    state = held(VOTES, policy_hash="ff")
    assert "the policy changed since" in refusal(told(state, vote()))


def test_a_mind_may_be_changed_so_often_and_no_more():
    state = held(VOTES)
    for number in range(MOST_CHANGES + 1):
        assert told(state, vote("ann", ("against", "abstain")[number % 2])).facts == ()
    assert "changed 20 times already" in refusal(told(state, vote("ann", "for")))
    assert counted(state) == [("ann", "against")]


# ---------------------------------------------------------------- votes, and people


def test_votes_leave_the_person_it_waits_for_as_well():
    state = held(VOTES, RESPONDER)
    all_told(state, vote("ann"), vote("ben"), vote("cat"))
    assert ending(told(state, answer("dan"))) == ("approved", ("dan", "ann", "ben", "cat"))


def test_a_person_before_the_votes_is_enough_for_the_person():
    state = held(VOTES, RESPONDER)
    assert told(state, answer("dan")).facts == ()
    assert ending(all_told(state, vote("ann"), vote("ben"), vote("cat")))[0] == "approved"


def test_a_person_may_both_approve_and_vote():
    state = held(VOTES, RESPONDER)
    told(state, answer("ann"))
    assert ending(all_told(state, vote("ann"), vote("ben"), vote("cat"))) == (
        "approved",
        ("ann", "ben", "cat"),
    )


def test_a_captain_may_override_a_vote_that_is_under_way():
    state = held(VOTES)
    told(state, vote("ann", "against"))
    assert ending(told(state, override("allow"))) == ("approved", ("cat",))


# ---------------------------------------------------------------- topics


def test_where_voters_are_registered_only_they_vote():
    policy, state = voting(**registered(coder_2=1, coder_3=1, coder_4=1)), held(VOTES)
    assert "not registered to vote" in refusal(told(state, vote("ann"), policy))
    assert told(state, vote("agent:coder-2"), policy).facts == ()


def test_a_weight_counts_as_so_many_votes():
    policy = voting(**registered(coder_2=2, coder_3=1, coder_4=1))
    decisions = all_told(held(VOTES), vote("agent:coder-2", weight=2), vote("agent:coder-3"), policy=policy)
    assert ending(decisions)[0] == "approved"


def test_of_four_registered_votes_two_against_are_enough():
    policy = voting(**registered(coder_2=1, coder_3=1, coder_4=1, coder_5=1))
    decisions = all_told(
        held(VOTES), vote("agent:coder-2", "against"), vote("agent:coder-3", "against"), policy=policy
    )
    assert ending(decisions)[0] == "denied"
    assert "it takes 3 of 4" in decisions.facts[0].reason


def test_whoever_proposed_it_is_not_counted_among_those_who_can_agree():
    policy = voting(**registered(coder_1=1, coder_2=1, coder_3=1, coder_4=1))
    decisions = told(held(VOTES), vote("agent:coder-2", "abstain"), policy)
    assert ending(decisions)[0] == "denied", "two of three are left, and it takes three"


def test_nobody_votes_on_what_is_theirs_whether_policy_or_tokens_say_whose_it_is():
    policy = voting(owners={"agent:coder-1": "bob"})
    said = told(held(VOTES), vote("agent:reviewer", owner="bob"), policy)
    assert "coder-1 belongs to bob" in refusal(said), "whose the reviewer is, its token says"


def test_a_topic_is_for_what_its_patterns_fit():
    nobody = Topic(action="db.*", voters=(Voter(name="zoe"),))
    assert told(held(VOTES), vote("ann"), voting(topics=(nobody,))).facts == ()
    mine = Topic(capability="heal@*", action="cache.*", voters=(Voter(name="zoe"),))
    assert "not registered" in refusal(told(held(VOTES), vote("ann"), voting(topics=(nobody, mine))))


# ---------------------------------------------------------------- deadlines


def test_without_a_quorum_at_the_deadline_a_captain_is_asked_once():
    policy, state = voting(deadline_us=HOUR_US), held(VOTES)
    told(state, vote("ann"), policy)
    assert told(state, tick(HOUR_US - 1), policy).facts == ()
    decisions = told(state, tick(HOUR_US), policy)
    (closed,), (asked,) = decisions.facts, decisions.effects
    assert isinstance(closed, f.VoteClosed)
    assert isinstance(asked, AskPeople)
    assert asked.waits == (CAPTAIN,)
    assert closed.reason == (
        "too few voted before the deadline: 1 for, 0 against, 0 abstaining, and it takes 3; a captain decides"
    )
    assert told(state, tick(HOUR_US + 1), policy).facts == ()
    (key,) = needs.standing(state, decisions.facts[0].at_us)
    need = needs.need_of(state, key)
    assert (need.severity, need.summary.partition("waits for ")[2]) == ("warning", "a captain's override")
    assert "the vote is over" in refusal(told(state, vote("ben", after_us=HOUR_US + 2), policy))
    assert ending(told(state, override("allow", after_us=HOUR_US + 3), policy))[0] == "approved"


def test_with_a_quorum_at_the_deadline_what_is_not_carried_is_denied():
    policy, state = voting(deadline_us=HOUR_US), held(VOTES)
    all_told(state, vote("ann"), vote("ben"), vote("cat", "against"), policy=policy)
    assert ending(told(state, tick(HOUR_US), policy)) == ("denied", ("cat",))


def test_what_is_carried_at_the_deadline_goes_on_waiting_for_its_person():
    policy, state = voting(deadline_us=HOUR_US), held(VOTES, RESPONDER)
    all_told(state, vote("ann"), vote("ben"), vote("cat"), policy=policy)
    assert told(state, tick(HOUR_US), policy).facts == ()
    assert ending(told(state, answer("dan", after_us=HOUR_US + 1), policy))[0] == "approved"


def test_a_vote_that_comes_after_the_deadline_never_counts_though_no_tick_has_come_yet():
    policy, state = voting(deadline_us=HOUR_US), held(VOTES)
    all_told(state, vote("ann"), vote("ben"), policy=policy)
    assert "deadline of the vote has passed" in refusal(told(state, vote("cat", after_us=HOUR_US), policy))
    assert counted(state) == [("ann", "for"), ("ben", "for")]


def test_a_vote_nobody_decides_ends_as_a_timeout_with_its_tally():
    policy, state = voting(deadline_us=HOUR_US), held(VOTES)
    told(state, vote("ann"), policy)
    told(state, tick(HOUR_US), policy)
    decisions = told(state, tick(policy.hold_us), policy)
    assert ending(decisions) == ("timeout", ())
    assert decisions.facts[0].reason == "too few agreed in time: 1 for, 0 against, 0 abstaining"


def test_without_a_deadline_votes_are_taken_as_long_as_it_is_held():
    state = held(VOTES)
    assert told(state, tick(changed().hold_us - 1)).facts == ()
    assert told(state, vote(after_us=changed().hold_us - 1)).facts == ()


# ---------------------------------------------------------------- whatever is voted

words = st.sampled_from(["for", "against", "abstain"])
ballots = st.lists(
    st.tuples(st.sampled_from(["ann", "ben", "cat", "dan", "eve", "coder-1"]), words), max_size=25
)


@given(ballots)
def test_it_ends_as_counting_the_last_word_of_each_says(given_votes):
    state, last, over = held(VOTES), {}, None
    for voter, word in given_votes:
        if over is not None:
            break
        decisions = told(state, vote(voter, word))
        if voter == "coder-1":
            assert refusal(decisions)
            continue
        last[voter] = word
        sums = Counter(last.values())
        expected = (
            "approved" if sums["for"] >= 3 else "denied" if sums["against"] + sums["abstain"] > 2 else None
        )
        over = ending(decisions)[0] if decisions.facts else None
        assert over == expected


@given(ballots)
def test_a_state_with_votes_is_read_back_as_it_was(given_votes):
    state = held(VOTES, RESPONDER)
    for voter, word in given_votes:
        told(state, vote(voter, word))
    assert encode_state(decode_state(encode_state(state))) == encode_state(state)


@given(ballots, st.permutations(["ann", "ben", "cat", "dan", "eve"]))
def test_whose_votes_they_are_makes_no_difference(given_votes, names):
    other = dict(zip(["ann", "ben", "cat", "dan", "eve"], names, strict=True))
    one, two = held(VOTES), held(VOTES)
    for voter, word in given_votes:
        first, second = told(one, vote(voter, word)), told(two, vote(other.get(voter, voter), word))
        kinds = [[(type(each), getattr(each, "how", "")) for each in said.facts] for said in (first, second)]
        assert kinds[0] == kinds[1]


def test_settings_of_votes_are_written_and_read():
    made = VotingSettings(**registered(a=2), owners={"agent:a": "ann"}, quorum=2, deadline_us=5)
    assert msgspec.json.decode(msgspec.json.encode(made), type=VotingSettings) == made
