"""The kill switch dominates everything, whatever else is going on."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.evolve import evolve
from engine.core.gates import kill_switch
from engine.core.state import State
from engine.core.vocabulary.facts import KillSwitchCleared, KillSwitchSet, Scope
from engine.core.vocabulary.ids import capability_name
from tests.builders import answer, ask, shipped
from tests.strategies import ACTIONS, AGENTS, CAPABILITIES, histories, proposals, scopes


def folded(history):
    state = State()
    for fact in history:
        evolve(state, fact)
    return state


def covers(scope, agent, capability, action):
    """What a scope covers, said the other way round: by its kind."""
    return {
        "all": True,
        "agent": scope.name == agent,
        "capability": scope.name in (capability, capability_name(capability)),
        "action": scope.name == action,
    }[scope.kind]


@given(histories(most=10), proposals, st.data())
def test_a_stop_that_covers_a_proposal_denies_it_after_any_history(history, asked, data):
    state = folded(history)
    scope = data.draw(scopes.filter(lambda s: covers(s, asked.agent, asked.capability, asked.action)))
    evolve(state, KillSwitchSet(at_us=state.now_us, scope=scope, by="ann"))
    decided = ask(asked, state, at_us=state.now_us)
    assert decided.word == "deny"
    assert decided.waits == ()
    assert answer(decided, "kill_switch").owner == "captain"


changes = st.lists(st.tuples(st.booleans(), scopes), max_size=12)


@given(changes, st.sampled_from(AGENTS), st.sampled_from(CAPABILITIES), st.sampled_from(ACTIONS))
def test_exactly_the_stops_in_force_that_cover_a_proposal_deny_it(changes, agent, capability, action):
    stops, model = kill_switch.Stops(), set()
    for setting, scope in changes:
        if setting:
            kill_switch.fold_set(stops, KillSwitchSet(at_us=0, scope=scope, by="ann"))
            model.add(scope)
        else:
            kill_switch.fold_cleared(stops, KillSwitchCleared(at_us=0, scope=scope, by="ann"))
            model.discard(scope)
    said = kill_switch.judge(stops, agent, capability, action)
    covering = [scope for scope in model if covers(scope, agent, capability, action)]
    assert said.ruling == ("deny" if covering else "allow")
    assert said.rule in ({f"kill_switch.{scope}" for scope in covering} or {"kill_switch"})


@given(scopes)
def test_a_cleared_scope_leaves_no_trace(scope):
    stops = kill_switch.Stops()
    kill_switch.fold_set(stops, KillSwitchSet(at_us=0, scope=scope, by="ann"))
    kill_switch.fold_cleared(stops, KillSwitchCleared(at_us=1, scope=scope, by="ben"))
    assert stops == kill_switch.Stops()


@given(proposals)
def test_clearing_the_last_stop_gives_back_the_verdict_of_before(asked):
    state = folded([shipped().adopted(0)])
    before = ask(asked, state, at_us=5)
    evolve(state, KillSwitchSet(at_us=5, scope=Scope("all"), by="ann"))
    evolve(state, KillSwitchCleared(at_us=5, scope=Scope("all"), by="ann"))
    assert ask(asked, state, at_us=5) == before
