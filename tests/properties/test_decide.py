"""Decide holds its promises for any proposal after any history."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.journal_memory import MemoryJournal
from engine.core.decide import GATES, assess, decide, effects_of, in_order, settle, weigh
from engine.core.evolve import evolve
from engine.core.policy import Remembered
from engine.core.state import State
from engine.core.vocabulary.effects import AskPeople, PerformAction
from engine.core.vocabulary.facts import OWN_FACTS, ProposalReceived, VerdictReached, decode, encode
from engine.core.vocabulary.verdicts import RULING_RANK, Answer, Wait
from engine.runtime.loop import Loop, fact_of, follows, key_of
from tests.builders import shipped, snapshot_of
from tests.fold_lines import fold
from tests.strategies import POLICIES, histories, proposals


def folded(history):
    state = State()
    for fact in history:
        evolve(state, fact)
    return state


situations = st.tuples(histories(most=12), proposals, st.sampled_from([0, 1, 10**6, 10**10]))


def decided(situation, policy=None):
    history, asked, later_us = situation
    state = folded(history)
    fact = ProposalReceived(at_us=state.now_us + later_us, proposal=asked)
    evolve(state, fact)
    decisions = decide(policy or shipped(), state, fact)
    return state, fact, decisions, decisions.facts[0].verdict


@given(situations)
def test_a_proposal_gets_one_verdict_and_every_gate_its_say(situation):
    _, fact, decisions, verdict = decided(situation)
    assert [type(consequence) for consequence in decisions.facts] == [VerdictReached]
    assert tuple(said.gate for said in in_order(verdict)) == GATES
    assert verdict.at_us == fact.at_us
    assert not [said.rule for said in in_order(verdict) if said.rule.endswith(".failed")]


@given(situations)
def test_the_strictest_gate_gives_the_word(situation):
    _, _, _, verdict = decided(situation)
    strictest = max((said.ruling for said in in_order(verdict)), key=RULING_RANK.__getitem__)
    assert verdict.word == {"escalate": "hold", "consensus": "hold"}.get(strictest, strictest)


@given(situations)
def test_waits_belong_to_held_verdicts_and_to_them_alone(situation):
    _, _, _, verdict = decided(situation)
    assert bool(verdict.waits) == (verdict.word == "hold")
    assert len(set(verdict.waits)) == len(verdict.waits)
    assert set(verdict.waits) <= {wait for said in in_order(verdict) for wait in said.waits}


@given(situations)
def test_every_objection_gives_reason_rule_and_owner(situation):
    _, _, _, verdict = decided(situation)
    for said in in_order(verdict):
        if said.ruling != "allow":
            assert said.reason
            assert said.rule
            assert said.owner


@given(situations)
def test_effects_follow_only_from_verdicts_that_are_executed(situation):
    _, fact, decisions, verdict = decided(situation)
    kinds = [type(effect) for effect in decisions.effects]
    action = shipped().actions.get(fact.proposal.action)
    if verdict.shadowed or verdict.word == "deny" or (verdict.word == "allow" and action.run is None):
        assert kinds == []
    else:
        assert kinds == [PerformAction if verdict.word == "allow" else AskPeople]
    for effect in decisions.effects:
        assert effect.decision_id == verdict.decision_id
        if isinstance(effect, PerformAction):
            assert (effect.action, effect.args, effect.digest) == (
                fact.proposal.action,
                fact.proposal.args,
                verdict.digest,
            )


@given(situations)
def test_deciding_changes_no_state_and_says_the_same_again(situation):
    state, fact, decisions, _ = decided(situation)
    before = snapshot_of(state)
    again = decide(shipped(), state, fact)
    assert encode(list(again.facts)) == encode(list(decisions.facts))
    assert again.effects == decisions.effects
    assert snapshot_of(state) == before


@given(situations)
def test_every_verdict_reads_back_as_it_was_written(situation):
    _, _, decisions, _ = decided(situation)
    line = encode(decisions.facts[0])
    assert decode(line) == decisions.facts[0]
    assert encode(decode(line)) == line


@given(situations, st.sampled_from(POLICIES))
def test_assessed_apart_and_settled_later_it_is_the_same_to_the_byte(situation, policy):
    state, fact, decisions, verdict = decided(situation, policy)
    claim, weighed = assess(policy, state.episodes, fact.proposal, fact.at_us)
    written = msgspec.structs.replace(weighed, assessment=msgspec.Raw(encode(weighed.assessment)))
    settled, against = settle(policy, state, claim, written)
    assert encode(VerdictReached(at_us=settled.at_us, verdict=settled)) == encode(decisions.facts[0])
    assert {(o.gate, o.rule, o.ruling) for o in against} == {
        (said.gate, said.rule, said.ruling) for said in in_order(verdict) if said.ruling != "allow"
    }
    assert effects_of(policy, fact.proposal, verdict) == decisions.effects


@given(st.lists(situations, min_size=2, max_size=5), st.sampled_from(POLICIES), st.sampled_from([1, 2, 4096]))
def test_what_was_remembered_changes_no_byte(several, policy, most):
    known = Remembered(most)
    # The first time it is worked out, the second time it is worth remembering, the third time it is known.
    for history, asked, later_us in several * 3:
        state = folded(history)
        # As the loop does: decided on is what was written.
        fact = decode(encode(ProposalReceived(at_us=state.now_us + later_us, proposal=asked)))
        evolve(state, fact)
        remembered, fresh = decide(policy, state, fact, known), decide(policy, state, fact)
        assert encode(list(remembered.facts)) == encode(list(fresh.facts))
        assert remembered.effects == fresh.effects


@given(situations)
def test_replaying_the_journal_gives_the_verdict_that_was_given_live(situation):
    history, asked, later_us = situation
    received = ProposalReceived(at_us=history[-1].at_us + later_us, proposal=asked)
    others = [fact for fact in history if not isinstance(fact, (ProposalReceived, *OWN_FACTS))]
    # An effect ends once, and an undo is asked for once.
    others = list({key_of(fact, f"fact:{n}"): fact for n, fact in enumerate(others)}.values())
    journal = MemoryJournal()
    loop = Loop(shipped(), journal)
    loop.adopt(history[0].at_us)
    loop.feed([(f"fact:{n}", fact) for n, fact in enumerate([*others, received])])
    *records, answered = journal.read()
    told = [(record, fact_of(record)) for record in records]
    _, lines = fold(shipped(), [fact for record, fact in told if not follows(record, fact)])
    assert lines == [answered.body]


rulings = st.lists(st.sampled_from(list(RULING_RANK)), max_size=6)


@given(rulings, rulings)
def test_weighing_in_two_steps_is_weighing_at_once(some, more):
    def answers(given_rulings):
        return tuple(
            Answer(gate="g", ruling=r, waits=() if r in ("allow", "deny") else (Wait(kind="person", role=r),))
            for r in given_rulings
        )

    whole = weigh(answers(some + more))
    one, other = weigh(answers(some)), weigh(answers(more))
    assert whole[0] == max(one[0], other[0], key=RULING_RANK.__getitem__)
    assert whole[1] == one[1] + other[1]
    assert whole[2] == one[2] + other[2]
