"""State is nothing but its facts: written, dropped and read back anywhere, everything goes on the same."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from engine.core.evolve import FOLDS, KEYED, evolve
from engine.core.state import State, absorb, decode_state, encode_state, state_hash
from engine.core.vocabulary.facts import PolicyAdopted, decode, encode
from tests.builders import shipped
from tests.fold_lines import fold
from tests.strategies import KINDS, facts, histories


def folded(history):
    state = State()
    for fact in history:
        evolve(state, fact)
    return state


def test_the_strategies_know_every_kind_of_fact():
    assert {*KINDS, PolicyAdopted} == FOLDS.keys()


@given(facts)
def test_every_fact_reads_back_as_it_was_written(fact):
    line = encode(fact)
    assert b"\n" not in line
    assert encode(decode(line)) == line
    assert decode(line) == fact


@given(histories())
def test_state_that_was_read_back_is_written_the_same(history):
    body = encode_state(folded(history))
    assert encode_state(decode_state(body)) == body


@given(histories())
def test_writing_state_twice_gives_the_same_bytes(history):
    state = folded(history)
    assert encode_state(state) == encode_state(state)


positions = st.frozensets(st.integers(0, 30), max_size=5)


@given(histories(), positions)
def test_snapshots_anywhere_change_no_later_verdict_and_no_state(history, snapshots):
    plain, plain_verdicts = fold(shipped(), history)
    resumed, resumed_verdicts = fold(shipped(), history, snapshots=snapshots)
    assert resumed_verdicts == plain_verdicts
    assert state_hash(resumed) == state_hash(plain)


@given(histories(), positions)
def test_writing_state_on_the_way_changes_nothing_later(history, written):
    state = State()
    for position, fact in enumerate(history):
        evolve(state, fact)
        if position in written:
            encode_state(state)
    assert encode_state(state) == encode_state(folded(history))


@given(histories())
def test_facts_that_were_recorded_and_read_back_fold_the_same(history):
    again = [decode(encode(fact)) for fact in history]
    assert encode_state(folded(again)) == encode_state(folded(history))


KEYED_AND_OTHER = st.one_of(
    *[KINDS[kind] for kind in KEYED], *[KINDS[kind] for kind in KINDS if kind not in KEYED]
)


@given(histories(of=KEYED_AND_OTHER))
def test_keyed_facts_folded_apart_and_put_back_give_the_whole(history):
    adopted, *rest = history
    apart, shared = evolve(State(), adopted), evolve(State(), adopted)
    for fact in rest:
        evolve(apart if isinstance(fact, KEYED) else shared, fact)
    absorb(shared, apart)
    assert encode_state(shared) == encode_state(folded(history))


@given(histories(of=KEYED_AND_OTHER), st.integers(2, 3))
def test_keyed_facts_of_different_keys_may_be_folded_by_different_workers(history, workers):
    adopted, *rest = history
    lanes = [evolve(State(), adopted) for _ in range(workers)]
    for fact in rest:
        if isinstance(fact, KEYED):
            key = getattr(fact, "episode", getattr(fact, "series", ""))
            evolve(lanes[len(key + "x") % workers if key else 0], fact)
    whole = evolve(State(), adopted)
    for fact in rest:
        if not isinstance(fact, KEYED):
            evolve(whole, fact)
    for lane in lanes:
        absorb(whole, copy.deepcopy(lane))
    assert encode_state(whole) == encode_state(folded(history))
