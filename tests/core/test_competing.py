"""Competing proposals: who is put to a vote, who may vote, what decides, and what never does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core import needs
from engine.core.state import decode_state, encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.competing import resource_of
from engine.core.vocabulary.units import MINUTE_US
from engine.core.vocabulary.voting import Topic, Voter
from engine.core.work.contests import MOST
from tests.builders import changed, shipped
from tests.competitions import WEB, Course, folded, policy_with, three


def verdict_of(course: Course, decision: str):
    (found,) = [
        fact.verdict
        for fact in course.facts
        if isinstance(fact, f.VerdictReached) and fact.verdict.decision_id == decision
    ]
    return found


# ---------------------------------------------------------------- who competes


def test_without_a_competition_each_goes_its_own_way():
    course = Course(changed(policy_with(), voting=shipped().voting))
    first, second, third = three(course)
    assert course.runs() == [first, second, third]
    assert course.state.contests.by_resource == {}


def test_what_would_begin_while_another_runs_waits_and_begins_when_that_has_ended():
    course = Course()
    first, second = course.wants("p-1", "coder-1"), course.wants("p-2", "coder-2")
    assert [wait.kind for wait in verdict_of(course, second).waits] == ["choice"]
    assert course.runs() == [first]
    course.ends(first)
    assert course.runs() == [first, second]
    assert course.decided().how == "alone"


def test_what_wants_something_else_is_not_held():
    course = Course()
    course.wants("p-1", "coder-1")
    assert verdict_of(course, course.wants("p-2", "coder-2", args={"service": "db"})).word == "allow"


def test_what_waits_for_a_person_competes_with_what_comes_after_it():
    course = Course()
    first = course.wants("p-1", "coder-1", confidence=0.1)
    second = course.wants("p-2", "coder-2")
    assert set(course.state.contests.by_resource[WEB].contest.decisions) == {first, second}
    assert [wait.kind for wait in course.state.holds.by_id[first].waits] == ["person", "choice"]
    assert course.runs() == []


def test_one_owner_has_one_proposal_on_the_ballot_and_its_others_wait_behind():
    course = Course(policy_with({"owners": {"agent:coder-2": "bob", "agent:coder-3": "bob"}}))
    first, second, third = three(course)
    assert course.state.contests.by_resource[WEB].contest is None
    course.ends(first)
    course.ends(second)
    assert course.runs() == [first, second, third]


def test_what_finds_a_ballot_of_twenty_is_denied():
    course = Course()
    for number in range(MOST + 1):
        course.wants(f"p-{number}", f"coder-{number}")
    assert verdict_of(course, course.wants("p-last", "coder-last")).word == "deny"


@pytest.mark.parametrize("path", ["a/b.txt", "./a/b.txt", "a//b.txt", "a/c/../b.txt"])
def test_a_file_is_one_resource_however_it_is_written(path):
    assert resource_of("file:{path}", {"path": path}) == "file:a/b.txt"


# ---------------------------------------------------------------- the vote


def test_the_vote_decides_and_the_loser_is_denied_naming_the_winner():
    course = Course()
    first, second, third = three(course)
    course.ends(first)
    course.ballot("ann", second)
    course.ballot("ben", second, third)
    assert course.runs() == [first]
    course.passes(6)
    assert course.runs() == [first, second]
    assert (course.decided().how, course.decided().winner) == ("vote", second)
    assert (course.how(third), second in course.reason(third)) == ("denied", True)


def test_losers_wait_until_the_winner_is_done_where_the_policy_says_so():
    course = Course(policy_with(losers="wait"))
    first, second, third = three(course)
    course.ends(first)
    course.ballot("ann", third)
    course.ballot("ben", third)
    course.passes(6)
    assert (course.runs(), course.how(second)) == ([first, third], "")
    course.ends(third)
    assert course.runs() == [first, third, second]


def test_borda_counts_the_order_and_approval_does_not():
    found = []
    for method in ("approval", "borda"):
        course = Course(policy_with(method=method))
        _, second, third = three(course)
        course.ballot("ann", third, second)
        course.ballot("ben", third, second)
        course.ballot("cat", second)
        course.passes(6)
        found.append(next(fact for fact in course.facts if isinstance(fact, f.ContestDecided)).winner)
    assert found == [second, third]


def test_the_vote_lets_go_nothing_that_still_waits_for_a_person():
    course = Course()
    first, second, _ = three(course, confidence=0.1)
    course.ballot("ann", second)
    course.ballot("ben", second)
    course.passes(6)
    course.ends(first)
    assert course.runs() == [first]
    course.at_us += 1
    course.tell(
        f.HoldAnswered(
            at_us=course.at_us,
            decision_id=second,
            by="ann",
            role="responder",
            answer="approve",
            digest=course.state.holds.by_id[second].digest,
        )
    )
    assert course.runs() == [first, second]


def test_behind_a_stop_a_winner_waits_and_goes_on_after_it():
    course = Course()
    first, second, _ = three(course)
    course.ends(first)
    course.ballot("ann", second)
    course.ballot("ben", second)
    stop = f.KillSwitchSet(at_us=course.at_us, scope=f.Scope(kind="all"), by="ann", reason="r")
    course.tell(stop)
    course.passes(6)
    assert (course.decided().winner, course.runs()) == (second, [first])
    course.tell(f.KillSwitchCleared(at_us=course.at_us, scope=f.Scope(kind="all"), by="ann", reason="r"))
    course.passes(1)
    assert course.runs() == [first, second]


def test_once_all_have_voted_who_may_it_is_decided_at_once():
    voters = tuple(Voter(name=f"agent:{name}") for name in ("v0", "v1", "v2", "coder-2"))
    course = Course(policy_with({"topics": (Topic(voters=voters),)}))
    _, second, third = three(course)
    for voter in ("agent:v0", "agent:v1"):
        course.ballot(voter, third)
    assert not [fact for fact in course.facts if isinstance(fact, f.ContestDecided)]
    course.ballot("agent:v2", second)
    assert (course.decided().how, course.decided().winner) == ("vote", third)


# ---------------------------------------------------------------- who votes


def test_nobody_votes_where_their_own_stands_nor_whoever_belongs_to_the_same_owner():
    course = Course(policy_with({"owners": {"agent:coder-2": "bob", "agent:helper": "bob"}}))
    _, second, third = three(course)
    for voter in ("agent:coder-2", "agent:helper", "bob", "agent:coder-3"):
        course.ballot(voter, second)
    assert len(course.refusals()) == 4
    assert course.state.contests.by_resource[WEB].contest.ballots == ()
    assert third in course.state.contests.by_resource[WEB].contest.decisions


def test_a_ballot_counts_no_more_once_its_owners_own_comes_to_stand_on_it():
    course = Course()
    _, second, third = three(course)
    course.ballot("agent:coder-4", third)
    course.ballot("ann", second)
    course.ballot("ben", second)
    fourth = course.wants("p-4", "coder-4")
    course.passes(6)
    assert fourth in course.decided().decisions
    assert {each.decision_id: each.points for each in course.decided().scores}[third] == 0


def test_one_owner_has_one_ballot_and_the_last_one_counts():
    course = Course(policy_with({"owners": {"agent:a": "bob", "agent:b": "bob"}}))
    _, second, third = three(course)
    course.ballot("agent:a", second)
    course.ballot("agent:b", third)
    course.ballot("agent:a", third)
    assert len(course.refusals()) == 1
    (ballot,) = course.state.contests.by_resource[WEB].contest.ballots
    assert (ballot.owner, ballot.choices, ballot.changes) == ("bob", (third,), 1)


def test_a_ballot_with_another_weight_is_refused_and_the_one_before_counts_again():
    course = Course()
    _, second, third = three(course)
    course.ballot("ann", second)
    course.ballot("ann", third, weight=9)
    (ballot,) = course.state.contests.by_resource[WEB].contest.ballots
    assert (ballot.choices, len(course.refusals())) == ((second,), 1)


def test_a_stopped_agent_has_no_ballot():
    course = Course()
    _, second, _ = three(course)
    stop = f.KillSwitchSet(
        at_us=course.at_us, scope=f.Scope(kind="agent", name="coder-9"), by="ann", reason="r"
    )
    course.tell(stop)
    course.ballot("agent:coder-9", second)
    assert len(course.refusals()) == 1


def test_a_ballot_after_the_deadline_does_not_count():
    course = Course()
    _, second, _ = three(course)
    course.at_us += 6 * MINUTE_US
    course.ballot("ann", second)
    assert course.refusals() == ["its time was over before that"]


# ---------------------------------------------------------------- what votes leave open


def tied(course: Course) -> tuple[str, str, str]:
    first, second, third = three(course)
    course.ends(first)
    course.ballot("ann", second)
    course.ballot("ben", third)
    course.passes(6)
    return first, second, third


def test_a_tie_is_a_captains_to_settle():
    course = Course()
    first, second, third = tied(course)
    assert course.runs() == [first]
    course.settles("ann", third)
    assert (course.decided().how, course.runs()) == ("captain", [first, third])
    assert course.how(second) == "denied"


def test_a_captain_settles_nothing_while_ballots_are_taken():
    course = Course()
    _, second, _ = three(course)
    course.settles("ann", second)
    assert len(course.refusals()) == 1


def test_without_a_captain_the_priority_score_decides():
    course = Course()
    first, second, third = three(course)
    scores = [verdict_of(course, each).touches.score for each in (second, third)]
    assert scores[0] < scores[1]
    course.ends(first)
    course.ballot("ann", second)
    course.passes(6)
    course.passes(16)
    assert (course.decided().how, course.decided().winner) == ("priority", third)
    assert "too few voted" in course.reason(second)


@pytest.mark.parametrize(("failsafe", "how"), [("hold", ""), ("deny", "denied")])
def test_where_nothing_decides_the_failsafe_holds_and_never_chance(failsafe, how):
    course = Course(policy_with(failsafe=failsafe))
    first, second, third = three(course, "cache.clear")
    course.ends(first)
    course.passes(6)
    course.passes(16)
    course.passes(60)
    assert (course.decided().how, course.decided().winner) == ("failsafe", None)
    assert (course.runs(), course.how(second), course.how(third)) == ([first], how, how)


def test_what_the_failsafe_holds_takes_a_captains_allow_even_if_it_is_the_last():
    course = Course()
    first, second, third = three(course, "cache.clear")
    course.ends(first)
    course.passes(6)
    course.passes(16)
    course.tell(f.DecisionOverridden(at_us=course.at_us, decision_id=second, by="ann", word="veto"))
    course.passes(1)
    assert course.runs() == [first]
    course.tell(f.DecisionOverridden(at_us=course.at_us, decision_id=third, by="ann", word="allow"))
    assert course.runs() == [first, third]


def test_a_captains_allow_ends_the_vote():
    course = Course()
    first, second, third = three(course)
    course.ends(first)
    course.tell(f.DecisionOverridden(at_us=course.at_us, decision_id=third, by="ann", word="allow"))
    assert (course.decided().how, course.runs(), course.how(second)) == ("override", [first, third], "denied")


def test_whoever_is_left_alone_needs_no_vote():
    course = Course()
    first, second, third = three(course)
    course.ends(first)
    course.tell(f.DecisionOverridden(at_us=course.at_us, decision_id=second, by="ann", word="veto"))
    assert (course.decided().how, course.runs()) == ("alone", [first, third])


# ---------------------------------------------------------------- any course of things

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wants"), st.integers(0, 4), st.sampled_from([0.1, 0.9])),
        st.tuples(st.just("ballot"), st.sampled_from(["ann", "ben", "agent:coder-1"]), st.integers(0, 7)),
        st.tuples(st.just("passes"), st.sampled_from([1, 6, 16, 1500]), st.just(0)),
        st.tuples(st.just("ends"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("settles"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("override"), st.integers(0, 7), st.sampled_from(["allow", "veto"])),
        st.tuples(st.just("approve"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("crash"), st.just(0), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(
    steps=_STEPS,
    method=st.sampled_from(["approval", "borda"]),
    losers=st.sampled_from(["deny", "wait"]),
    failsafe=st.sampled_from(["deny", "hold"]),
)
def test_nothing_runs_twice_or_beside_another_and_the_journal_alone_gives_the_state(
    steps, method, losers, failsafe
):
    policy = policy_with(method=method, losers=losers, failsafe=failsafe)
    course = Course(policy)
    decisions: list[str] = []
    running: set[str] = set()
    told: list[f.Fact] = []
    for step in steps:
        before, done = len(course.facts), len(course.runs())
        allowed = _take(course, decisions, running, step)
        told += course.facts[before : before + 1]
        begun = course.runs()[done:]
        # Only a captain's allow puts something beside what runs.
        assert allowed or len(begun) + len(running) <= 1 or not begun
        running |= set(begun)
        if step[0] == "crash":
            course.state = decode_state(encode_state(course.state))
    assert len(course.runs()) == len(set(course.runs()))
    assert encode_state(folded(course.facts, policy)) == encode_state(course.state)
    again = Course(policy)
    for fact in told:
        again.tell(fact)
    assert [f.encode(fact) for fact in again.facts] == [f.encode(fact) for fact in course.facts]


def _take(course: Course, decisions: list[str], running: set[str], step) -> bool:
    """Do one step; says whether it was a captain's allow."""
    what, which, how = step
    one = decisions[which % len(decisions)] if decisions and isinstance(which, int) else ""
    wanted = course.state.contests.by_resource.get(WEB)
    contest = wanted.contest if wanted is not None else None
    match what:
        case "wants":
            decisions.append(course.wants(f"p-{len(decisions)}", f"coder-{which}", confidence=how))
        case "ballot" if contest is not None:
            course.ballot(which, *(contest.decisions[how % len(contest.decisions) :]))
        case "passes":
            course.passes(which)
        case "ends" if one in running:
            running.discard(one)
            course.ends(one)
        case "settles" if contest is not None:
            course.settles("ann", contest.decisions[which % len(contest.decisions)])
        case "override" if one:
            course.at_us += 1
            course.tell(f.DecisionOverridden(at_us=course.at_us, decision_id=one, by="ann", word=how))
            return how == "allow"
        case "approve" if one in course.state.holds.by_id:
            course.at_us += 1
            digest = course.state.holds.by_id[one].digest
            said = {"by": "ben", "role": "responder", "answer": "approve", "digest": digest}
            course.tell(f.HoldAnswered(at_us=course.at_us, decision_id=one, **said))
    return False


