"""Rollout: after any sequence of facts, each capability is where reading them again says it is."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.evolve import evolve
from engine.core.gates import rollout
from engine.core.state import State
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import capability_name
from engine.core.work.rollout.assignment import standing
from tests.strategies import CAPABILITIES, CAPABILITY_NAMES

REASONS = ["freeze", "incident"]
steps = st.lists(
    st.one_of(
        st.builds(
            f.CapabilityPromoted, at_us=st.just(0), capability=st.sampled_from(CAPABILITIES), by=st.just("a")
        ),
        st.builds(
            f.CapabilityDemoted,
            at_us=st.just(0),
            capability=st.sampled_from(CAPABILITY_NAMES),
            by=st.just("a"),
        ),
        st.builds(
            f.RolloutPaused,
            at_us=st.just(0),
            capability=st.sampled_from(CAPABILITY_NAMES),
            reason=st.sampled_from(REASONS),
            by=st.just("a"),
        ),
        st.builds(
            f.RolloutResumed,
            at_us=st.just(0),
            capability=st.sampled_from(CAPABILITY_NAMES),
            reason=st.sampled_from(REASONS),
            by=st.just("a"),
        ),
    ),
    max_size=15,
)


@given(steps, st.sampled_from(CAPABILITIES))
def test_the_last_word_on_each_name_and_each_reason_counts(given_steps, capability):
    state, live, held = State(), None, set()
    name = capability_name(capability)
    for fact in given_steps:
        evolve(state, fact)
        if isinstance(fact, f.CapabilityPromoted) and capability_name(fact.capability) == name:
            live = fact.capability
        elif isinstance(fact, f.CapabilityDemoted) and fact.capability == name:
            live = None
        elif isinstance(fact, f.RolloutPaused) and fact.capability == name:
            held.add(fact.reason)
        elif isinstance(fact, f.RolloutResumed) and fact.capability == name:
            held.discard(fact.reason)
    stands = standing(state.rollouts, capability, "cache.clear", "episode", safe=False)
    said = rollout.judge(stands, capability, "captain")
    assert said.shadowed == (live != capability)
    assert said.ruling == ("escalate" if held else "allow")
    assert all((reason in said.reason) == (reason in held) for reason in REASONS)
