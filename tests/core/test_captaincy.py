"""Who overrules: agents may hold the veto, never an allow; one person acts as captain, and hands it over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.evolve import evolve
from engine.core.state import decode_state, encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.captaincy import CaptaincySettings
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.captaincy import Captaincy, fold, objection
from tests.answers import HELD, ending, held, refusal, told
from tests.builders import NOON_US, changed, state_under

POLICY = changed(captaincy=CaptaincySettings(vetoers=("agent-4",)))


def said(by, word):
    return f.DecisionOverridden(
        at_us=NOON_US + SECOND_US, decision_id=HELD, by=by, word=word, reason="it smells"
    )


def test_an_agent_that_holds_the_veto_ends_what_waits():
    state = held()
    assert ending(told(state, said("agent:agent-4", "veto"), POLICY)) == ("vetoed", ("agent:agent-4",))
    assert state.holds.by_id == {}


@pytest.mark.parametrize(
    ("by", "word", "because"),
    [
        ("agent:agent-4", "allow", "never an allow"),
        ("agent:coder-2", "allow", "never an allow"),
        ("agent:coder-2", "veto", "holds no veto"),
    ],
)
def test_what_no_agent_may_say_changes_nothing(by, word, because):
    state = held()
    assert because in refusal(told(state, said(by, word), POLICY))
    assert list(state.holds.by_id) == [HELD]


def test_without_a_word_of_the_policy_no_agent_vetoes():
    assert "holds no veto" in refusal(told(held(), said("agent:agent-4", "veto")))


# ---------------------------------------------------------------- who holds it


CORA = f.CaptaincyBegun(at_us=0, captain="cora", deputy="dean")
PEOPLE = ("cora", "dean", "eli")


def holding(*facts):
    known = Captaincy()
    for fact in (CORA, *facts):
        fold(known, fact)
    return known


AWAY = f.CaptainAway(at_us=1, by="dean", away=True)
OFFERED = f.CaptaincyOffered(at_us=1, by="cora", to="eli")


def test_the_deputy_acts_while_the_captain_is_away_and_nobody_acts_beside():
    assert holding().acting == "cora"
    assert holding(AWAY).acting == "dean"
    assert holding(AWAY, f.CaptainAway(at_us=2, by="cora", away=False)).acting == "cora"


def test_it_passes_when_it_is_taken_and_a_deputy_who_takes_it_is_deputy_no_more():
    assert holding(OFFERED).acting == "cora"
    passed = holding(AWAY, OFFERED, f.CaptaincyPassed(at_us=2, by="cora", to="eli"))
    assert (passed.captain, passed.deputy, passed.away, passed.offered) == ("eli", "dean", False, "")
    taken = holding(f.CaptaincyPassed(at_us=2, by="cora", to="dean"))
    assert (taken.captain, taken.deputy) == ("dean", "")


@pytest.mark.parametrize(
    ("known", "word", "by", "to", "because"),
    [
        (holding(), "hand-over", "cora", "eli", ""),
        (holding(), "hand-over", "dean", "eli", "cora acts as captain"),
        (holding(AWAY), "hand-over", "dean", "eli", ""),
        (holding(AWAY), "hand-over", "cora", "eli", "dean acts as captain"),
        (holding(), "hand-over", "cora", "agent:coder-1", "no agent is captain"),
        (holding(), "hand-over", "cora", "", "name a person"),
        (holding(), "hand-over", "cora", "cora", "captain already"),
        (holding(), "deputy", "cora", "eli", ""),
        (holding(), "accept", "eli", "", "nobody was offered"),
        (holding(OFFERED), "accept", "eli", "", ""),
        (holding(OFFERED), "accept", "dean", "", "eli was offered it"),
        (holding(OFFERED), "decline", "eli", "", ""),
        (holding(OFFERED), "decline", "cora", "", ""),
        (holding(OFFERED), "decline", "dean", "", "not dean"),
        (holding(), "decline", "cora", "", "nobody was offered"),
        (holding(), "away", "dean", "", ""),
        (holding(), "away", "eli", "", "and nobody else"),
        (holding(AWAY), "away", "cora", "", "away already"),
        (holding(), "back", "cora", "", "there already"),
        (Captaincy(captain="cora"), "away", "cora", "", "has no deputy"),
        (Captaincy(), "away", "cora", "", "there is no captaincy"),
    ],
)
def test_a_word_on_it_counts_only_from_whom_it_is_asked(known, word, by, to, because):
    said = objection(known, word, by, to)
    assert because in said
    assert bool(said) == bool(because)


WORDS = {
    "hand-over": lambda by, to: f.CaptaincyOffered(at_us=1, by=by, to=to),
    "accept": lambda by, to: f.CaptaincyPassed(at_us=1, by="x", to=by),
    "decline": lambda by, to: f.CaptaincyDeclined(at_us=1, by=by),
    "away": lambda by, to: f.CaptainAway(at_us=1, by=by, away=True),
    "back": lambda by, to: f.CaptainAway(at_us=1, by=by, away=False),
    "deputy": lambda by, to: f.DeputyNamed(at_us=1, by=by, deputy=to),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(WORDS)), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE))))
def test_somebody_always_acts_and_it_only_moves_by_the_word_of_who_acts_and_who_takes_it(said):
    state = state_under(None, CORA)
    offers = set()
    for word, by, to in said:
        known = state.captaincy
        acting, captain = known.acting, known.captain
        if objection(known, word, by, to):
            continue
        evolve(state, WORDS[word](by, to))
        known = state.captaincy
        if word == "hand-over":
            assert by == acting
            offers.add(to)
        if known.captain != captain:
            assert word == "accept"
            assert known.captain == by
            assert by in offers, "nobody takes what they were not offered"
        assert known.acting in PEOPLE
        assert known.captain != known.deputy
    assert decode_state(encode_state(state)) == state