def test_an_owner_that_only_a_token_names_has_one_ballot_and_none_beside_their_own():
    course = Course()
    _, second, third = three(course)
    course.ballot("agent:coder-7", second, owner="ann")
    course.ballot("agent:coder-8", third, owner="ann")
    (said,) = course.refusals()
    assert "agent:coder-7" in said
    assert "one owner" in said
    owned = Course()
    three(owned, owner="ben")
    fourth = owned.wants("p-4", "coder-9")
    owned.ballot("ben", fourth)
    owned.ballot("agent:coder-5", fourth, owner="ben")
    assert ["nobody votes where their own stands" in said for said in owned.refusals()] == [True, True]


def test_agents_of_one_owner_have_one_proposal_on_the_ballot():
    course = Course()
    three(course, owner="ben")
    assert not any(isinstance(fact, f.ContestOpened) for fact in course.facts)


# ---------------------------------------------------------------- who is woken


def test_a_captain_is_woken_once_where_ballots_decided_nothing():
    course = Course()
    first, *_ = three(course, "cache.clear")
    course.ends(first)

    def wanted() -> list[needs.Need]:
        return [needs.need_of(course.state, key) for key in needs.standing(course.state, course.at_us)]

    assert {need.severity for need in wanted()} == {"info"}, "others may vote first"
    course.passes(6)
    contest = course.state.contests.by_resource[WEB].contest
    assert contest is not None
    assert {need.severity for need in wanted()} == {"warning"}
    assert {need.group for need in wanted()} == {f"resource:{WEB}"}
    assert {need.deadline_us for need in wanted()} == {contest.captain_until_us}
    assert all(need.summary.endswith("waits for a captain to settle service:web") for need in wanted())
    assert all("too few voted" in need.evidence[0] for need in wanted())
    course.passes(16)
    assert {need.severity for need in wanted()} == {"warning"}
    assert all(need.summary.endswith("waits for a captain's override") for need in wanted())
